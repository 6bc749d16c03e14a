"""`fit_em`: from a specification and data to a Fit."""

from dataclasses import replace

import numpy as np

from bayesmix.agreement import compare
from bayesmix.data.chunks import Chunks, opened
from bayesmix.em import chunks, missing, modes, polish, restarts, stable, starts, trace
from bayesmix.em.engine import schedule
from bayesmix.em.kernel import Problem
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.seed import seed_of


def fit_em(
    model,
    data,
    *,
    restarts=20,
    start=None,
    stiffness=1.0,
    max_iter=2000,
    tol=1e-8,
    keep_trace=False,
    seed=None,
    workers=1,
    progress=None,
    impute=None,
):
    """The maximum of the log posterior by EM, and the census of all optima that the restarts met.

    Args:
        model: a `Mixture`.
        data: a `Data`, or anything that `Data(x)` takes. Rows larger than memory: a `Chunks` or what it takes (a
            list of tables, a function that returns an iterator of them, a memory-mapped array, the path of a
            Parquet file); the result is the same, `fit.data` is then a sample (`settings["chunks"]`).
        restarts: number of random starts (one climb when `start` is not random), or "until-stable": as many as
            it takes until, with 95 % confidence, the next one ends in an unseen optimum with probability below
            5 % (at most 1000). A `bm.UntilStable(bound, confidence, cap)` sets these numbers.
        start: "kmeans++", "random" (responsibilities), "rows", "prior", "jitter" (near the data mean), "clumps" (tight
            components inside a wide one), "mixed" (all these but "jitter" in turn, which meets odd optima that one
            kind misses), (n,) labels, (n, K) responsibilities, a theta dict, or a Fit. Left out, it is "kmeans++",
            and "mixed" with restarts="until-stable", which is asked for a complete census.
        stiffness: 1 climbs the log posterior; math.inf is classification EM (hard assignments); a sequence, or a
            callable of the iteration, that rises to 1 or math.inf is deterministic annealing.
        max_iter, tol: a climb stops when no parameter moves by more than `tol` relative to its field.
        keep_trace: keep theta at every iteration of every run (`fit.runs[i].thetas`) and the responsibilities
            (`fit.runs[i].responsibilities`, at the iterations `fit.runs[i].kept`): True, within 256 MiB for all
            runs together, or the number of MiB. Where they do not fit, iterations are skipped evenly.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: processes; the result does not depend on it.
        progress: None shows a bar after two seconds if stderr is a terminal, True at once, False never; a
            function is called as progress(done, total) after each restart.
        impute: missing cells (NaN) are summed out exactly. "mean" is the textbook shortcut instead: each step
            takes their conditional means for observations and drops the conditional covariance, so that
            spreads come out too small. It is not EM and need not climb; `settings["notes"]` says so.

    Raises:
        InputError: the model and the data do not fit together, or an argument is wrong.

    References: Dempster, Laird & Rubin (1977), JRSS B 39:1-38; Ueda & Nakano (1998), Neural Networks 11:271-282.
    """
    data = opened(data)
    rule, room = stable.rule(restarts), trace.memory(keep_trace)
    for name, value in {"restarts": 1 if rule else restarts, "max_iter": max_iter, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"fit_em({name}=...): expected a whole number of at least 1, got {value!r}.")
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.integer | np.floating) or not 0 <= tol < np.inf:
        raise InputError(f"fit_em(tol=...): expected a number of at least 0, got {tol!r}.")
    start = ("mixed" if rule else "kmeans++") if start is None else start
    betas = schedule(stiffness, max_iter)
    if impute not in (None, "mean"):
        raise InputError(f'fit_em(impute={impute!r}): expected None, which is exact, or "mean".')
    found = None
    if isinstance(data, Chunks):
        model, found, problem = chunks.problem_of(model, data, impute)
        data, impute = found.sample, problem.impute
    else:
        model = model.resolve(data)
        impute = impute if data.missing else None
        problem = Problem.of(model, data, impute)
    if impute is not None:
        missing.check_shortcut(model)
    if found is not None and not found.whole and not (isinstance(start, str | dict) or hasattr(start, "best")):
        raise InputError(
            "fit_em(start=...): where the rows are read in chunks a start is a name, a theta or a Fit, not an array."
        )
    begin = starts.resolve(start, model, data)
    if rule and not isinstance(begin, str):
        raise InputError(
            f"fit_em(restarts={restarts!r}): every restart would begin at the start that was given; choose a random "
            f"start, one of {starts.NAMES}."
        )
    seed = seed_of("fit_em", seed)
    options = {"stiffness": betas, "max_iter": max_iter, "tol": tol, "keep": room > 0}
    runs, optima, partial, examined = [], [], False, {}
    given = not isinstance(begin, str)
    total = rule.cap if rule else 1 if given else restarts
    with meter(progress, "EM restarts") as step:
        while True:
            done = len(runs)
            count = min(stable.ROUND, total - done) if rule else total
            more, partial = climb_all(
                problem, begin, restarts=count, first=done, seed=seed, workers=workers,
                progress=lambda now, _, done=done: step(done + now, total), **polish.before(problem, options),
            )  # fmt: skip
            runs += [polish.finish(problem, r, options, given) for r in more]
            optima = tuple(modes.census(problem, runs, examined, given, soft=betas[-1] == 1.0))
            seen = stable.coverage(optima, len(runs), rule.confidence if rule else 0.95)
            if partial or len(runs) >= total or (rule and seen.upper < rule.bound):
                break
    notes = model.unbounded(data) + ([missing.SHORTCUT] if impute else [])
    if rule:
        notes = [*notes, seen.sentence]
        if seen.upper >= rule.bound:
            notes[-1] += f" The bound {rule.bound:g} was not met" + (
                "." if partial else f" within {rule.cap} restarts."
            )
    if room:
        runs = trace.with_responsibilities(problem, runs, betas, room)
    best = optima[0] if optima else None
    if best is None or best.kind == "collapsed":
        raise InputError(
            f"fit_em: every one of the {len(runs)} restarts collapsed onto a single point, where the density has no "
            "bound; give the scale a proper prior such as bm.InverseGamma or bm.InverseWishart."
        )
    K = model.components
    settings = {
        "seed": seed, "restarts": len(runs), "start": begin if isinstance(begin, str) else "given",
        "stiffness": ", ".join(map(str, betas)), "max_iter": max_iter, "tol": tol, "partial": partial,
        "unseen_mode": None if given else seen.unseen, "unseen_mode_upper": None if given else seen.upper,
        "impute": impute, "notes": notes,
    }  # fmt: skip
    if found is not None:
        settings["chunks"] = {"rows": found.n, "weight": found.weight, "sample": data.n}
        settings["notes"] += chunks.note(found)
    if given:
        settings["start_theta"] = {n: v.tolist() for n, v in starts.draw(begin, problem, None).items()}
    return Fit(
        engine="em",
        mixture=model,
        data=data,
        draws={name: value[None, None] for name, value in best.theta.items()},
        log_posteriors=np.array([[best.log_posterior]]),
        permutation=np.arange(K)[None, None],
        settings=settings,
        certificate=kernel_certificate(replace(problem, stream=None), data, seed),
        optima=optima,
        runs=tuple(runs),
    )


def kernel_certificate(problem, data, seed, draws=20):
    """The two NumPy readings, `logpdf` and the kernel, on prior draws; `bm.certificate` adds PyMC's.

    Of many rows only some 4000, evenly spaced, are taken, so that the check costs little and stores little.
    """
    problem = problem.thinned(4000)
    rng = np.random.default_rng(seed)
    model, own, fast = problem.mixture, [], []
    for _ in range(draws):
        theta = model.draw_prior(rng, data.d)
        terms = model.log_prior(theta)
        own.append({**terms, "x": oracle(problem, theta)})
        fast.append({"x": problem.e_step(theta).log_likelihood})
    return compare({"NumPy logpdf": own, "EM kernel": fast}, seed)


def oracle(problem, theta):
    """The row terms by `logpdf`, row-weighted (theta in centred coordinates)."""
    joint = problem.mixture.log_joint(problem.x, theta, problem.log_label)
    top = np.maximum(joint.max(axis=1), -1e300)
    with np.errstate(divide="ignore"):  # a row that no component allows
        rows = top + np.log(np.exp(joint - top[:, None]).sum(axis=1))
    return float(rows.sum() if problem.weight is None else problem.weight @ rows)


climb_all = restarts.climb_all
