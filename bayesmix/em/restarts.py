"""Many starts: one climb from each, as one batch, in this process or in workers, with the same result."""

import numpy as np

from bayesmix.em import batch, engine, starts, together


def climb_all(problem, start, *, restarts, seed, first=0, every=1, workers=1, progress=None, **options):
    """The runs of all restarts, in order, and whether Ctrl-C ended them early.

    Small Gaussian problems run as one compiled batch (`em/batch.py`), those of other exponential families in step
    (`em/together.py`), all others one climb at a time, here or in workers.

    first: the number of the first of these restarts. every: the step to the next number. Restart i draws its start
    from the i-th child of `seed`, so the result depends on neither the number of workers nor the order of execution.
    A start that is not random is climbed from once.
    """
    if isinstance(start, str) and start == "mixed":
        return in_turn(problem, restarts, first, progress, seed=seed, workers=workers, **options)
    count = restarts if isinstance(start, str) else 1
    children = np.random.SeedSequence(seed).spawn(first + count * every)[first::every]
    step = progress or (lambda done, total: None)
    runs = []
    try:
        way = None if options.get("keep") else way_of(problem)
        if way is not None:
            options.pop("keep", None)
            way.climb(way.starts(start, children), into=runs, progress=lambda done: step(done, count), **options)
        elif workers > 1 and count > 1:
            from joblib import Parallel, delayed

            jobs = (delayed(one)(problem, start, child, options) for child in children)
            for r in Parallel(n_jobs=workers, return_as="generator")(jobs):
                runs.append(r)
                step(len(runs), count)
        else:
            for child in children:
                runs.append(one(problem, start, child, options))
                step(len(runs), count)
    except KeyboardInterrupt:
        if not runs:
            raise
        return runs, True
    return runs, False


def in_turn(problem, restarts, first, progress, **options):
    """`climb_all` where restart i begins as the (i mod 5)-th of `starts.MIXED` does; those of a kind climb together."""
    kinds, found, partial = len(starts.MIXED), {}, False
    for k, kind in enumerate(starts.MIXED):
        numbers = range(first + (k - first) % kinds, first + restarts, kinds)
        if not numbers:
            continue
        done = len(found)
        step = progress and (lambda now, _, done=done: progress(done + now, restarts))
        try:
            runs, partial = climb_all(
                problem, kind, restarts=len(numbers), first=numbers[0], every=kinds, progress=step, **options
            )
        except KeyboardInterrupt:
            if not found:
                raise
            runs, partial = [], True
        found |= dict(zip(numbers, runs, strict=False))
        if partial:
            break
    return [found[i] for i in sorted(found)], partial


def way_of(problem):
    """What takes all climbs of a small problem together, or None. It looks at the problem alone."""
    if batch.suits(problem):
        return batch.Batch.of(problem)
    return together.Together(problem) if together.suits(problem) else None


def one(problem, start, seed, options):
    """One restart."""
    theta = starts.draw(start, problem, np.random.default_rng(seed))
    return engine.run(problem, theta, **options)
