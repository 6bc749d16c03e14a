"""R-hat, effective sample size and Monte Carlo error.

References: Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16:667-718.
"""

import numpy as np

from bayesmix.tree import scalars

FEW = 10  # draws per chain below which neither its Monte Carlo error nor R-hat means anything
R_HAT = 1.1  # Gelman et al. (2013), Bayesian Data Analysis, section 11.5: beyond it chains disagree, however slow
COLUMNS = ("quantity", "kind", "r_hat", "ess_bulk", "ess_tail", "mcse")


def table(kinds):
    """A DataFrame of R-hat, ESS and MCSE of {kind: {name: (chain, draw)}}, in that order; NaN for a constant."""
    import arviz as az
    import pandas as pd

    rows, done = [], {}
    for kind, quantities in kinds.items():
        for name, value in quantities.items():
            same = done.get(name)
            if same is not None and np.array_equal(value, same[0]):  # nothing was relabelled
                numbers = same[1]
            elif value.shape[1] < 4 or not np.isfinite(value).all() or np.ptp(value) == 0:
                numbers = (np.nan,) * 4
            else:
                value = np.ascontiguousarray(value, dtype=np.float64)
                with np.errstate(all="ignore"):  # halves of a chain that are constant
                    tail = az.ess(value, method="tail", prob=(0.05, 0.95))
                    numbers = az.rhat(paired(value)), az.ess(value), tail, az.mcse(value)
            done[name] = value, numbers
            rows.append((name, kind, *map(float, numbers)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).set_index("quantity")


def least_ess(fit):
    """The smallest bulk ESS of an MCMC fit, over its relabelled parameters and its log posterior."""
    import arviz as az

    values = scalars(fit.mixture, fit.data, fit.relabelled) | {"log posterior": fit.log_posteriors}
    return min(float(az.ess(np.ascontiguousarray(v))) for v in values.values() if np.ptp(v) > 0)


def chain_mcse(value):
    """MCSE of each chain's own mean, (chain,)."""
    import arviz as az

    return np.array([float(az.mcse(v[None])) if np.ptp(v) > 0 else 0.0 for v in value])


def r_hat(value):
    """R-hat of (chain, draw), NaN for a constant."""
    import arviz as az

    with np.errstate(all="ignore"):  # infinite where chains stand still at different points
        return float(az.rhat(paired(value))) if np.ptp(value) > 0 else float("nan")


def settled(invariants, shape):
    """(chain,): whether the parts of each chain agree, by its own R-hat, about how high it is.

    A chain that still climbs was in a region but does not stay there: it may be passing through. The same holds of one
    with too few effective draws to tell. Its height is the log posterior, or else the log likelihood.
    """
    height = invariants.get("log posterior", invariants.get("log likelihood"))
    if height is None or shape[1] < FEW or not np.isfinite(height).all():
        return np.ones(shape[0], dtype=bool)  # `effective size` and `finite` have the word
    return np.array([not r_hat(v[None]) > R_HAT for v in height])


def paired(value):
    """(chain, draw), a single chain as its two halves."""
    half = value.shape[1] // 2
    return np.ascontiguousarray(value if len(value) > 1 else value[0, : 2 * half].reshape(2, half))
