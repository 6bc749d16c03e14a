"""`fit_mcmc`: chains placed over the EM optima, sampled by NUTS or Gibbs, packed as a Fit; `resume` after a crash."""

from pathlib import Path

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em.fit_em import fit_em, kernel_certificate
from bayesmix.em.kernel import Problem
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.mcmc.certificate import certificate
from bayesmix.mcmc.chains import Job, outcome, run_chains
from bayesmix.mcmc.checkpoint import Checkpoint, fingerprint, stored_arguments
from bayesmix.mcmc.explicit_chains import explicit_sampler, refuse_weights
from bayesmix.mcmc.faults import fault
from bayesmix.mcmc.gibbs import gibbs_sampler
from bayesmix.mcmc.numpyro import numpyro_sampler, require_numpyro
from bayesmix.mcmc.pack import pack
from bayesmix.mcmc.samplers import nutpie_sampler, pymc_sampler
from bayesmix.mcmc.starts import LEAST_SHARE, disperse, given, laplace_shares, place
from bayesmix.seed import seed_of
from bayesmix.tree import dataset

SAMPLERS = {
    "nutpie": nutpie_sampler, "pymc": pymc_sampler, "numpyro": numpyro_sampler, "gibbs": gibbs_sampler,
    "explicit": explicit_sampler,
}  # fmt: skip
CERTIFIED = 50_000  # rows x prior draws of the certificate that a fit carries: of 5 to 50 draws
REQUIRED = {"numpyro": require_numpyro, "explicit": refuse_weights}  # checked before anything is computed


def fit_mcmc(
    model,
    data,
    *,
    draws=1000,
    tune=500,
    chains=4,
    start=None,
    sampler="nutpie",
    target_accept=None,
    seed=None,
    workers=2,
    progress=None,
    permutation_moves=False,
    marginal_steps=None,
    checkpoint=None,
):
    """The posterior by NUTS or by Gibbs, with the EM census it started from.

    A chain that fails is left out and reported (`settings["failed_chains"]`, with the parameter and the row at
    fault); the others are kept. Ctrl-C keeps the finished chains, or the draws so far where none has finished, and
    marks the fit as partial.

    Of many rows (chains x draws x rows beyond 2^25) the pointwise log likelihood is stored for evenly spaced draws,
    and the fit says for how many. No array of draws x rows x components is ever held: 4 x 1000 draws of 1e5 rows and
    three components take about half a GB.

    Args:
        model: a `Mixture`.
        data: a `Data`, or anything that `Data(x)` takes.
        draws, tune, chains: kept draws and warm-up draws per chain, and the number of chains.
        start: an EM `Fit` of the same model (chains go to its optima by Laplace mass, at least two to
            the best, dispersed by the Laplace covariance), "prior" (each chain from a prior draw), a theta or a list
            of one theta per chain (exactly there), or None, which runs `fit_em` first. There is no jitter; where the
            chains started is kept in `fit.groups["starts"]`.
        sampler: "nutpie", "pymc" (PyMC's own NUTS) or "numpyro" (needs `bayesmix[jax]`); "gibbs" (conjugate blocked
            Gibbs, without PyMC, for conditionally conjugate priors); "explicit" (PyMC on the textbook model with
            its allocations, for teaching: the page says what it costs). What ran is recorded, there is no silent
            fallback.
        target_accept: NUTS's target acceptance rate; left out, 0.8 where the coordinates are whitened by the Laplace
            approximation (above 20 dimensions), else 0.9. What was used is recorded.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: chains that run at once; the draws do not depend on it.
        progress: None: a bar after two seconds, on a terminal. False: none. Or a function, called as
            progress(chains done, chains), where a running chain counts by its share.
        permutation_moves: for "gibbs", relabel the exchangeable components at random after every sweep, so that
            the chains visit all labellings.
        marginal_steps: for "gibbs", one Metropolis step per sweep on the posterior with the allocations summed out,
            which overlapping groups need (Gaussian components, at most 20 parameters). None: where a pilot says that
            it pays; True: wherever it can be had; False: never. What was decided and why is recorded, and which
            steps moved (`sample_stats["marginal_accepted"]`).
        checkpoint: a folder, to which each chain is written as it finishes. The same call again (or
            `resume(folder)`) runs only the chains that are missing and returns the fit that an uninterrupted run
            would have given.

    Raises:
        InputError: an argument is wrong, the checkpoint belongs to another fit, or every chain failed.

    References: Hoffman & Gelman (2014), JMLR 15:1593-1623.
    """
    data = data if isinstance(data, Data) else Data(data)
    for name, value in {"draws": draws, "tune": tune, "chains": chains, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"fit_mcmc({name}=...): expected a whole number of at least 1, got {value!r}.")
    if sampler not in SAMPLERS:
        raise InputError(f"fit_mcmc(sampler={sampler!r}): expected one of {tuple(SAMPLERS)}.")
    REQUIRED.get(sampler, lambda data: None)(data)
    if permutation_moves and sampler != "gibbs":
        raise InputError(f'fit_mcmc(permutation_moves=True): only sampler="gibbs" has them, not {sampler!r}.')
    if marginal_steps is not None and sampler != "gibbs":
        raise InputError(f'fit_mcmc(marginal_steps=...): only sampler="gibbs" has them, not {sampler!r}.')
    if start is not None and not isinstance(start, Fit | dict | list | tuple) and start != "prior":
        raise InputError(f'fit_mcmc(start={start!r}): expected an EM fit, "prior", a theta, one per chain, or None.')
    fresh, seed = seed_of("fit_mcmc", None), None if seed is None else seed_of("fit_mcmc", seed)
    model = model.resolve(data)
    if isinstance(start, dict | list | tuple):
        start = given(model, data, start, chains)
    asked = {
        "model": fingerprint(model), "data": fingerprint(data), "sampler": sampler, "draws": int(draws),
        "tune": int(tune), "chains": int(chains), "target_accept": target_accept,
        "permutation_moves": permutation_moves, "marginal_steps": marginal_steps, "start": said_start(start),
        "seed": seed,
    }  # fmt: skip
    box = None if checkpoint is None else Checkpoint.open(checkpoint, asked, fresh)
    asked = box.asked if box else asked | {"seed": fresh if seed is None else seed}
    with meter(progress, "chains") as step:
        return run(model, data, asked, start, box, workers, step)


