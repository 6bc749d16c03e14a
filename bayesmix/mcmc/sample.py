"""`fit_mcmc`: chains placed over the EM optima, sampled by NUTS, packed as a Fit."""

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em.fit_em import fit_em, kernel_certificate
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.mcmc.certificate import certificate
from bayesmix.mcmc.gibbs import gibbs_chains
from bayesmix.mcmc.numpyro import numpyro_chains
from bayesmix.mcmc.pack import pack
from bayesmix.mcmc.samplers import Job, nutpie_chains, pymc_chains
from bayesmix.mcmc.starts import LEAST_SHARE, disperse, laplace_shares, place

SAMPLERS = {"nutpie": nutpie_chains, "pymc": pymc_chains, "numpyro": numpyro_chains, "gibbs": gibbs_chains}


def fit_mcmc(
    model,
    data,
    *,
    draws=1000,
    tune=500,
    chains=4,
    start=None,
    sampler="nutpie",
    target_accept=0.9,
    seed=None,
    workers=2,
    progress=None,
    permutation_moves=False,
):
    """The posterior by NUTS or by Gibbs, with the EM census it started from.

    Args:
        model: a `Mixture`.
        data: a `Data`, or anything that `Data(x)` takes.
        draws, tune, chains: kept draws and warm-up draws per chain, and the number of chains.
        start: an EM `Fit` of the same model (chains go to its optima by Laplace mass, at least two to
            the best, dispersed by the Laplace covariance), "prior" (each chain from a prior draw), or
            None, which runs `fit_em` first.
        sampler: "nutpie", "pymc" (PyMC's own NUTS) or "numpyro" (needs `bayesmix[jax]`), or "gibbs" (conjugate
            blocked Gibbs: no compilation, for conditionally conjugate priors); what ran is recorded, there is no
            silent fallback.
        target_accept: NUTS's target acceptance rate.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: chains that run at once; the draws do not depend on it.
        progress: called as progress(finished chains, chains).
        permutation_moves: for "gibbs", relabel the exchangeable components at random after every sweep, so that
            the chains visit all labellings.

    Raises:
        InputError: an argument is wrong, or no chain could start.

    References: Hoffman & Gelman (2014), JMLR 15:1593-1623.
    """
    data = data if isinstance(data, Data) else Data(data)
    for name, value in {"draws": draws, "tune": tune, "chains": chains, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"fit_mcmc({name}=...): expected a whole number of at least 1, got {value!r}.")
    if sampler not in SAMPLERS:
        raise InputError(f"fit_mcmc(sampler={sampler!r}): expected one of {tuple(SAMPLERS)}.")
    seed = int(np.random.SeedSequence().entropy % 2**32) if seed is None else int(seed)
    em_seed, start_seed, chain_seed, predictive_seed = np.random.SeedSequence(seed).generate_state(4)
    model = model.resolve(data)
    if isinstance(start, str) and start != "prior":
        raise InputError(f'fit_mcmc(start={start!r}): expected an EM fit, "prior" or None.')
    em = start if isinstance(start, Fit) else None
    if start is None:
        em = fit_em(model, data, seed=int(em_seed))
    problem = Problem.of(model, data)
    rng = np.random.default_rng(start_seed)
    if em is None:
        starts, homes = [model.draw_prior(rng, data.d) for _ in range(chains)], [-1] * chains
    else:
        homes = place(em.optima, chains)
        starts = [disperse(problem, em.optima[m], rng) for m in homes]
    if permutation_moves and sampler != "gibbs":
        raise InputError(f'fit_mcmc(permutation_moves=True): only sampler="gibbs" has them, not {sampler!r}.')
    gibbs = sampler == "gibbs"
    passport = kernel_certificate(problem, data, seed) if gibbs else certificate(model, data, draws=50, seed=seed)
    chain_seeds = np.random.SeedSequence(int(chain_seed)).generate_state(chains)
    target = model if gibbs else model.to_pymc(data)
    size = model.components * data.n
    job = Job(target, data, starts, chain_seeds, draws, tune, target_accept, workers, size, permutation_moves)
    posterior, stats, how, partial = SAMPLERS[sampler](job, progress or (lambda done, total: None))
    settings = {
        "seed": seed, "sampler": how, "draws": draws, "tune": tune, "chains": len(posterior),
        "target_accept": target_accept, "start": "em" if em is not None else "prior",
        "chain_modes": [int(h) for h in homes[: len(posterior)]], "partial": partial,
        "em": em.settings if em is not None else None, "notes": notes(model, data, em),
    }  # fmt: skip
    return pack(model, data, problem, posterior, stats, em, passport, settings, predictive_seed)


def notes(model, data, em):
    """Sentences on what was done with optima that got no chain, and on fractional row weights."""
    out = []
    if em is not None:
        shares = laplace_shares(em.optima)
        left = [f"{m} ({s:.1e})" for m, s in enumerate(shares) if m > 0 and s < LEAST_SHARE]
        if left:
            out.append(f"Optima of less than {LEAST_SHARE:.1%} of the Laplace mass got no chain: {', '.join(left)}.")
    if data.weight is not None and (data.weight != np.round(data.weight)).any():
        out.append("The row weights are fractional: the draws are from a pseudo-posterior.")
    return out
