"""One Gibbs sweep, step by step, for every family with a conjugate step.

    z_i | theta ~ Categorical(r_i),    weight | z ~ Dirichlet(n_k + a_k),    theta | z ~ Family.conditional

The readable form, in NumPy; `gibbs_rows` and `gibbs_gaussian` draw the same numbers compiled.

References: Diebolt & Robert (1994), JRSS B 56:363-375; Gelfand, Smith & Lee (1992), JASA 87:523-532, for
draws inside constraints.
"""

from dataclasses import replace

import numpy as np

from bayesmix.em import kernel
from bayesmix.em.plain import LOG_TINY
from bayesmix.errors import InputError
from bayesmix.spec.families.composite import Composite
from bayesmix.spec.priors import Fixed
from bayesmix.spec.truncated import draw_beta

TRIES = 10_000  # redraws of the weights until their constraints hold
WHOLE_TRIES = 200  # redraws of all components until their constraints hold, before they are drawn one at a time
SINGLE_TRIES = 500  # redraws of one component, before it stays where it is
DIRICHLET_TRIES = 20  # redraws of the weights before they are moved pair by pair instead


def sweep(problem, theta, rng):
    """theta after one sweep: allocations, weights, component parameters."""
    stats, counts = allocate(problem, theta, rng)
    weight = theta["weight"]
    if not problem.mixture.is_constant("weight"):
        weight = draw_weight(problem.mixture, counts, weight, constraints_on(problem, True), rng)
    return rename(problem, {"weight": weight, **draw_family(problem, stats, theta, rng)}, rng)


def rename(problem, theta, rng):
    """Two components of an exchangeable block change places, as Metropolis proposes, where an order is soft.

    Nothing else in the posterior knows their names, so the ratio is that of the orders' densities. Without this step a
    chain that once came under other names would stay there for hundreds of sweeps.
    """
    orders = [c for c in problem.mixture.constraints if not c.symmetric and not sorted_away(problem, c)]
    blocks = [block for block in problem.blocks_of_components if len(block) > 1]
    if not blocks or all(c.hard for c in orders):
        return theta
    two, perm = rng.choice(blocks[rng.integers(len(blocks))], 2, replace=False), np.arange(problem.mixture.components)
    perm[two] = two[::-1]
    new = problem.mixture.permute(theta, perm)
    gain = sum(c.logp(new) - c.logp(theta) for c in orders)
    return new if np.log(rng.random()) < gain else theta


def allocate(problem, theta, rng):
    """Statistics z^T Phi (K, F) and counts (K,) of allocations z drawn from their conditional.

    A row of weight m draws a multinomial count of m.
    """
    if problem.parts is not None:
        return complete(problem, theta, rng)
    label = np.arange(problem.mixture.components)[:, None]
    W = problem.mixture.family.natural(np, **problem.mixture.own(theta))
    worth = kernel.COMPILED and problem.weight is None and len(problem.x) * W.size >= kernel.WORTH
    if worth and not problem.rough(W).any():
        from bayesmix.mcmc import gibbs_rows

        return gibbs_rows.allocate(problem, W, problem.log_weight(theta), rng)
    stats, counts = 0.0, 0.0
    for rows in problem.blocks():
        r = problem.log_joint(theta, rows, W)
        r -= r.max(axis=0)
        np.exp(np.maximum(r, LOG_TINY, out=r), out=r)
        if problem.weight is None:
            one = (draw_z(r, rng) == label).astype(np.float64)
        else:
            p = (r / r.sum(axis=0)).T
            one = rng.multinomial(problem.weight[rows].astype(int), p).T.astype(np.float64)
        counts = counts + one.sum(axis=1)
        stats = stats + one @ problem.feature_rows(rows).T
    return stats, counts


def draw_z(p, rng):
    """One allocation for each column of p (K, n), unnormalised probabilities, by the inverse CDF.

    The threshold lies in (0, total], so that a component of probability 0 is never drawn.
    """
    up = np.cumsum(p, axis=0)
    return (up[:-1] < up[-1] * (1.0 - rng.random(p.shape[1]))).sum(axis=0)


def complete(problem, theta, rng):
    """`allocate` where cells are missing: z given the observed cells, the missing ones given z, then the statistics."""
    family = problem.mixture.family
    r, _ = problem.responsibilities(theta)
    z = draw_z(r.T, rng)
    one = (z == np.arange(problem.mixture.components)[:, None]).astype(np.float64)
    x = family.draw_missing(problem.x, z, rng, problem.mixture.own(theta))
    return one @ family.sufficient(x), one.sum(axis=1)