def resume(checkpoint, *, workers=2, progress=None):
    """The fit that `fit_mcmc(..., checkpoint=folder)` would have returned: only the missing chains are run.

    Args:
        checkpoint: the folder. workers, progress: as in `fit_mcmc`.

    Raises:
        InputError: the folder holds no checkpoint, a file in it is damaged, or it was written with other versions.
    """
    checkpoint = Path(checkpoint)
    model, data, asked = stored_arguments(checkpoint)
    with meter(progress, "chains") as step:
        return run(model, data, asked, None, Checkpoint(checkpoint, asked), workers, step)


def run(model, data, asked, start, box, workers, progress):
    """The Fit of a resolved model: starts, chains, and what becomes of both."""
    em_seed, start_seed, chain_seed, predictive_seed = np.random.SeedSequence(asked["seed"]).generate_state(4)
    problem, chains, gibbs = Problem.of(model, data), asked["chains"], asked["sampler"] == "gibbs"
    if box and box.begun:
        starts, homes, em = box.starts()
    else:
        em = fit_em(model, data, seed=int(em_seed)) if start is None else start if isinstance(start, Fit) else None
        starts, homes = place_chains(model, problem, data, em, start, chains, np.random.default_rng(start_seed))
        if box:
            box.begin(model, data, starts, homes, em)
    few = int(np.clip(CERTIFIED // data.n, 5, 50))
    passport = (kernel_certificate(problem, data, asked["seed"]) if gibbs
                else certificate(model, data, draws=few, seed=asked["seed"]))  # fmt: skip
    job = Job(
        model if gibbs else model.to_pymc(data, latent_of(asked["sampler"])), data, starts,
        np.random.SeedSequence(int(chain_seed)).generate_state(chains), asked["draws"], asked["tune"],
        asked["target_accept"], workers, model.components * data.n, asked["permutation_moves"],
        *((None, None) if em is None else ([em.optima[h].theta for h in homes], em.optima[0])),
        asked["marginal_steps"],
    )  # fmt: skip
    done = box.chains() if box else {}
    sampler = SAMPLERS[asked["sampler"]](job)
    result = run_chains(sampler, job, problem, done=done, keep=box.keep if box else None, progress=progress)

    def packed(result):
        kept = list(result.chains)
        settings = {
            "seed": asked["seed"], "sampler": asked["sampler"], **sampler.how,
            "draws": len(result.chains[kept[0]]), "tune": asked["tune"], "chains": len(kept),
            "start": asked["start"].split()[0],
            "chain_modes": [int(homes[c]) for c in kept], "partial": result.partial,
            "failed_chains": [{"chain": c, "reason": reason} for c, reason in result.failed.items()],
            "em": em.settings if em is not None else None, "notes": notes(model, data, em, result.failed),
        }  # fmt: skip
        posterior, stats = [result.chains[c].draws for c in kept], [result.chains[c].stats for c in kept]
        fit = pack(model, data, problem, posterior, stats, em, passport, settings, predictive_seed)
        began = {name: np.stack([starts[c][name] for c in kept]) for name in model.parameters}
        fit.groups["starts"] = dataset(model, data, began, ("chain",))
        return fit

    try:
        fit = packed(result)
        if np.isfinite(fit.log_posteriors).all():
            return fit
    except ValueError:  # NaN has met a routine that refuses it; if no draw is at fault it is raised again below
        if without_spoilt(result, job, problem) is result:
            raise
    return packed(without_spoilt(result, job, problem))


def latent_of(sampler):
    """Which PyMC model a sampler draws from."""
    return "explicit" if sampler == "explicit" else "marginal"


def place_chains(model, problem, data, em, start, chains, rng):
    """(theta of each chain, the optimum in which each starts, -1 where it is in none)."""
    if em is not None:
        homes = place(em.optima, chains)
        return [disperse(problem, em.optima[m], rng) for m in homes], homes
    starts = start if isinstance(start, list) else [model.draw_prior(rng, data.d) for _ in range(chains)]
    return starts, [-1] * chains


def said_start(start):
    """Where the chains start, as text for the record."""
    if start is None:
        return "em"
    if isinstance(start, Fit):
        return f"em {fingerprint([m.theta for m in start.optima])}"
    return start if isinstance(start, str) else f"given {fingerprint(start)}"


def without_spoilt(result, job, problem):
    """The Outcome without the chains that met a log posterior that is no finite number; the same if there are none."""
    chains, failed = dict(result.chains), dict(result.failed)
    for number, chain in result.chains.items():
        for s in range(len(chain)):
            reason = fault(problem, job.starts[number] | {name: v[s] for name, v in chain.draws.items()})
            if reason:
                del chains[number]
                failed[number] = f"draw {s}: {reason}"
                break
    return result if len(chains) == len(result.chains) else outcome(chains, failed, {}, result.partial)


def notes(model, data, em, failed):
    """Sentences on what was done with optima that got no chain, on failed chains and on fractional row weights."""
    out = []
    if em is not None:
        shares = laplace_shares(em.optima)
        left = [f"{m} ({s:.1g})" for m, s in enumerate(shares) if m > 0 and s < LEAST_SHARE]
        if left:
            out.append(f"Optima of less than {LEAST_SHARE:.1%} of the Laplace mass got no chain: {', '.join(left)}.")
    out += [f"Chain {c} failed and was left out: {reason}." for c, reason in failed.items()]
    if data.weight is not None and (data.weight != np.round(data.weight)).any():
        out.append("The row weights are fractional: the draws are from a pseudo-posterior.")
    return out
