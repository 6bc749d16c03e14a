"""The last mile of a climb: Newton's method to the optimum, off saddles, and onto the edge where a component is empty.

EM is slow where the surface is flat. From a point that is already on the hill Newton needs a handful of
steps, and its Hessian says whether the point is a maximum at all.

An empty component k (weight zero, its parameters at the mode of their prior) is a local maximum if and
only if giving it weight would lower the objective,

    D_k = sum_i weight_i f_k(x_i) / f(x_i) - sum_i weight_i - sum_j (a_j - 1) < 0.

References: Lindsay (1983), Annals of Statistics 11:86-94, for the gradient function D;
McLachlan & Krishnan (2008), The EM Algorithm and Extensions, section 4.1.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from bayesmix.em import engine
from bayesmix.em.layout import Layout
from bayesmix.em.surface import Surface, curvatures, definite
from bayesmix.spec.priors import spread

EMPTY = 0.01  # expected rows below which a component is empty
EDGE = 1e-10  # distance from an edge, relative to the largest value of the field, that is none
ROUNDS = 6  # times that a climb may go on from a saddle
SADDLE = 1e-5  # scaled curvature above which a direction leads up
HANDOVER = 200  # iterations of EM after which Newton is tried
CHEAP = 2_000_000  # rows x coordinates up to which a Hessian costs less than EM's slow tail
STALLED = 0.01  # gain over a quarter of these iterations below which EM has come to a stand
MOST = 80  # coordinates up to which it does


@dataclass(frozen=True)
class Settled:
    """Where a polish ended."""

    theta: dict  # centred coordinates
    value: float
    log_likelihood: float
    counts: np.ndarray
    empty: tuple  # components at weight exactly zero
    gradient_norm: float  # largest entry, coordinates in natural units
    maximum: bool  # whether it is a strict local maximum
    reason: str  # why it is not, else ""
    moved: int  # times it left a saddle
    first: float  # value at the first stationary point, a saddle if it moved on


def settle(problem, theta, keep_twins=False):
    """The stationary point above theta (centred), or above the saddle that theta leads to; a `Settled`.

    keep_twins: components that are identical in theta stay identical, as they do under EM, even at a saddle.
    """
    moved, seen, twins, first = 0, (), keep_twins and identical(problem, theta), None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(ROUNDS):
            empty = tuple(sorted({*seen, *vanishing(problem, theta)}))
            theta = emptied(problem, theta, empty)
            surface = Surface(problem, theta, empty=empty, held=at_edge(problem, theta))
            u, value, g, hessian = surface.newton(surface.u(theta))
            theta = surface.theta(u)
            more = set(vanishing(problem, theta)) - set(empty)
            if more:
                seen = tuple(more | set(empty))
                continue
            first = value if first is None else first
            drift = {k: gain_of_weight(problem, theta, k) for k in empty}
            up = [k for k in empty if drift[k] > 0]
            there = None
            if up:
                there = released(problem, theta, value, up[0])
            elif not twins:
                there = off_saddle(surface, u, value, hessian)
            if there is None:
                break
            run = engine.run(problem, problem.outward(there), max_iter=500)
            if run.status in (engine.COLLAPSED, engine.FALL):
                break
            theta, moved, seen = problem.inward(run.theta), moved + 1, ()
        at = problem.e_step(theta)
    reason = ""
    if up:
        reason = f"component {up[0]} is empty, and giving it weight would raise the log posterior"
    elif not definite(hessian):
        reason = "the Hessian is not negative definite"
    elif empty and not all(rests(problem, k) for k in empty):
        reason = "the parameters of an empty component are free under a Flat prior"
    norm = float(np.abs(g).max(initial=0.0))
    return Settled(theta, float(value), at.log_likelihood, at.counts, empty, norm, not reason, reason, moved, first)


def vanishing(problem, theta):
    """Components whose weight is free to go to zero and has nearly done so."""
    model = problem.mixture
    if model.is_constant("weight") or any(c.field == "weight" for c in model.constraints):
        return ()
    (a,) = model.weight.conjugate("dirichlet", theta["weight"].shape)
    counts = problem.e_step(theta).counts
    return tuple(np.flatnonzero((counts < few(counts)) & (a == 0)).tolist())


def few(counts):
    """Expected rows below which a component is empty: `EMPTY`, and less where the row weights sum to less than K."""
    return EMPTY * min(1.0, counts.sum() / len(counts))


def at_edge(problem, theta):
    """Positions of the family's coordinates that an M-step put on an edge: a probability 0 or 1, a bound of a prior.

    The maximum over that coordinate is the edge itself, where u is infinite or the density ends.
    """
    out, at = [], 0
    for name, p in problem.mixture.family.parameters.items():
        if not p.free:
            continue
        value, size = theta[name], int(np.prod(p.support.free(theta[name].shape)))
        low = np.zeros(size, dtype=bool)
        if p.support.name == "unit":
            low = np.ravel((value < EDGE) | (value > 1 - EDGE))
        elif p.support.name == "positive":
            low = np.ravel(value < EDGE * value.max())
        if not p.support.event_ndim:
            low = low | np.ravel(on_bound(p, value))
        out += (at + np.flatnonzero(low)).tolist()
        at += size
    return tuple(out)


def on_bound(p, value, near=0.0):
    """Which entries of a parameter lie on a hard bound of its prior that is not the edge of its support.

    near: the share of the interval's width that is still on it.
    """
    lower, upper = (np.asarray(b, dtype=np.float64) for b in p.prior.interval)
    out = np.zeros(value.shape, dtype=bool)
    if not np.isfinite(lower).any() and not np.isfinite(upper).any():
        return out
    lower, upper = spread(lower, value.shape), spread(upper, value.shape)
    width = near * (upper - lower)
    low_edge, high_edge = {"unit": (0.0, 1.0), "positive": (0.0, np.inf)}.get(p.support.name, (-np.inf, np.inf))
    out |= (value <= lower + width) & (lower > low_edge)
    return out | ((value >= upper - width) & (upper < high_edge))


def rests(problem, k):
    """Whether every parameter of component k alone has a proper prior."""
    own = [p for p in problem.mixture.family.parameters.values() if p.free and not p.shared]
    return not any(type(p.prior).__name__ == "Flat" for p in own)


def emptied(problem, theta, empty):
    """theta with these weights zero and these components at the mode of their proper priors."""
    if not empty:
        return theta
    model = problem.mixture
    weight = np.array(theta["weight"])
    weight[list(empty)] = 0.0
    theta = {**theta, "weight": weight / weight.sum()}
    held = [k for k in empty if rests(problem, k)]
    if not held:
        return theta
    here = problem.e_step(theta)
    stats = np.array(here.stats)
    stats[held if problem.exponential else (slice(None), held)] = 0.0
    here = replace(here, stats=stats)
    family, layout, at = model.family, Layout.of(model, theta), theta
    place = np.concatenate([layout.own(k) for k in held])
    for _ in range(100):
        new = engine.m_step(problem, here, at)
        if new is None:
            break
        still = engine.change(at, new) < 1e-13
        at = new
        if still:
            break
    v, rest = family.vector(model.own(theta)), family.vector(model.own(at))
    v[place] = rest[place]
    return {**theta, **family.from_vector(v, model.own(theta))}


def gain_of_weight(problem, theta, k):
    """D_k, the slope of the objective as component k takes weight from all others in proportion."""
    model = problem.mixture
    log_f = model.family.logpdf(problem.x, **model.own(theta))[:, k]
    if problem.log_label is not None:
        log_f = log_f + problem.log_label[:, k]
    joint = model.log_joint(problem.x, theta, problem.log_label)
    top = joint.max(axis=1)
    row = top + np.log(np.exp(joint - top[:, None]).sum(axis=1))
    weight = np.ones(len(row)) if problem.weight is None else problem.weight
    (a,) = model.weight.conjugate("dirichlet", theta["weight"].shape)
    return float(weight @ np.exp(log_f - row) - weight.sum() - np.sum(np.broadcast_to(a, theta["weight"].shape)))


def released(problem, theta, value, k):
    """theta with the weight of the empty component k that raises the objective most, or None."""
    best = None
    for share in np.geomspace(0.2, 1e-7, 20):
        weight = (1 - share) * theta["weight"]
        weight[k] = share
        there = {**theta, "weight": weight}
        new = Surface(problem, there).value(Surface(problem, there).u(there))
        if new > value:
            best, value = there, new
    return best


def off_saddle(surface, u, value, hessian):
    """A higher theta along a direction that curves upwards, or None."""
    if not np.isfinite(hessian).all() or len(u) == 0:
        return None
    size, way = curvatures(hessian)
    if size[-1] < SADDLE:
        return None
    best = None
    for reach in (1.0, 0.3, 0.1, 0.03, 0.01, 0.003):
        for sign in (1, -1):
            there = u + sign * reach * way[:, -1] / np.abs(way[:, -1]).max()
            new = surface.value(there)
            if new > value + 1e-10 * max(1.0, abs(value)):
                best, value = surface.theta(there), new
    return best


def identical(problem, theta):
    """Whether two exchangeable components with weight have exactly the same parameters (to rounding)."""
    for block in problem.blocks_of_components:
        block = [k for k in block if theta["weight"][k] > 0]
        for i, j in enumerate(block):
            for k in block[:i]:
                if problem.mixture.apart(theta, j, k) <= 1e-12:
                    return True
    return False


def before(problem, options):
    """The options of the climb that `finish` will finish: fewer iterations where Newton takes over."""
    return options | {"max_iter": min(HANDOVER, options["max_iter"])} if worthwhile(problem, options) else options


def finish(problem, run, options, keep_twins=False):
    """A climb that EM did not end within `HANDOVER` iterations, ended by Newton where it is on a maximum's hill.

    Otherwise EM goes on, and Newton is tried again when its iterations have quadrupled. A run that Newton ended
    is `engine.CONVERGED` and has his point as the last of its trace.
    """
    left = options["max_iter"] - run.iterations
    while worthwhile(problem, options) and run.status == engine.EXHAUSTED and left > 0:
        ended = by_newton(problem, run, keep_twins)
        if ended is not None:
            return ended
        more = engine.run(problem, run.theta, **{**options, "max_iter": min(left, 3 * run.iterations)})
        run = replace(more, trace=np.concatenate([run.trace, more.trace[1:]]), thetas=run.thetas + more.thetas[1:])
        left = options["max_iter"] - run.iterations
    return run


def by_newton(problem, run, keep_twins):
    """The run with one last step to the maximum next to it, or None if it is not on its hill yet."""
    theta = problem.inward(run.theta)
    found = settle(problem, theta, keep_twins)
    # where EM itself has come to a stand, on a plateau or a ridge, any way up is the way on; else one hill only
    stalled = run.trace[-1, 0] - run.trace[-HANDOVER // 4, 0] < STALLED
    rise = found.first - run.log_posterior
    end = found.maximum or found.gradient_norm < 1e-3
    if not end or not (stalled or rise <= 1.0) or not found.value >= run.log_posterior - 1e-11 * abs(found.value):
        return None
    theta = problem.outward(found.theta)
    return replace(
        run, theta=theta, log_posterior=found.value, log_likelihood=found.log_likelihood, counts=found.counts,
        trace=np.concatenate([run.trace, [[found.value, found.value]]]), status=engine.CONVERGED,
        thetas=(*run.thetas, theta) if run.thetas else (),
    )  # fmt: skip


def worthwhile(problem, options):
    """Whether Newton may end a climb: at stiffness 1, where a Hessian costs less than the iterations it saves."""
    whole = problem.stream is None and problem.impute is None and not np.isnan(problem.x).any()
    if not np.array_equal(np.atleast_1d(options["stiffness"]), [1.0]) or options["max_iter"] <= HANDOVER or not whole:
        return False
    p = problem.mixture.df(problem.x.shape[1])
    return 0 < p <= MOST and len(problem.x) * p <= CHEAP
