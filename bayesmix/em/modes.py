"""The census: the distinct optima that the restarts reached, up to relabelling, named and weighed.

`log_mass` is Laplace's approximation of an optimum's posterior mass (up to the evidence),

    log p(theta, data) + (p/2) log 2 pi - (1/2) log det(-H_u) + log |d theta / d u| + log(relabelings),

taken at the mode of the density in the unconstrained coordinates u.

References: Tierney & Kadane (1986), JASA 81:82-86; Kass & Raftery (1995), JASA 90:773-795, eq. (5).
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from bayesmix.em.engine import COLLAPSED, FALL, change
from bayesmix.em.surface import Surface, definite

SAME_VALUE = 1e-6  # optima whose log posteriors differ by less, relative to 1 + |value| / 1000, may be one
SAME_THETA = 1e-3  # and whose parameters differ by less relative to their field's size, are one
EMPTY = 0.01  # expected rows below which a component is empty
TWIN = 1e-4  # relative difference of parameters below which two components are twins
LARGEST_HESSIAN = 80  # parameters; beyond this the numeric Hessian is not taken


@dataclass(frozen=True)
class Mode:
    """One optimum of the log posterior."""

    theta: dict  # coordinates of the data
    log_posterior: float
    log_likelihood: float
    times_reached: int
    share: float  # of all restarts
    kind: str  # "interior", "at a constraint", "empty component", "twin components", "collapsed"
    gradient_norm: float
    definite: bool
    log_mass: float
    reason: str  # why log_mass is NaN, else ""
    differs: str  # one sentence
    u: np.ndarray | None = None  # mode of the density in u (centred coordinates)
    cov_u: np.ndarray | None = None  # -H_u^-1 there
    restarts: tuple = ()  # which restarts ended here

    ROW = ("log_posterior", "log_likelihood", "times_reached", "share", "kind", "gradient_norm", "definite",
           "log_mass", "differs")  # fmt: skip

    def row(self):
        """Its line of the census table, theta and geometry left out."""
        return {name: getattr(self, name) for name in self.ROW}


def census(problem, runs, stiffness=1.0):
    """Distinct optima, best first; collapsed restarts come last, as one line.

    Climbs that ended at another stiffness than 1 are ranked by their own objective and neither polished nor weighed:
    their ends are no optima of the log posterior.
    """
    kept = [i for i, r in enumerate(runs) if r.status not in (COLLAPSED, FALL) and np.isfinite(r.log_posterior)]
    kept.sort(key=lambda i: -runs[i].trace[-1][0])
    groups = []
    for i in kept:
        for group in groups:
            if same(problem, runs[group[0]], runs[i]):
                group.append(i)
                break
        else:
            groups.append([i])
    modes = [_examine(problem, runs, group, stiffness) for group in groups]
    if stiffness == 1.0:
        modes = _weigh_once(problem, _merge(problem, modes))
    best = modes[0] if modes else None
    modes = [replace(m, differs=differs(problem, best, m)) for m in modes]
    lost = tuple(i for i, r in enumerate(runs) if r.status == COLLAPSED)
    if lost:
        r = runs[lost[0]]
        modes.append(
            Mode(r.theta, np.inf, np.inf, len(lost), len(lost) / len(runs), "collapsed", np.nan, False, np.nan,
                 "the density has no bound there", "a component shrank onto so few rows that its scale vanished",
                 restarts=lost)
        )  # fmt: skip
    return modes


def same(problem, a, b):
    """Whether two climbs ended in one optimum up to relabelling."""
    if abs(a.log_posterior - b.log_posterior) > SAME_VALUE * (1 + abs(a.log_posterior) / 1000):
        return False
    perm = match(problem, a.theta, b.theta)
    return change(problem.inward(a.theta), problem.inward(problem.mixture.permute(b.theta, perm))) < SAME_THETA


def alike(problem, mode, run):
    """Whether a rougher climb (tol 1e-6) ended at a known optimum: the tolerances of `same`, a hundredfold."""
    if abs(mode.log_posterior - run.log_posterior) > 100 * SAME_VALUE * (1 + abs(run.log_posterior) / 1000):
        return False
    perm = match(problem, mode.theta, run.theta)
    here, there = problem.inward(mode.theta), problem.inward(problem.mixture.permute(run.theta, perm))
    return change(here, there) < 0.02


def match(problem, reference, theta, blocks=None):
    """The permutation of theta's components, within exchangeable blocks, nearest to the reference.

    Nearest in expected agreement of the responsibilities, sum_ik r_ik(reference) r_i,perm(k)(theta).
    """
    a, _ = problem.responsibilities(problem.inward(reference))
    b, _ = problem.responsibilities(problem.inward(theta))
    return assign(problem, a, b, blocks)


def assign(problem, a, b, blocks=None):
    """The permutation, within exchangeable blocks, that brings responsibilities b (n, K) nearest to a (n, K)."""
    from scipy.optimize import linear_sum_assignment

    perm, overlap = np.arange(problem.mixture.components), a.T @ b
    for block in problem.blocks_of_components if blocks is None else blocks:
        block = np.array(block)
        perm[block] = block[linear_sum_assignment(-overlap[np.ix_(block, block)])[1]]
    return perm


def kind_of(problem, theta, counts):
    """What sort of optimum this is, by name."""
    model = problem.mixture
    for c in model.constraints:
        slack = c.value(theta, np)
        scale = c.floor if c.field == "weight" and hasattr(c, "floor") else np.abs(c.coordinate(theta)).max()
        if c.hard and len(slack) and slack.min() <= 1e-6 * max(scale, 1e-300):
            return "at a constraint"
    if counts.min() < EMPTY:
        return "empty component"
    for j in range(model.components):
        for k in range(j):
            if model.apart(theta, j, k) <= TWIN:
                return "twin components"
    return "interior"


def _examine(problem, runs, group, stiffness=1.0):
    """Polish the best run of a group and weigh it."""
    r = runs[group[0]]
    theta, value = problem.inward(r.theta), r.log_posterior
    kind, p = kind_of(problem, theta, r.counts), problem.mixture.df(problem.x.shape[1])
    nan = Mode(r.theta, value, r.log_likelihood, len(group), len(group) / len(runs), kind, np.nan, False, np.nan,
               "", "", restarts=tuple(sorted(group)))  # fmt: skip
    if stiffness != 1.0:
        return replace(nan, reason=f"at stiffness {stiffness:g} the climb ends at an optimum of another objective")
    if kind != "interior":
        return replace(nan, reason=f"the optimum is not an interior one ({kind})")
    if problem.impute is not None:
        exact = Surface(replace(problem, impute=None), theta)
        return replace(nan, gradient_norm=float(np.abs(exact.gradient(exact.u(theta))).max(initial=0.0)),
                       reason='impute="mean" ends where its own steps end, not at a maximum')  # fmt: skip
    if p == 0:
        return replace(nan, gradient_norm=0.0, definite=True, log_mass=value, u=np.empty(0), cov_u=np.empty((0, 0)))
    if p > LARGEST_HESSIAN:
        return replace(nan, reason=f"{p} parameters are too many for the numeric Hessian")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        surface = Surface(problem, theta)
        u, value, hessian = surface.newton(surface.u(theta))
        theta = surface.theta(u)
        norm = float(np.abs(surface.gradient(u)).max())
        at = problem.e_step(theta)
        mode = replace(nan, theta=problem.outward(theta), log_posterior=float(value), gradient_norm=norm,
                       log_likelihood=at.log_likelihood, definite=definite(hessian))  # fmt: skip
        if not mode.definite:
            return replace(mode, reason="the Hessian is not negative definite")
        u, value, hessian = Surface(problem, theta, jacobian=True).newton(u, hessian)
    if not definite(hessian):
        return replace(mode, reason="the density in unconstrained coordinates has no mode nearby")
    mass = value + 0.5 * p * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(-hessian)[1]
    units = problem.units
    cov_u = units[:, None] * np.linalg.inv(-hessian) * units
    return replace(mode, log_mass=float(mass + np.log(problem.relabelings)), u=u * units, cov_u=cov_u)


def _merge(problem, modes):
    """Optima that the polish brought together become one."""
    merged = []
    for mode in sorted(modes, key=lambda m: -m.log_posterior):
        for i, other in enumerate(merged):
            if same(problem, other, mode):
                merged[i] = replace(
                    other,
                    times_reached=other.times_reached + mode.times_reached,
                    share=other.share + mode.share,
                    restarts=tuple(sorted(other.restarts + mode.restarts)),
                )
                break
        else:
            merged.append(mode)
    return merged


def _weigh_once(problem, modes):
    """No mass is counted twice: optima whose densities in u climb to one mode leave it to the best of them."""
    owners, out = [], []
    for mode in modes:
        if np.isfinite(mode.log_mass) and len(mode.u):
            theta = problem.mixture.from_vector(mode.u, problem.inward(mode.theta))
            for other, j in owners:
                perm = match(problem, problem.outward(other), problem.outward(theta))
                if change(other, problem.mixture.permute(theta, perm)) < 0.01:
                    reason = f"in unconstrained coordinates it is part of the mode of optimum {j}"
                    mode = replace(mode, log_mass=np.nan, reason=reason, u=None, cov_u=None)
                    break
            else:
                owners.append((theta, len(out)))
        out.append(mode)
    return out


def differs(problem, best, mode):
    """One sentence on how an optimum differs from the best one, by where its rows go."""
    if mode is best:
        return "the best optimum found"
    a = problem.responsibilities(problem.inward(best.theta))[0].argmax(axis=1)
    perm = match(problem, best.theta, mode.theta)
    b = problem.responsibilities(problem.inward(problem.mixture.permute(mode.theta, perm)))[0].argmax(axis=1)
    K, n = problem.mixture.components, len(a)
    table = np.zeros((K, K), dtype=int)
    np.add.at(table, (a, b), 1)
    moved = n - int(np.trace(table))
    parts = []
    for k in range(K):
        sources = [j for j in range(K) if table[j, k] > 0.25 * max(table[j].sum(), 1) and table[j].sum() > 0]
        if len(sources) > 1:
            parts.append(f"component {k} takes in the best one's {' and '.join(map(str, sources))}")
    for j in range(K):
        shares = [k for k in range(K) if table[j, k] > 0.25 * max(table[j].sum(), 1)]
        if len(shares) > 1:
            parts.append(f"the best one's {j} is split over {' and '.join(map(str, shares))}")
    gap = best.log_posterior - mode.log_posterior
    detail = "; ".join(parts) if parts else "the components overlap differently"
    return f"{gap:.4g} lower: {moved} of {n} rows change component; {detail}"
