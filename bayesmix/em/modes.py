"""The census: the distinct optima that the restarts reached, up to relabelling, named and weighed.

`log_mass` is Laplace's approximation of an optimum's posterior mass (up to the evidence),

    log p(theta, data) + (p/2) log 2 pi - (1/2) log det(-H_u) + log |d theta / d u| + log(relabelings),

taken at the mode of the density in the unconstrained coordinates u.

References: Tierney & Kadane (1986), JASA 81:82-86; Kass & Raftery (1995), JASA 90:773-795, eq. (5).
"""

from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial, prod

import numpy as np

from bayesmix.em.engine import COLLAPSED, EXHAUSTED, FALL, change
from bayesmix.em.kinds import exchangeable_twins, indistinct, kind_of
from bayesmix.em.polish import CHEAP, EDGE, few, settle
from bayesmix.em.surface import Surface, definite

SAME_VALUE = 1e-6  # optima whose log posteriors differ by less, relative to 1 + |value| / 1000, may be one
RIDGE = 1e-5  # the same for two points on a ridge, where the last digits are slow to come
SAME_THETA = 1e-3  # and whose parameters differ by less relative to their field's size, are one
LARGEST_HESSIAN = 400  # parameters; beyond this the numeric Hessian is not taken
SMALL_HESSIAN = 150  # parameters up to which it is taken whatever the number of rows
ENOUGH = 100_000  # rows by which components are matched
DEAREST = 2e8  # rows x parameters^2 up to which a larger one is, about a second


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
           "log_mass", "start", "differs")  # fmt: skip

    @property
    def start(self):
        """The first restart that ended here, -1 when that is not known; `Fit.start_of` gives its theta."""
        return self.restarts[0] if self.restarts else -1

    def row(self):
        """Its line of the census table, theta and geometry left out."""
        return {name: getattr(self, name) for name in self.ROW}


def census(problem, runs, examined=None, keep_twins=False, soft=True):
    """Distinct optima, best first; collapsed restarts come last, as one line.

    examined: a dict that keeps what was learned of each end between calls with ever more runs.
    keep_twins: identical components that a start was given stay so, even at a saddle; random ones are told apart.
    soft: whether the runs climbed the log posterior itself; those at another stiffness stay where they ended, are
    ranked by the objective that they climbed, and have no mass.
    """
    with np.errstate(all="ignore"):  # at an edge of a support a density is zero, and its logarithm means it
        return _census(problem, runs, {} if examined is None else examined, keep_twins, soft)


def _census(problem, runs, examined, keep_twins, soft):
    kept = [i for i, r in enumerate(runs) if r.status not in (COLLAPSED, FALL) and np.isfinite(r.log_posterior)]
    groups = []
    for i in kept:
        for group in groups:
            if same(problem, runs[group[0]], runs[i]):
                group.append(i)
                break
        else:
            groups.append([i])
    modes = []
    for group in groups:
        best = max(group, key=lambda i: runs[i].trace[-1, 0])
        chosen = group[0] if group[0] in examined else best
        if chosen not in examined:
            examined[chosen] = _examine(problem, runs[chosen], keep_twins, soft)
            examined[group[0]] = examined[chosen]
        count = len(group)
        modes.append(
            replace(examined[chosen], times_reached=count, share=count / len(runs), restarts=tuple(sorted(group)))
        )

    def height(mode):  # what the optima are ranked by
        return mode.log_posterior if soft else max(runs[i].trace[-1, 0] for i in mode.restarts)

    if soft:
        modes = weigh_once(problem, _merge(problem, modes))
    else:
        modes.sort(key=lambda m: -height(m))
    best = modes[0] if modes else None
    modes = [replace(m, differs=differs(problem, best, m, height(best) - height(m))) for m in modes]
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
    """Whether two climbs ended in one optimum up to relabelling; what an empty component is like does not count."""
    if abs(a.log_posterior - b.log_posterior) > SAME_VALUE * (1 + abs(a.log_posterior) / 1000):
        return False
    here, there = problem.inward(a.theta), problem.inward(b.theta)
    there = problem.mixture.permute(there, match(problem, a.theta, b.theta))
    idle = (here["weight"] == 0) & (there["weight"] == 0)
    if idle.any():
        there = {n: np.where(_along(idle, v), here[n], v) if len(v) == len(idle) else v for n, v in there.items()}
    return change(here, there, problem.sizes) < SAME_THETA


def _along(mask, value):
    """The mask (K,) with as many axes as the value."""
    return mask.reshape(-1, *(1,) * (value.ndim - 1))


