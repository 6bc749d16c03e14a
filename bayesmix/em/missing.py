"""The E-step where cells are missing (NaN in x): exact, by summing over the unobserved cells.

The rows fall into parts that the ordinary kernel can read: for independent features one part, whose
features carry one constant per column; otherwise one part per missingness pattern, with the family's
marginal over the observed columns. The statistics of each part are completed to those of whole rows,
E[r^T Phi(x) | observed cells, theta]: EM with the missing cells as latent data, so the M-step and
Fisher's identity hold as they stand.

References: Dempster, Laird & Rubin (1977), JRSS B 39:1-38, section 4.1; Ghahramani & Jordan (1994),
Supervised learning from incomplete data via an EM approach, NIPS 6:120-127.
"""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.em import patterns as together
from bayesmix.errors import InputError
from bayesmix.spec.families.masked import _Masked, _Nothing, _Observed
from bayesmix.spec.missing import patterns

SHORTCUT = (
    'impute="mean" took the conditional means of the missing cells for observations and dropped their conditional '
    "covariance: this is not EM, the log posterior need not have risen, and spreads come out too small."
)


@dataclass(frozen=True)
class Part:
    """Rows whose observed cells one family reads: a problem without missing cells."""

    rows: np.ndarray | slice
    columns: np.ndarray | None  # the observed ones; None: all rows at once, with their gaps
    problem: object

    def theta(self, family, theta):
        """theta of the observed columns."""
        if self.columns is None or not len(self.columns):
            return theta
        own = family.restrict({name: theta[name] for name in family.parameters}, self.columns)
        return {"weight": theta["weight"], **own}


def parts(problem):
    """The parts of a problem whose x has missing cells."""
    family, K, d = problem.mixture.family, problem.mixture.components, problem.x.shape[1]
    if family.independent or not problem.exponential:
        whole = _Masked(family, K, d) if problem.exponential else _Observed(family, K)
        return (Part(slice(None), None, _part(problem, whole, slice(None), problem.x)),)
    out = []
    for rows, columns in patterns(problem.x):
        some = family.marginal(columns) if len(columns) else _Nothing(family, K)
        out.append(Part(rows, columns, _part(problem, some, rows, problem.x[np.ix_(rows, columns)])))
    return tuple(out)


def _part(problem, family, rows, x):
    label, weight = (None if a is None else a[rows] for a in (problem.log_label, problem.weight))
    mixture = replace(problem.mixture, family=family, constraints=())
    return replace(problem, mixture=mixture, x=x, log_label=label, weight=weight, whole=True, added=True)


def e_step(problem, theta, beta):
    """The Pass of all parts together, its statistics completed."""
    if problem.sorted is not None:
        return together.e_step(problem, theta, beta)
    passes = [part.problem.e_step(part.theta(problem.mixture.family, theta), beta) for part in problem.parts]
    first = passes[0]
    return replace(
        first,
        objective=sum(p.objective for p in passes),
        log_likelihood=sum(p.log_likelihood for p in passes),
        counts=sum(p.counts for p in passes),
        stats=gather(problem, [p.stats for p in passes], theta),
    )


def gather(problem, stats, theta):
    """The expected statistics of whole rows (K, F), or the responsibilities (n, K), from those of the parts."""
    family, own, variance = problem.mixture.family, problem.mixture.own(theta), problem.impute != "mean"
    if not problem.exponential:
        return stats[0]
    total = 0.0
    for part, s in zip(problem.parts, stats, strict=True):
        if part.columns is None:
            total = total + part.problem.mixture.family.whole(s, own, variance)
        else:
            seen = np.isin(np.arange(problem.x.shape[1]), part.columns)
            total = total + (s if seen.all() else family.complete_stats(s, seen, own, variance))
    return total


def responsibilities(problem, theta):
    """r (n, K) at stiffness 1 and the row terms (n,)."""
    if problem.sorted is not None:
        return together.responsibilities(problem, theta)
    r, row = np.empty((len(problem.x), problem.mixture.components)), np.empty(len(problem.x))
    for part in problem.parts:
        r[part.rows], row[part.rows] = part.problem.responsibilities(part.theta(problem.mixture.family, theta))
    return r, row


def statistics(problem, r, theta):
    """The completed statistics of given responsibilities (n, K), weighted by the rows, and their counts."""
    if problem.sorted is not None:
        return together.statistics(problem, r, theta)
    found = [part.problem.statistics(r[part.rows]) for part in problem.parts]
    return gather(problem, [s for s, _ in found], theta), sum(n for _, n in found)


def check_shortcut(model):
    """Raise InputError if the family has no statistics into which a mean could be imputed."""
    if not hasattr(model.family, "sufficient"):
        raise InputError(
            f'fit_em(impute="mean"): {type(model.family).__name__} has no sufficient statistics to impute into; '
            "leave impute out, and the missing cells are summed out exactly."
        )
