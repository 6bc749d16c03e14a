"""How much posterior mass each optimum has: three estimates, each with what it is worth.

Laplace's approximation is a formula at one point. Importance sampling from it corrects it,

    mass_m = images_m * mean_i p(u_i) [EM from u_i ends at optimum m] / q(u_i),    u_i ~ q = t_5(u_m, -H_m^-1),

and its spread says how well. Where chains move freely between optima, the draws are the answer.

References: Kass & Raftery (1995), JASA 90:773-795, eq. (5); Geweke (1989), Econometrica 57:1317-1339.
"""

import numpy as np
from scipy.special import gammaln

from bayesmix.diagnostics.matching import climb_to_optima
from bayesmix.em.surface import Surface

AT_STAKE = 1e-4  # Laplace share from which an optimum's mass is looked into
DRAWS = 100  # of importance sampling for each such optimum
FEW = 6  # optima that are looked into, the heaviest
TAIL = 5.0  # degrees of freedom of the proposal
OFF = np.log(2.0)  # a correction of Laplace's log mass beyond which it was no more than a guess
LOOSE = 0.5  # relative standard error from which an estimate is a guess


def laplace_shares(optima):
    """Laplace share of the mass of each optimum, NaN where it has no Laplace mass."""
    return shares(np.array([m.log_mass for m in optima], dtype=np.float64))


def shares(log_mass):
    """exp(log_mass), summing to one over the finite ones; NaN elsewhere."""
    out, known = np.full(len(log_mass), np.nan), np.isfinite(log_mass)
    if known.any():
        w = np.exp(log_mass[known] - log_mass[known].max())
        out[known] = w / w.sum()
    return out


def corrections(problem, optima, rng):
    """(log correction of the Laplace mass, relative standard error) of each optimum, NaN where none was made."""
    out, error = np.full(len(optima), np.nan), np.full(len(optima), np.nan)
    share = laplace_shares(optima)
    at_stake = [m for m in np.argsort(-np.nan_to_num(share), kind="stable") if share[m] >= AT_STAKE][:FEW]
    if len(at_stake) < 2:
        return out, error
    for m in at_stake:
        if optima[m].u is not None and len(optima[m].u):
            out[m], error[m] = importance(problem, optima, m, rng)
    return out, error


def importance(problem, optima, m, rng):
    """(log correction, relative standard error) of one optimum's Laplace mass."""
    model, mode = problem.mixture, optima[m]
    like, p, units = problem.inward(mode.theta), len(mode.u), problem.units
    surface = Surface(problem, like, jacobian=True)
    root = np.linalg.cholesky(mode.cov_u)
    z = rng.standard_normal((DRAWS, p)) / np.sqrt(rng.chisquare(TAIL, size=DRAWS) / TAIL)[:, None]
    u = mode.u + z @ root.T
    log_q = (
        gammaln((TAIL + p) / 2) - gammaln(TAIL / 2) - 0.5 * p * np.log(TAIL * np.pi) - np.log(np.diag(root)).sum()
        - 0.5 * (TAIL + p) * np.log1p((z**2).sum(axis=1) / TAIL)
    )  # fmt: skip
    with np.errstate(all="ignore"):
        log_p = np.array([surface.value(v / units) for v in u]) - np.log(units).sum()
    top = surface.value(mode.u / units) - np.log(units).sum()
    laplace = top + 0.5 * p * np.log(2 * np.pi) + np.log(np.diag(root)).sum()
    log_ratio = np.where(np.isfinite(log_p), log_p, -np.inf) - log_q - laplace
    matter = np.flatnonzero(log_ratio > log_ratio.max() - 12)  # others weigh nothing and need no climb
    thetas = [problem.outward(model.from_vector(u[i], like)) for i in matter]
    home, permutation = climb_to_optima(problem, thetas, list(optima), join=False)
    own = (home == m) & (permutation == np.arange(permutation.shape[1])).all(axis=1)
    if mode.kind == "twin components":
        own = home == m  # the names of twins mean nothing
    ratio = np.zeros(DRAWS)
    ratio[matter[own]] = np.exp(log_ratio[matter[own]])
    mean = ratio.mean()
    if not mean > 0:
        return np.nan, np.inf
    return float(np.log(mean)), float(ratio.std(ddof=1) / np.sqrt(DRAWS) / mean)


def mass_table(problem, matching, rng):
    """One row per optimum: its region, and its share of the posterior mass by three estimates.

    `laplace`; `share`, corrected by importance sampling where the masses are at stake, with its standard error
    `se`; `draws`, the share of checkpoints of the chains that were in its region, with `draws_se`, where they moved
    freely between its optima. `visited` says whether a chain was there, `worth` what the share rests on.
    """
    import pandas as pd

    optima = matching.optima
    mass = np.array([m.log_mass for m in optima], dtype=np.float64)
    fix, error = corrections(problem, optima, rng)
    known = np.isfinite(fix)
    mass = np.where(known, mass + np.nan_to_num(fix), mass)
    share = shares(mass)
    variance = np.where(known & np.isfinite(error), error, 0.0) ** 2
    se = share * np.sqrt(
        (1 - 2 * share) * variance + np.nansum(np.nan_to_num(share) ** 2 * variance)
    )  # of w_m / sum w, by the delta method
    se = np.where(np.isinf(error), share, np.where(known, se, np.nan))
    draws, draws_se = from_draws(matching)
    worth = []
    for m, mode in enumerate(optima):
        if not np.isfinite(share[m]):
            worth.append(f"none: {mode.reason or 'it has no Laplace mass'}")
        elif np.isinf(error[m]):
            worth.append("a guess: no draw of Laplace's approximation belongs to it")
        elif not known[m]:
            worth.append("Laplace alone")
        elif error[m] > LOOSE:
            worth.append("a guess: the importance weights vary too much")
        elif abs(fix[m]) > OFF:
            worth.append("importance sampling; Laplace alone was off")
        else:
            worth.append("importance sampling")
    return pd.DataFrame(
        {
            "region": matching.regions,
            "log_posterior": [m.log_posterior for m in optima],
            "kind": [m.kind for m in optima],
            "laplace": laplace_shares(optima),
            "share": share,
            "se": se,
            "draws": draws,
            "draws_se": draws_se,
            "visited": [bool((matching.home == m).any()) for m in range(len(optima))],
            "worth": worth,
        },
        index=pd.RangeIndex(len(optima), name="mode"),
    )


def from_draws(matching):
    """(share, standard error) of each optimum within its region, from chains that moved freely; NaN elsewhere.

    The standard error comes from the chains' own shares, which are independent.
    """
    out, error = np.full(len(matching.optima), np.nan), np.full(len(matching.optima), np.nan)
    for region in np.unique(matching.regions):
        members = np.flatnonzero(matching.regions == region)
        inside = np.isin(matching.home, members)
        chains = inside.any(axis=1)
        if len(members) < 2 or not chains.any():
            continue
        for m in members:
            own = (matching.home[chains] == m).sum(axis=1) / inside[chains].sum(axis=1)
            out[m] = (matching.home[chains] == m).sum() / inside[chains].sum()
            if chains.sum() > 1:
                error[m] = own.std(ddof=1) / np.sqrt(chains.sum())
    return out, error