def alike(problem, mode, run):
    """Whether a rougher climb (tol 1e-6) ended at a known optimum: the tolerances of `same`, a hundredfold."""
    if abs(mode.log_posterior - run.log_posterior) > 100 * SAME_VALUE * (1 + abs(run.log_posterior) / 1000):
        return False
    perm = match(problem, mode.theta, run.theta)
    here, there = problem.inward(mode.theta), problem.inward(problem.mixture.permute(run.theta, perm))
    return change(here, there, problem.sizes) < 0.02


def match(problem, reference, theta, blocks=None):
    """The permutation of theta's components, within exchangeable blocks, nearest to the reference.

    Nearest in expected agreement of the responsibilities, sum_ik r_ik(reference) r_i,perm(k)(theta).
    """
    problem = problem.thinned(ENOUGH)
    a, _ = problem.responsibilities(problem.inward(reference))
    b, _ = problem.responsibilities(problem.inward(theta))
    return assign(problem, a, b, blocks)


def assign(problem, a, b, blocks=None):
    """The permutation, within exchangeable blocks, that brings responsibilities b (n, K) nearest to a (n, K)."""
    perm, overlap = np.arange(problem.mixture.components), a.T @ b
    for block in problem.blocks_of_components if blocks is None else blocks:
        block = np.array(block)
        perm[block] = block[heaviest(overlap[np.ix_(block, block)])]
    return perm


def heaviest(gain):
    """The permutation p that maximises sum_i gain[i, p_i]."""
    if len(gain) <= 3:  # at most six to try, against half a second to import the solver
        return np.array(max(permutations(range(len(gain))), key=lambda p: gain[np.arange(len(gain)), p].sum()))
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(-gain)[1]


def _examine(problem, run, keep_twins, soft):
    """The optimum at the top of a run's hill: polished, named and weighed."""
    theta = problem.inward(run.theta)
    kind, p = kind_of(problem, theta, run.counts), problem.mixture.df(problem.x.shape[1])
    nan = Mode(run.theta, run.log_posterior, run.log_likelihood, 1, 1.0, kind, np.nan, False, np.nan, "", "")
    if kind == "at a constraint":
        return replace(nan, reason=f"the optimum is not an interior one ({kind})")
    if not soft:
        return replace(nan, reason="EM at this stiffness climbs another objective than the log posterior")
    if problem.impute is not None:
        exact = Surface(replace(problem, impute=None), theta)
        return replace(nan, gradient_norm=float(np.abs(exact.gradient(exact.u(theta))).max(initial=0.0)),
                       reason='impute="mean" ends where its own steps end, not at a maximum')  # fmt: skip
    if p == 0:
        mass = run.log_posterior
        return replace(nan, gradient_norm=0.0, definite=True, log_mass=mass, u=np.empty(0), cov_u=np.empty((0, 0)))
    if p > LARGEST_HESSIAN or (p > SMALL_HESSIAN and dear(problem, p)):
        return replace(nan, reason=f"{p} parameters are too many for the numeric Hessian of {len(problem.x)} rows")
    if run.status == EXHAUSTED and len(problem.x) * p > CHEAP:
        return replace(nan, reason=f"EM ended at max_iter, and of {len(problem.x)} rows Newton finishes no such climb")
    top = settle(problem, theta, keep_twins)
    kind = kind_of(problem, top.theta, top.counts)
    if kind == "interior" and not top.maximum and indistinct(problem, top.theta):
        kind = "twin components"  # on the flat ridge where two components share the rows of one
    mode = replace(nan, theta=problem.outward(top.theta), log_posterior=top.value, log_likelihood=top.log_likelihood,
                   kind=kind, gradient_norm=top.gradient_norm, definite=top.maximum, reason=top.reason)  # fmt: skip
    if kind not in ("interior", "twin components"):
        return replace(
            mode, reason=f"the optimum is not an interior one ({kind})" + "; " * bool(top.reason) + top.reason
        )
    if not top.maximum:
        return replace(mode, reason=top.reason + " (twin components)" * (kind != "interior"))
    return weighed(problem, mode, top.theta)


def dear(problem, p):
    """Whether a Hessian of p parameters takes more time than a second, or more memory than the largest small one."""
    steps = (p / problem.mixture.components) ** 2 * p  # the coordinates of all pairs of differences
    return len(problem.x) * p**2 > DEAREST or steps > SMALL_HESSIAN**3


