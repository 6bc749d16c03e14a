"""Conjugate blocked Gibbs: allocations given theta, then theta given the statistics z^T Phi.

    z_i | theta ~ Categorical(r_i),    weight | z ~ Dirichlet(n_k + a_k),    theta | z ~ Family.conditional

on the same features and statistics as EM; nothing is compiled. A second, independent engine for
every specification whose priors are conditionally conjugate.

References: Diebolt & Robert (1994), JRSS B 56:363-375; Frühwirth-Schnatter (2006), Finite Mixture and
Markov Switching Models, section 3.5.3 (random permutation sampler).
"""

import numpy as np

from bayesmix.em.kernel import LOG_TINY, Problem
from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Chain, Sampler
from bayesmix.spec.truncated import draw_beta

TRIES = 10_000  # redraws of one step until its constraints hold
DIRICHLET_TRIES = 20  # redraws of the weights before they are moved pair by pair instead


def gibbs_sampler(job):
    """Draws the chains of a `Job` (its `model` is the resolved Mixture), each of its own seed."""
    problem = Problem.of(job.model, job.data)
    refuse(problem)

    def one(number, stop, tick):
        return Chain(chain(problem, job.starts[number], job.seeds[number], job, stop, tick))

    large = job.workers > 1 and job.size > PARALLEL
    return Sampler(one, {}, workers=job.workers if large else 1, processes=large)


PARALLEL = 20_000  # rows x components above which chains run in worker processes


def refuse(problem):
    """Raise InputError where a Gibbs step is not available for this model and data."""
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
        theta = problem.central
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


def chain(problem, theta, seed, job, stop=None, tick=None):
    """field -> (draws, ...) of one chain, in the coordinates of the data; stop and tick as in `mcmc.chains`."""
    rng = np.random.default_rng(int(seed))
    theta, kept = problem.inward(theta), []
    for step in range(-job.tune, job.draws):
        theta = sweep(problem, theta, rng)
        if job.permutation_moves:
            theta = permuted(problem, theta, rng)
        if step >= 0:
            kept.append(problem.outward(sort(problem, theta)))
        if tick is not None and step % 50 == 0:
            tick((step + job.tune) / (job.draws + job.tune))
            if stop.is_set():
                break
    free = [n for n in theta if not problem.mixture.is_constant(n)]
    return {n: np.stack([t[n] for t in kept]) for n in free} if kept else {}


def sweep(problem, theta, rng):
    """One sweep: allocations, weights, component parameters."""
    model = problem.mixture
    stats, counts = allocate(problem, theta, rng)
    on_weight = [c for c in model.constraints if c.field == "weight" and not sorted_away(problem, c)]
    on_family = [c for c in model.constraints if c.field != "weight" and not sorted_away(problem, c)]
    weight = theta["weight"]
    if not model.is_constant("weight"):
        weight = draw_weight(model, counts, weight, on_weight, rng)
    for _ in range(TRIES):
        own = model.family.conditional(stats, rng, **model.own(theta))
        if keeps(on_family, own, rng):
            return {"weight": weight, **own}
    raise InputError(
        f'fit_mcmc(sampler="gibbs"): {TRIES} draws of one step broke {on_family[0]}; use sampler="nutpie".'
    )


def allocate(problem, theta, rng):
    """Statistics z^T Phi (K, F) and counts (K,) of allocations z drawn from their conditional.

    A row of weight m draws a multinomial count of m.
    """
    if problem.parts is not None:
        return complete(problem, theta, rng)
    label = np.arange(problem.mixture.components)[:, None]
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    stats, counts = 0.0, 0.0
    for rows in problem.blocks():
        r = problem.log_joint(theta, rows, W)
        r -= r.max(axis=0)
        np.exp(np.maximum(r, LOG_TINY, out=r), out=r)
        if problem.weight is None:
            up = np.cumsum(r, axis=0)
            z = (up[:-1] <= up[-1] * rng.random(r.shape[1])).sum(axis=0)
            one = (z == label).astype(np.float64)
        else:
            p = (r / r.sum(axis=0)).T
            one = rng.multinomial(problem.weight[rows].astype(int), p).T.astype(np.float64)
        counts = counts + one.sum(axis=1)
        stats = stats + one @ problem.features[:, rows].T
    return stats, counts


def complete(problem, theta, rng):
    """`allocate` where cells are missing: z given the observed cells, the missing ones given z, then the statistics."""
    family = problem.mixture.family
    r, _ = problem.responsibilities(theta)
    up = np.cumsum(r, axis=1)
    z = (up[:, :-1] <= up[:, -1:] * rng.random((len(r), 1))).sum(axis=1)
    one = (z == np.arange(problem.mixture.components)[:, None]).astype(np.float64)
    x = family.draw_missing(problem.x, z, rng, problem.mixture.own(theta))
    return one @ family.sufficient(x), one.sum(axis=1)


def draw_weight(model, counts, weight, constraints, rng):
    """weight | z, a Dirichlet inside its constraints.

    Where redrawing would take too long, pairs of weights are redrawn given their sum (a truncated
    Beta): that step leaves the truncated Dirichlet unchanged, and which of the two is taken does not
    depend on the old weights.
    """
    a = counts + model.weight.conjugate("dirichlet", weight.shape)[0] + 1
    for _ in range(DIRICHLET_TRIES if all(c.hard and c.symmetric for c in constraints) else TRIES):
        g = rng.gamma(a)
        new = g / g.sum()
        if keeps(constraints, {"weight": new}, rng):
            return new
    if not all(c.hard and c.symmetric for c in constraints):
        raise InputError(
            f'fit_mcmc(sampler="gibbs"): {TRIES} draws of the weights broke {constraints[0]}; use sampler="nutpie".'
        )
    floor = max(c.floor for c in constraints)
    new = weight.copy()
    order = rng.permutation(len(a))
    for j, k in zip(order, np.roll(order, 1), strict=True):
        total = new[j] + new[k]
        share = draw_beta(rng, a[j], a[k], (floor / total, 1 - floor / total))
        new[j], new[k] = share * total, (1 - share) * total
    return new


def keeps(constraints, part, rng):
    """Whether a proposed part of theta survives its constraints: with probability exp(their log density)."""
    log_keep = sum(c.logp(part) for c in constraints)
    return log_keep == 0 or np.log(rng.random()) < log_keep


def sorted_away(problem, c):
    """Whether sorting exchangeable components imposes this constraint exactly."""
    if c.symmetric or not c.hard:
        return False
    at = set(problem.mixture.parameters[c.field].covers(problem.mixture.components).tolist())
    return any(at <= set(block) for block in problem.blocks_of_components)


def sort(problem, theta):
    """theta with the components in the order that the constraints ask for."""
    for c in problem.mixture.constraints:
        if sorted_away(problem, c):
            perm = problem.mixture.sorting(c, theta, problem.blocks_of_components)
            theta = problem.mixture.permute(theta, perm)
    return theta


def permuted(problem, theta, rng):
    """theta under a random relabelling of the exchangeable blocks: the random permutation sampler."""
    perm = np.arange(problem.mixture.components)
    for block in problem.blocks_of_components:
        perm[list(block)] = rng.permutation(list(block))
    return problem.mixture.permute(theta, perm)
