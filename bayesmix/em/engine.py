"""EM: climbing the log posterior from one start.

At stiffness beta the run climbs F = log prior + sum_i weight_i (1/beta) log sum_k exp(beta l_ik);
beta = 1 is the log posterior, beta = inf classification EM.

References: Dempster, Laird & Rubin (1977), JRSS B 39:1-38; Neal & Hinton (1998) for F as a bound;
Celeux & Govaert (1992), CSDA 14:315-332, for beta = inf.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.constraints import MinWeight, water_fill
from bayesmix.spec.matrices import clearly_definite

CONVERGED = "converged"
COLLAPSED = "collapsed"
EXHAUSTED = "reached max_iter"
FALL = "numerical fall"
NOTHING = 1e-290  # a responsibility below this is no row's


@dataclass(frozen=True)
class Run:
    """One climb: where it ended, how, and the objective on the way."""

    theta: dict  # in the coordinates of the data
    log_posterior: float
    log_likelihood: float
    counts: np.ndarray  # (K,) expected rows per component
    trace: np.ndarray  # (iterations + 1, 2): F and the log posterior, NaN before the end where stiffness is infinite
    status: str
    thetas: tuple = field(default=(), repr=False)  # theta per iteration, when kept
    responsibilities: np.ndarray | None = field(default=None, repr=False)  # (m, n, K) of the iterations `kept`
    kept: tuple = field(default=(), repr=False)

    @property
    def iterations(self):
        return len(self.trace) - 1


def schedule(stiffness, max_iter):
    """The stiffness of iterations 0, 1, ... as a tuple, whose last value stays.

    stiffness: a positive number; math.inf; a rising sequence ending at 1 or inf; or a callable that says such
    values for i = 0, ..., max_iter.

    References: Ueda & Nakano (1998), Neural Networks 11:271-282, for deterministic annealing.
    """
    said = [stiffness(i) for i in range(max_iter + 1)] if callable(stiffness) else stiffness
    try:
        betas = np.atleast_1d(np.array(said, dtype=np.float64))
    except (TypeError, ValueError):
        betas = np.empty(0)
    if betas.ndim != 1 or not betas.size or not (betas > 0).all():
        raise InputError(
            "fit_em(stiffness=...): expected a positive number, math.inf, or a rising schedule of them that ends at "
            f"1 or math.inf, got {stiffness!r}."
        )
    if betas.size > 1 and ((betas[1:] < betas[:-1]).any() or betas[-1] not in (1.0, np.inf)):
        raise InputError(
            f"fit_em(stiffness=...): expected a schedule that rises to 1 or math.inf, got one from {betas[0]:g} to "
            f"{betas[-1]:g}{' that falls on the way' if (betas[1:] < betas[:-1]).any() else ''}; end it at 1.0."
        )
    last = int(np.argmax(betas == betas[-1]))
    if last > max_iter:
        raise InputError(
            f"fit_em(stiffness=...): the schedule needs {last} iterations to reach {betas[-1]:g}, but max_iter is "
            f"{max_iter}; raise max_iter."
        )
    return tuple(betas[: last + 1].tolist())


def run(problem, theta, *, stiffness=1.0, max_iter=2000, tol=1e-8, keep=False, before=()):
    """Climb from theta (coordinates of the data) until objective and theta stop moving.

    Stops when the objective rises by at most 16 max(tol^2, 4e-16) of its size and no parameter moves
    by more than tol of its field's size, at a collapse, or at max_iter. The last step is an E-step, so
    responsibilities match theta. `stiffness` is a number, or a schedule: beta of iterations 0, 1, ..., whose
    last value stays; F is that of each iteration's own beta, and the climb goes on at least to the last one.
    No step of infinite stiffness needs the log posterior: it is taken at the last one alone.
    `before` is the trace of iterations that led to theta.
    """
    model = problem.mixture
    theta = problem.inward(theta)
    betas = np.atleast_1d(np.asarray(stiffness, dtype=np.float64))

    def beta(i):
        return float(betas[min(i, len(betas) - 1)])

    trace = [tuple(row) for row in before]
    with np.errstate(all="ignore"):
        here = problem.e_step(theta, beta(len(trace)))
        prior = sum(model.log_prior(theta).values())
        trace.append((here.objective + prior, here.log_likelihood + prior))
        thetas = [problem.outward(theta)] if keep else []
        status = EXHAUSTED if np.isfinite(trace[-1][0]) else COLLAPSED
        for i in range(len(trace), max_iter + 1 if status == EXHAUSTED else 0):
            new = m_step(problem, here, theta)
            if new is None:
                status = COLLAPSED
                break
            there = problem.e_step(new, beta(i))
            prior = sum(model.log_prior(new).values())
            value = there.objective + prior
            if not np.isfinite(value):
                status = COLLAPSED
                break
            size = max(1.0, abs(value))
            rise = value - trace[-1][0]
            if rise < -1e-11 * size and beta(i) == beta(i - 1) and problem.impute is None:
                status = FALL
                break
            settled = i >= len(betas) and rise <= max(tol * tol, 4e-16) * size * 16
            still = settled and change(theta, new, problem.sizes) <= tol
            theta, here = new, there
            trace.append((value, there.log_likelihood + prior))
            if keep:
                thetas.append(problem.outward(theta))
            if still:
                status = CONVERGED
                break
        log_likelihood = here.log_likelihood
        if np.isinf(beta(len(trace) - 1)) and np.isfinite(trace[-1][0]):
            log_likelihood = problem.log_likelihood(theta)
            trace[-1] = (trace[-1][0], log_likelihood + sum(model.log_prior(theta).values()))
    return Run(
        problem.outward(theta),
        trace[-1][1],
        log_likelihood,
        here.counts,
        np.array(trace),
        status,
        tuple(thetas),
    )


def change(old, new, sizes=None):
    """Largest change of a parameter relative to the size of its field, or to `sizes[field]` where that is larger."""
    worst = 0.0
    for name, value in new.items():
        size = max(float(np.abs(value).max()), (sizes or {}).get(name, 0.0))
        if size > 0:
            worst = max(worst, float(np.abs(value - old[name]).max() / size))
    return worst


def m_step(problem, here, theta):
    """theta that raises Q(theta) = E[log joint] given an E-step, or None if a component collapsed."""
    model = problem.mixture
    own = model.own(theta)
    try:
        if problem.exponential:
            own = mode(model.family, here, own)
        else:
            update = model.family.update if problem.parts is None else model.family.update_missing
            own = update(problem.x, here.stats, own)
    except np.linalg.LinAlgError:
        return None
    new = {"weight": weight_step(model, here.counts, theta["weight"]), **own}
    if any(c.field in own or not isinstance(c, MinWeight) or not c.hard for c in model.constraints):
        new = constrain(problem, here, theta, new)
    return new if inside(model, new) else None


def mode(family, here, own):
    """The family's M-step on statistics that may be taken about an origin of each component's own."""
    if here.origin is None:
        return family.mode(here.stats, **own)
    name = family.location
    new = family.moved(-here.origin).mode(here.stats, **own | {name: own[name] - here.origin})
    return new | {name: new[name] + here.origin}


def weight_step(model, counts, weight):
    """w_k = max(floor, c_k / lam), c_k = n_k + a_k - 1: exact for a Dirichlet prior and a hard floor."""
    if model.is_constant("weight"):
        return weight
    (a,) = model.weight.conjugate("dirichlet", weight.shape)
    floor, c = max((c.floor for c in model.constraints if isinstance(c, MinWeight) and c.hard), default=0.0), counts + a
    if floor == 0.0 and (c > 0).all():
        return c / c.sum()
    return water_fill(c, floor)


def inside(model, theta):
    """Whether every scale is still resolved: positive, and positive definite to 1e-13 relative."""
    for name, p in model.family.parameters.items():
        value, matrix = theta[name], p.support.name == "positive definite"
        diagonal = np.einsum("kii->ki", value) if matrix else None
        if matrix and clearly_definite(value, diagonal):
            continue
        if not np.isfinite(value).all():
            return False
        if matrix:
            unit = np.sqrt(diagonal)
            scaled = value / (unit[:, :, None] * unit[:, None, :])
            if not (unit > 0).all() or np.linalg.eigvalsh(scaled).min() < 1e-13:
                return False
        elif p.free and p.own in ("var", "sd") and not (value > 0).all():
            return False
    return model.family.resolved(model.own(theta))


def expected(problem, here, theta):
    """Q(theta) up to a constant: <stats, W> + sum_k n_k log w_k + log prior, -inf outside."""
    model = problem.mixture
    own = model.own(theta)
    with np.errstate(all="ignore"):
        try:
            if problem.exponential:
                if here.origin is not None:
                    own = own | {model.family.location: own[model.family.location] - here.origin}
                q = np.sum(here.stats * model.family.natural(np, **own))
            else:
                log_f = model.family.log_density(problem.x, own)
                seen = here.stats > NOTHING  # less is the floor of a component that is excluded there
                q = np.sum(np.where(seen, here.stats * np.where(seen, log_f, 0.0), 0.0))
            q += sum(model.log_prior(theta).values())
        except np.linalg.LinAlgError:
            return -np.inf  # rounding left no positive definite matrix
        if not model.is_constant("weight"):
            q += np.sum(np.where(here.counts > 0, here.counts * np.log(theta["weight"]), 0.0))
    return float(q) if np.isfinite(q) else -np.inf


def constrain(problem, here, old, new):
    """The M-step under constraints, from the old theta and the unconstrained maximum `new`.

    Sorting exchangeable components leaves the log posterior unchanged. An unconstrained maximum
    that obeys every constraint is the constrained one. Otherwise Q is maximised numerically under the slacks of
    the hard constraints (SLSQP), soft ones being part of Q (alone, by Newton's method, `em/walls.py`); if Q did not
    rise the old theta stays, so F never falls.
    """
    model = problem.mixture
    perm = np.arange(model.components)
    for c in model.constraints:
        perm = perm[model.sorting(c, model.permute(new, perm), problem.blocks_of_components)]
    ordered = model.permute(new, perm)
    hard, walled = [c for c in model.constraints if c.hard], problem.softly
    if not walled.mixture.constraints and not any((c.value(ordered, np) < 0).any() for c in hard):
        return ordered
    from bayesmix.em import walls

    # Relabelling theta and statistics together leaves everything but the constraints unchanged, so the
    # sorted pair may be compared with the old one.
    start, best = old, expected(problem, here, old)
    for stats, theta in ((here, new), (relabelled(problem, here, perm), ordered)):
        value = expected(problem, stats, theta)
        if value > best:
            start, best, here = theta, value, stats
    if not hard:
        top = walls.ascend(problem, here, start)
        if top is not None:
            return top
    from scipy.optimize import minimize

    scale = max(1.0, here.counts.sum())
    units, slope = problem.units, walls.slope(walled, here, start)

    def downhill(v):
        value = expected(walled, here, model.from_vector(v * units, start))
        return -value / scale if np.isfinite(value) else 1e50

    def slacks(v):
        t = model.from_vector(v * units, start)
        return np.concatenate([c.value(t, np) for c in hard])

    found = minimize(
        downhill,
        model.vector(start) / units,
        jac=lambda v: -slope(v) / scale,
        constraints=[{"type": "ineq", "fun": slacks}] if hard else [],
        method="SLSQP",
        options={"maxiter": 100, "ftol": 1e-14},
    )
    top = model.from_vector(found.x * units, start)
    for c in hard:  # what rounding left of a violation
        top = c.project(top, top["weight"])
    return top if expected(problem, here, top) > best else start


def relabelled(problem, here, perm):
    """The same E-step with new component k being old component perm[k]."""
    stats = here.stats[perm] if problem.exponential else here.stats[:, perm]
    origin = None if here.origin is None else here.origin[perm]
    return replace(here, counts=here.counts[perm], stats=stats, origin=origin)
