"""Many starts: one climb from each, as one batch, in this process or in workers, with the same result."""

import numpy as np

from bayesmix.em import batch, engine, starts, together


def climb_all(problem, start, *, restarts, seed, first=0, workers=1, progress=None, **options):
    """The runs of all restarts, in order, and whether Ctrl-C ended them early.

    Small Gaussian problems run as one compiled batch (`em/batch.py`), those of other exponential families in step
    (`em/together.py`), all others one climb at a time, here or in workers.

    first: the number of the first of these restarts. Restart i draws its start from the i-th child of
    `seed`, so the result depends on neither the number of workers nor the order of execution. A start
    that is not random is climbed from once.
    """
    count = restarts if isinstance(start, str) else 1
    children = np.random.SeedSequence(seed).spawn(first + count)[first:]
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


def way_of(problem):
    """What takes all climbs of a small problem together, or None. It looks at the problem alone."""
    if batch.suits(problem):
        return batch.Batch.of(problem)
    return together.Together(problem) if together.suits(problem) else None


def one(problem, start, seed, options):
    """One restart."""
    theta = starts.draw(start, problem, np.random.default_rng(seed))
    return engine.run(problem, theta, **options)