def weighed(problem, mode, theta):
    """The mode with its Laplace mass, its place in u and its covariance there."""
    inside = off_edge(problem, theta)
    surface = Surface(problem, inside, jacobian=True)
    u, value, _, hessian = surface.newton(surface.u(inside))
    if not definite(hessian):
        return replace(mode, reason="the density in unconstrained coordinates has no mode nearby")
    mass = value + 0.5 * len(u) * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(-hessian)[1]
    # a relabelling that only exchanges twins leads to the same point
    images = problem.relabelings / prod(factorial(len(g)) for g in exchangeable_twins(problem, theta))
    units = problem.units
    cov_u = units[:, None] * np.linalg.inv(-hessian) * units
    return replace(mode, log_mass=float(mass + np.log(images)), u=u * units, cov_u=cov_u)


def off_edge(problem, theta):
    """theta with what lies on an edge of its support moved inside, as one more row on either side would do.

    The density in u vanishes at the edge, so that its mode is inside.
    """
    share, out = 1 / (len(problem.x) + 2), dict(theta)
    for name, p in problem.mixture.family.parameters.items():
        if p.free and p.support.name == "unit":
            out[name] = np.clip(theta[name], share, 1 - share)
        elif p.free and p.support.name == "positive" and (theta[name] < EDGE * theta[name].max()).any():
            out[name] = np.maximum(theta[name], share * theta[name].max())
    return out


def _merge(problem, modes):
    """Optima that the polish brought together become one."""
    merged = []
    for mode in sorted(modes, key=lambda m: -m.log_posterior):
        for i, other in enumerate(merged):
            if same(problem, other, mode) or one_ridge(other, mode):
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


def one_ridge(a, b):
    """Whether two points that are no strict maxima lie on one flat ridge: of one kind, and equally high."""
    flat = not (a.definite or b.definite) and a.kind == b.kind and a.kind in ("twin components", "empty component")
    return flat and abs(a.log_posterior - b.log_posterior) <= RIDGE * (1 + abs(a.log_posterior) / 1000)


def weigh_once(problem, modes, numbers=None):
    """No mass is counted twice: optima whose densities in u climb to one mode leave it to the first of them.

    numbers: by which the modes are told of; 0, 1, ... where left out.
    """
    owners, out, numbers = [], [], range(len(modes)) if numbers is None else numbers
    for mode in modes:
        if np.isfinite(mode.log_mass) and mode.u is not None and len(mode.u):  # files of before have no u
            theta = problem.mixture.from_vector(mode.u, problem.inward(mode.theta))
            for other, j in owners:
                perm = match(problem, problem.outward(other), problem.outward(theta))
                if change(other, problem.mixture.permute(theta, perm), problem.sizes) < 0.01:
                    reason = f"in unconstrained coordinates it is part of the mode of optimum {j}"
                    mode = replace(mode, log_mass=np.nan, reason=reason, u=None, cov_u=None)
                    break
            else:
                if height(problem, theta) > mode.log_posterior + SAME_VALUE:
                    reason = "in unconstrained coordinates it is part of the hill of a higher optimum, not met here"
                    mode = replace(mode, log_mass=np.nan, reason=reason, u=None, cov_u=None)
                else:
                    owners.append((theta, numbers[len(out)]))
        out.append(mode)
    return out


def height(problem, theta):
    """The log posterior at a theta (centred)."""
    return problem.e_step(theta).log_likelihood + sum(problem.mixture.log_prior(theta).values())


def differs(problem, best, mode, gap):
    """One sentence on how an optimum that lies `gap` lower differs from the best one, by where its rows go."""
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
    if mode.kind == "empty component":
        counts = problem.e_step(problem.inward(problem.mixture.permute(mode.theta, perm))).counts
        parts += [f"component {k} is empty" for k in np.flatnonzero(counts < few(counts))]
    for k in range(K):
        sources = [j for j in range(K) if table[j, k] > 0.25 * max(table[j].sum(), 1) and table[j].sum() > 0]
        if len(sources) > 1:
            parts.append(f"component {k} takes in the best one's {' and '.join(map(str, sources))}")
    for j in range(K):
        shares = [k for k in range(K) if table[j, k] > 0.25 * max(table[j].sum(), 1)]
        if len(shares) > 1:
            parts.append(f"the best one's {j} is split over {' and '.join(map(str, shares))}")
    detail = "; ".join(parts) if parts else "the components overlap differently"
    return f"{gap:.4g} lower: {moved} of {n} rows change component; {detail}"
