"""Criteria from the posterior draws: leave-one-out density, and the evidence, twice.

References: Vehtari, Gelman & Gabry (2017), Statistics and Computing 27:1413-1432, eqs. (10) and (24); Vehtari,
Simpson, Gelman, Yao & Gabry (2024), JMLR 25(72), for the limit of Pareto's k; Kass & Raftery (1995), JASA 90:773-795,
section 3.2, for the margin of the evidence: odds below 3 to 1 are not worth more than a bare mention.
"""

import numpy as np

from bayesmix.diagnostics.bridge import APART
from bayesmix.selection.criteria import MISSING, Cell, criterion

DRAWS = 2000  # that leave-one-out weighs, evenly spaced: a draw in Pareto's tail costs, and says, little more
LIMIT = 0.7  # of Pareto's k
ODDS = 3.0


@criterion(
    "LOO", sign=1, needs="mcmc", meaning="leave-one-out log density, Pareto smoothed, z summed out; larger is better"
)
def loo(subject):
    import arviz as az
    import xarray as xr

    fit, data = subject.mcmc, subject.data
    if data.weight is not None and not (data.weight == 1).all():
        return Cell(np.nan, reason="The rows have weights: leaving out a row is not leaving out an observation.")
    chains, draws = fit.shape
    some = np.unique(np.linspace(0, draws - 1, min(draws, max(DRAWS // chains, 1))).astype(int))
    stored = fit.groups["log_likelihood"].isel(draw=some)
    posterior = xr.Dataset({"log_posterior": (("chain", "draw"), fit.log_posteriors[:, some])})
    found = az.loo(xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": stored}), pointwise=True)
    rows, k = found.elpd_i.values.ravel(), found.pareto_k.values.ravel()
    high = int((k > LIMIT).sum())
    reason = subject.mcmc_fault
    if not reason and high:
        reason = (
            f"{high} row{'s have' if high > 1 else ' has'} a Pareto k above {LIMIT} (at most {k.max():.2f}): leaving "
            "out one row moves the posterior too far to be weighed from these draws."
        )
    return Cell(float(rows.sum()), float(np.sqrt(len(rows) * rows.var(ddof=1))), reason, rows)


@criterion(
    "log evidence", sign=1, margin=float(np.log(ODDS)), needs="mcmc",
    meaning="log p(data) by bridge sampling, given that the constraints hold; larger is better",
)  # fmt: skip
def log_evidence(subject):
    found = subject.evidence
    if isinstance(found, str):
        return Cell(np.nan, reason=found)
    return Cell(found.value, found.se, subject.region_fault or found.reason or quarrel(found, subject.smc))


@criterion(
    "SMC evidence", sign=1, margin=float(np.log(ODDS)), needs="mcmc",
    meaning="the same by sequential Monte Carlo, which looks at no chain: a check of it; larger is better",
)  # fmt: skip
def smc_evidence(subject):
    found = subject.smc
    if found is None:
        return MISSING
    return Cell(np.nan, reason=found) if isinstance(found, str) else Cell(found.value, found.se, found.reason)


def quarrel(bridge, smc):
    """A sentence if sequential Monte Carlo, where it was asked for and knows an answer, contradicts the bridge."""
    if smc is None or isinstance(smc, str) or not smc.ok:
        return ""
    apart = abs(bridge.value - smc.value) / np.hypot(bridge.se, smc.se)
    if apart <= APART:
        return ""
    return (
        f"Sequential Monte Carlo finds {smc.value:.2f}, {apart:.1f} standard errors from the {bridge.value:.2f} of the "
        "bridge: one of the two has missed a part of the posterior."
    )
