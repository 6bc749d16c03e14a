"""`fit_em`: from a specification and data to a Fit."""

import numpy as np

from bayesmix.certificate import compare
from bayesmix.data.data import Data
from bayesmix.em import modes, polish, restarts, stable, starts, trace
from bayesmix.em.kernel import Problem
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.fit import Fit


def fit_em(
    model,
    data,
    *,
    restarts=20,
    start="kmeans++",
    stiffness=1.0,
    max_iter=2000,
    tol=1e-8,
    keep_trace=False,
    seed=None,
    workers=1,
    progress=None,
):
    """The maximum of the log posterior by EM, and the census of all optima that the restarts met.

    Args:
        model: a `Mixture`.
        data: a `Data`, or anything that `Data(x)` takes.
        restarts: number of random starts (one climb when `start` is not random), or "until-stable": as many as
            it takes until, with 95 % confidence, the next one ends in an unseen optimum with probability below
            5 % (at most 1000). A `bm.UntilStable(bound, confidence, cap)` sets these numbers.
        start: "kmeans++" (default), "random" (responsibilities), "rows", "prior", "jitter" (near the data
            mean), "clumps" (tight components inside a wide one: for a census of odd optima), (n,) labels,
            (n, K) responsibilities, a theta dict, or a Fit.
        stiffness: 1 climbs the log posterior; math.inf is classification EM.
        max_iter, tol: a climb stops when no parameter moves by more than `tol` relative to its field.
        keep_trace: keep theta at every iteration of every run (`fit.runs[i].thetas`) and the responsibilities
            (`fit.runs[i].responsibilities`, at the iterations `fit.runs[i].kept`): True, within 256 MiB for all
            runs together, or the number of MiB. Where they do not fit, iterations are skipped evenly.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: processes; the result does not depend on it.
        progress: None shows a bar after two seconds if stderr is a terminal, True at once, False never; a
            function is called as progress(done, total) after each restart.

    Raises:
        InputError: the model and the data do not fit together, or an argument is wrong.

    References: Dempster, Laird & Rubin (1977), JRSS B 39:1-38.
    """
    data = data if isinstance(data, Data) else Data(data)
    rule, room = stable.rule(restarts), trace.memory(keep_trace)
    for name, value in {"restarts": 1 if rule else restarts, "max_iter": max_iter, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"fit_em({name}=...): expected a whole number of at least 1, got {value!r}.")
    if not isinstance(stiffness, int | float | np.number) or not stiffness > 0:
        raise InputError(f"fit_em(stiffness=...): expected a positive number or math.inf, got {stiffness!r}.")
    model = model.resolve(data)
    begin = starts.resolve(start, model, data)
    if rule and not isinstance(begin, str):
        raise InputError(
            f"fit_em(restarts={restarts!r}): every restart would begin at the start that was given; choose a random "
            f"start, one of {starts.NAMES}."
        )
    seed = int(np.random.SeedSequence().entropy % 2**32) if seed is None else int(seed)
    problem = Problem.of(model, data)
    options = {"stiffness": stiffness, "max_iter": max_iter, "tol": tol, "keep": room > 0}
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
            optima = tuple(modes.census(problem, runs, examined, given, soft=stiffness == 1))
            seen = stable.coverage(optima, len(runs), rule.confidence if rule else 0.95)
            if partial or len(runs) >= total or (rule and seen.upper < rule.bound):
                break
    notes = model.unbounded(data)
    if rule:
        notes = [*notes, seen.sentence]
        if seen.upper >= rule.bound:
            notes[-1] += f" The bound {rule.bound:g} was not met" + (
                "." if partial else f" within {rule.cap} restarts."
            )
    if room:
        runs = trace.with_responsibilities(problem, runs, stiffness, room)
    best = optima[0] if optima else None
    if best is None or best.kind == "collapsed":
        raise InputError(
            f"fit_em: every one of the {len(runs)} restarts collapsed onto a single point, where the density has no "
            "bound; give the scale a proper prior such as bm.InverseGamma or bm.InverseWishart."
        )
    K = model.components
    settings = {
        "seed": seed, "restarts": len(runs), "start": begin if isinstance(begin, str) else "given",
        "stiffness": str(stiffness), "max_iter": max_iter, "tol": tol, "partial": partial,
        "unseen_mode": None if given else seen.unseen, "unseen_mode_upper": None if given else seen.upper,
        "notes": notes,
    }  # fmt: skip
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
        certificate=kernel_certificate(problem, data, seed),
        optima=optima,
        runs=tuple(runs),
    )


def kernel_certificate(problem, data, seed, draws=20):
    """The two NumPy readings, `logpdf` and the kernel, on prior draws; `bm.certificate` adds PyMC's."""
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
    from scipy.special import logsumexp

    rows = logsumexp(problem.mixture.log_joint(problem.x, theta, problem.log_label), axis=1)
    return float(rows.sum() if problem.weight is None else problem.weight @ rows)


climb_all = restarts.climb_all