def draw_weight(model, counts, weight, constraints, rng):
    """weight | z, a Dirichlet inside its constraints.

    Where redrawing would take too long, `exchange` moves the old weights instead: which of the two is taken
    does not depend on the old weights.
    """
    a = counts + model.weight.conjugate("dirichlet", weight.shape)[0] + 1
    walls = all(c.hard and c.symmetric for c in constraints)
    for _ in range(DIRICHLET_TRIES if walls else TRIES):
        g = rng.gamma(a)
        new = g / g.sum()
        if keeps(constraints, {"weight": new}, rng):
            return new
    if walls:
        return exchange(a, weight, max(c.floor for c in constraints), rng)
    raise InputError(
        f'fit_mcmc(sampler="gibbs"): {TRIES} draws of the weights broke {constraints[0]}; use sampler="nutpie".'
    )


def exchange(a, weight, floor, rng):
    """Dirichlet(a) above a floor, one step: pairs of weights are redrawn given their sum, a truncated Beta."""
    new = weight.copy()
    order = rng.permutation(len(a))
    for j, k in zip(order, np.roll(order, 1), strict=True):
        total = new[j] + new[k]
        share = draw_beta(rng, a[j], a[k], (floor / total, 1 - floor / total))
        new[j], new[k] = share * total, (1 - share) * total
    return new


def draw_family(problem, stats, theta, rng):
    """The family's fields given the statistics, inside their constraints.

    What a constraint forbids is redrawn, given the fields that were drawn before it: a draw of all fields
    together is redrawn together (`ConjugateNormal`), a mean that was drawn given its scale is redrawn given
    the same scale.
    """
    model, constraints = problem.mixture, constraints_on(problem, False)
    own = model.family.conditional(stats, rng, **model.own(theta))
    if not constraints or keeps(constraints, own, rng):
        return own
    again = knowing(model.family, {c.field for c in constraints})
    for _ in range(WHOLE_TRIES):
        own = again.conditional(stats, rng, **own)
        if keeps(constraints, own, rng):
            return own
    return one_by_one(again, stats, own, model.own(theta), constraints, rng)


def one_by_one(family, stats, own, old, constraints, rng):
    """What `family` draws, component by component from `old`, whose constraints hold: for walls that a draw of all
    components at once hardly ever clears.

    A component that breaks them in SINGLE_TRIES draws stays where it is. That is a step of Metropolis and Hastings: the
    draws do not look at the old value, so going from a to b in at most so many of them is as likely, against their
    law inside the walls, as going back. And whether this step is taken does not depend on the old values either.
    """
    drawn = [name for name, p in family.parameters.items() if p.free]
    if any(len(own[name]) != len(stats) for name in drawn):
        raise InputError(
            f'fit_mcmc(sampler="gibbs"): {WHOLE_TRIES} draws of one step broke {constraints[0]}, and fields that '
            f'components share cannot be drawn one component at a time; use sampler="nutpie".'
        )
    now = own | {name: old[name] for name in drawn}
    for k in rng.permutation(len(stats)):
        for _ in range(SINGLE_TRIES):
            new = family.conditional(stats, rng, **now)
            new = now | {name: np.where(one_row(k, now[name]), new[name], now[name]) for name in drawn}
            if keeps(constraints, new, rng):
                now = new
                break
    return now


def one_row(k, value):
    """Whether an entry of value (K, ...) belongs to component k."""
    return (np.arange(len(value)) == k).reshape(-1, *(1,) * (value.ndim - 1))


def knowing(family, fields):
    """The family whose `conditional` redraws these fields alone, and what is drawn together with them."""
    if isinstance(family, Composite):
        own = [{name for name, full in part.names.items() if full in fields} for part in family.parts]
        return family.rebuilt([knowing(p.family, names) for p, names in zip(family.parts, own, strict=True)])
    if any(family.parameters[name].prior.reads_scale for name in fields):
        return family
    return replace(family, **{name: Fixed(1.0) for name in family.parameters if name not in fields})


def constraints_on(problem, weight):
    """The constraints on the weights, or those on the family's fields, that sorting does not impose."""
    found = [c for c in problem.mixture.constraints if not sorted_away(problem, c)]
    return [c for c in found if (c.field == "weight") == weight]


def keeps(constraints, part, rng):
    """Whether a proposed part of theta survives its constraints: with probability exp(their log density)."""
    log_keep = sum(c.logp(part) for c in constraints)
    return log_keep == 0 or (log_keep > -np.inf and np.log(rng.random()) < log_keep)


def sorted_away(problem, c):
    """Whether sorting exchangeable components imposes this constraint exactly: a hard order, and their only one."""
    if c.symmetric or not c.hard:
        return False

    def ordered(constraint):
        return set(problem.mixture.parameters[constraint.field].covers(problem.mixture.components).tolist())

    at = ordered(c)
    if any(o is not c and not o.symmetric and at & ordered(o) for o in problem.mixture.constraints):
        return False  # sorting by one would undo the other
    return any(at <= set(block) for block in problem.blocks_of_components)
