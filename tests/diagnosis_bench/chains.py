"""Chains with a known history: made-up draws around EM optima, Gibbs output, and what may be done to them."""

from dataclasses import replace

import numpy as np

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.pack import pack


def packed(em, chains, seed=0):
    """A Fit of chains given as {field: (draws, ...)} each, packed and relabelled as `fit_mcmc` packs its own."""
    problem = Problem.of(em.mixture, em.data)
    free = [n for n in em.mixture.parameters if not em.mixture.is_constant(n)]
    chains = [{n: c[n] for n in free} for c in chains]
    settings = {"seed": seed, "sampler": "made up", "start": "em", "chains": len(chains)}
    return pack(em.mixture, em.data, problem, chains, [{} for _ in chains], em, em.certificate, settings, seed)


def around(em, mode, draws, rng, phi=0.0, shift=0.0):
    """A chain around an optimum: its Laplace approximation, an AR(1) of coefficient phi in every coordinate.

    shift moves the centre by so many standard deviations in every principal direction (signs at random).
    """
    problem, top = Problem.of(em.mixture, em.data), em.optima[mode]
    like, root = problem.inward(top.theta), np.linalg.cholesky(top.cov_u)
    noise = rng.standard_normal((draws, len(top.u)))
    z = np.empty_like(noise)
    at = rng.standard_normal(len(top.u))
    for s in range(draws):
        at = phi * at + np.sqrt(1 - phi**2) * noise[s]
        z[s] = at
    u = top.u + (z + shift) @ root.T
    return stacked([problem.outward(problem.mixture.from_vector(v, like)) for v in u])


def stacked(thetas):
    """{field: (draws, ...)} of many theta."""
    return {n: np.stack([t[n] for t in thetas]) for n in thetas[0]}


def mixed(em, modes, draws, rng, stay=0.9, weights=None):
    """A chain that moves freely between optima: it stays with probability `stay`, else draws an optimum anew."""
    pools = [around(em, m, draws, rng) for m in modes]
    at, home = 0, np.empty(draws, dtype=int)
    for s in range(draws):
        if s == 0 or rng.random() > stay:
            at = rng.choice(len(modes), p=weights)
        home[s] = at
    return {n: np.stack([pools[h][n][s] for s, h in enumerate(home)]) for n in pools[0]}


def renamed(mixture, chain, permutations):
    """The chain under one permutation (K,), or one for each draw (draws, K)."""
    draws = len(next(iter(chain.values())))
    permutations = np.broadcast_to(permutations, (draws, mixture.components))
    return stacked([mixture.permute({n: v[s] for n, v in chain.items()}, permutations[s]) for s in range(draws)])


def chains_of(fit):
    """The raw chains of a fit."""
    return [{n: v[c] for n, v in fit.draws.items()} for c in range(fit.shape[0])]


def gibbs(em, seed, draws=500, tune=100, chains=4, mode=None, **options):
    """Real chains; with `mode`, all of them started in that optimum."""
    start = em if mode is None else replace(em, optima=(em.optima[mode],))
    return bm.fit_mcmc(
        em.mixture, em.data, start=start, sampler="gibbs", draws=draws, tune=tune, chains=chains, seed=seed, workers=1,
        **options,
    )  # fmt: skip


def weighty(em, least=1e-12):
    """Indices of the interior optima that have a Laplace mass, best first."""
    return [m for m, o in enumerate(em.optima) if o.kind == "interior" and np.isfinite(o.log_mass)]
