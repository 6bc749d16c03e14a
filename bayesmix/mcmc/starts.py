"""Where chains start: over the EM optima by Laplace mass, dispersed by the Laplace covariance."""

import numpy as np

from bayesmix.errors import InputError

LEAST_SHARE = 1e-3  # of the Laplace mass: an optimum with less gets no chain


def laplace_shares(optima):
    """Share of the Laplace mass of each optimum; 0 where it has none, all to the best if none has any."""
    mass = np.array([m.log_mass for m in optima])
    known = np.isfinite(mass)
    if not known.any() or not known[0]:
        return np.eye(len(optima))[0]
    w = np.exp(np.where(known, mass, -np.inf) - mass[known].max())
    return w / w.sum()


def place(optima, chains):
    """The optimum in which each chain starts: by Laplace mass, at least two in the best one."""
    shares = laplace_shares(optima)
    shares = np.where(shares >= LEAST_SHARE, shares, 0.0)
    counts = np.zeros(len(optima), dtype=int)
    counts[0] = min(2, chains)
    for m in np.argsort(-shares, kind="stable"):  # one chain for each that deserves one
        if m > 0 and shares[m] > 0 and counts.sum() < chains:
            counts[m] = 1
    while counts.sum() < chains:  # the rest to the least served
        counts[np.argmax(shares / (counts + 0.5))] += 1
    return np.repeat(np.arange(len(optima)), counts).tolist()


def disperse(problem, mode, rng, tries=200):
    """A start near an optimum: a draw from its Laplace approximation that obeys the constraints.

    The spread shrinks until a draw has a finite log posterior; an optimum without a Laplace
    covariance (at an edge) is left by small steps of 0.1 in u.
    """
    model = problem.mixture
    inner = problem.inward(mode.theta)
    if mode.u is not None:
        u, factor = mode.u, np.linalg.cholesky(mode.cov_u) if len(mode.u) else mode.cov_u
    else:
        edge = nudge(model, inner)
        u = model.vector(edge)
        factor, inner = 0.1 * np.eye(len(u)), edge
    for scale in np.geomspace(1.0, 1e-3, tries):
        theta = model.from_vector(u + scale * (factor @ rng.standard_normal(len(u))), inner)
        theta = ordered(problem, theta)
        if np.isfinite(sum(model.log_prior(theta).values())):
            return problem.outward(theta)
    raise InputError("fit_mcmc: no starting point near the EM optimum obeys the constraints; loosen them.")


def given(model, data, start, chains):
    """theta of each chain from a theta, or a list of one per chain, checked for names and shapes."""
    starts = [start] * chains if isinstance(start, dict) else list(start)
    if len(starts) != chains:
        raise InputError(f"fit_mcmc(start=...): expected one theta for each of the {chains} chains, got {len(starts)}.")
    out = []
    for c, theta in enumerate(starts):
        missing = set(model.parameters) ^ set(theta) if isinstance(theta, dict) else set(model.parameters)
        if missing:
            raise InputError(
                f"fit_mcmc(start=...): the theta of chain {c} must be a dict of {', '.join(model.parameters)}; look at "
                f"{', '.join(sorted(map(repr, missing)))}."
            )
        out.append({name: np.array(theta[name], dtype=np.float64) for name in model.parameters})
        for name, value in out[-1].items():
            shape = model.field_shape(name, data.d)
            if value.shape != shape:
                raise InputError(
                    f"fit_mcmc(start=...): `{name}` of chain {c} must have the shape {shape}, not {value.shape}."
                )
        total = out[-1]["weight"].sum()
        if not np.isclose(total, 1):
            raise InputError(f"fit_mcmc(start=...): the weights of chain {c} must sum to 1, not {total:g}.")
    return out


def nudge(model, theta):
    """theta moved off the edges of the supports: empty components, probabilities of 0 or 1, scales and rates of 0."""
    return {
        name: value if model.is_constant(name) else model.parameters[name].support.off_edge(value)
        for name, value in theta.items()
    }


def ordered(problem, theta):
    """theta sorted where that is only a relabelling."""
    for c in problem.mixture.constraints:
        perm = problem.mixture.sorting(c, theta, problem.blocks_of_components)
        theta = problem.mixture.permute(theta, perm)
    return theta
