"""Conjugate blocked Gibbs: allocations given theta, then theta given the statistics z^T Phi.

On the same features and statistics as EM; PyMC is not involved. A second, independent engine for every
specification whose priors are conditionally conjugate. Three speeds, one posterior: whole sweeps compiled
(`gibbs_whole`), the pass over the rows compiled (`gibbs_rows`), and NumPy (`gibbs_steps`).

References: Diebolt & Robert (1994), JRSS B 56:363-375; Frühwirth-Schnatter (2006), Finite Mixture and
Markov Switching Models, section 3.5.3 (random permutation sampler).
"""

import numpy as np

from bayesmix.em import kernel
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Chain, Sampler
from bayesmix.mcmc.gibbs_steps import sorted_away, sweep
from bayesmix.mcmc.gibbs_whole import Whole
from bayesmix.mcmc.proposal import marginal

PARALLEL = 20_000  # rows x components above which chains that NumPy draws run in worker processes
LOOK = 50  # sweeps between two looks at whether to stop


def gibbs_sampler(job):
    """Draws the chains of a `Job` (its `model` is the resolved Mixture), each of its own seed."""
    problem = Problem.of(job.model, job.data)
    refuse(problem, problem.inward(job.starts[0]))

    whole, how = Whole.of(problem), {}
    proposal, how["marginal_steps"] = marginal(whole, job.optimum, generator(job), job.marginal_steps)

    def one(number, stop, tick):
        return chain(problem, job.starts[number], job.seeds[number], job, stop, tick, proposal)

    if whole is not None:
        return Sampler(one, how, workers=job.workers)
    large = job.workers > 1 and job.size > PARALLEL
    numpy_only = not kernel.COMPILED or problem.weight is not None or problem.parts is not None
    return Sampler(one, how, workers=job.workers if large else 1, processes=large and numpy_only)


def refuse(problem, theta=None):
    """Raise InputError where a Gibbs step is not available; theta: any, in centred coordinates."""
    model = problem.mixture
    rng = np.random.default_rng(0)
    use = 'use sampler="nutpie".'
    if problem.weight is not None and (problem.weight != np.round(problem.weight)).any():
        raise InputError(f'fit_mcmc(sampler="gibbs"): the row weights must be whole numbers; {use}')
    if problem.weight is not None and problem.parts is not None:
        raise InputError(
            f'fit_mcmc(sampler="gibbs"): rows with weights and missing cells cannot be drawn together; {use}'
        )
    improper = [n for n, p in model.parameters.items() if type(p.prior).__name__ == "Flat" and n != "weight"]
    if improper:
        raise InputError(
            f'fit_mcmc(sampler="gibbs"): `{improper[0]}` has a Flat prior, from which an empty component cannot be '
            f"drawn; give it a proper prior or {use}"
        )
    if not model.is_constant("weight") and model.weight.conjugate("dirichlet", (model.components,)) is None:
        raise InputError(f'fit_mcmc(sampler="gibbs"): the weights need a Dirichlet prior; {use}')
    step = None
    if problem.exponential:
        theta = problem.central if theta is None else theta
        stats, _ = problem.statistics(np.full((len(problem.x), model.components), 1 / model.components), theta=theta)
        step = model.family.conditional(stats, rng, **model.own(theta))
    if step is None:
        raise InputError(
            f'fit_mcmc(sampler="gibbs"): {type(model.family).__name__} with these priors has no conjugate step; '
            f"choose conjugate priors (such as ConjugateNormal with InverseGamma or InverseWishart) or {use}"
        )
    for c in model.constraints:
        apart = c.field == "weight" or model.parameters[c.field].moves or len(model.family.parameters) == 1
        if not sorted_away(problem, c) and not apart:
            raise InputError(
                f'fit_mcmc(sampler="gibbs"): {c} on {c.field!r} cannot be imposed on a conjugate step; {use}'
            )


def generator(job):
    """The random numbers of what is done once for all chains."""
    return np.random.default_rng([int(seed) for seed in job.seeds] + [1])


def chain(problem, theta, seed, job, stop=None, tick=None, proposal=None):
    """The Chain from a theta, in the coordinates of the data; stop and tick as in `mcmc.chains`.

    proposal: of the marginal step, where every sweep takes one (`mcmc.proposal`).
    """
    rng = np.random.default_rng(int(seed))
    theta, count, whole, stats = problem.inward(theta), job.tune + job.draws, Whole.of(problem), {}
    if whole is not None:
        draws, accepted = whole.chain(theta, rng, count, stop, tick, proposal)
        draws = {name: value[job.tune :] for name, value in draws.items()}
        stats = {"marginal_accepted": accepted[job.tune :]} if proposal is not None else {}
    else:
        kept = []
        for step in range(count):
            theta = sweep(problem, theta, rng)
            if step >= job.tune:
                kept.append(theta)
            if step % LOOK == 0:
                if tick is not None:
                    tick(step / count)
                if stop is not None and stop.is_set():
                    break
        draws = {name: np.stack([t[name] for t in kept]) for name in theta} if kept else {}
    if not len(draws.get("weight", ())):
        return Chain({})
    if job.permutation_moves:
        draws = permuted(problem, draws, rng)
    draws = problem.outward(sort(problem, draws))
    return Chain({name: value for name, value in draws.items() if not problem.mixture.is_constant(name)}, stats)


def sort(problem, draws):
    """The draws with their components in the order that the constraints ask for."""
    for c in problem.mixture.constraints:
        if sorted_away(problem, c):
            at = problem.mixture.parameters[c.field].covers(problem.mixture.components)
            perm = np.tile(np.arange(problem.mixture.components), (len(draws["weight"]), 1))
            coordinate = np.array([c.coordinate({c.field: value}) for value in draws[c.field]])
            perm[:, at] = at[np.argsort(coordinate, axis=1, kind="stable")]
            draws = permute(problem.mixture, draws, perm)
    return draws


def permuted(problem, draws, rng):
    """The draws under random relabellings of the components that may be exchanged: the random permutation sampler.

    A sweep does not know the labels, so relabelling at random after every sweep, and relabelling the draws of a
    chain at random, are the same chain in law.
    """
    perm = np.tile(np.arange(problem.mixture.components), (len(draws["weight"]), 1))
    for block in problem.free_blocks:
        perm[:, block] = rng.permuted(perm[:, block], axis=1)
    return permute(problem.mixture, draws, perm)


def permute(model, draws, perm):
    """`Mixture.permute` of draw s by perm[s], for all draws (draws, K, ...) at once."""
    out = {}
    for name, value in draws.items():
        at = model.parameters[name].covers(model.components)
        local = perm[:, at] - at[0]
        index = local.reshape(local.shape + (1,) * (value.ndim - 2))
        out[name] = value if value.shape[1] == 1 else np.take_along_axis(value, index, axis=1)
    return out
