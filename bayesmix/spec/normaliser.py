"""The prior mass that a mixture's constraints leave: what evidence has to be divided by.

The log posterior of a mixture is not renormalised for its constraints (DESIGN section 5). Its integral over theta is
p(data, constraints hold), so

    log p(data | constraints) = log of that integral - log p(constraints hold),

and `log_normaliser` is the second term. Constraints on the weights and on the family's fields are independent under
the prior, so the mass is a product of the two.
"""

from math import factorial

import numpy as np

from bayesmix.spec.constraints import MinWeight, Order
from bayesmix.spec.priors import Dirichlet
from bayesmix.spec.special import betainc, logsumexp

DRAWS = 50_000  # prior draws where there is no closed form


def log_normaliser(mixture, d, seed=0, draws=DRAWS):
    """(log prior probability that the constraints hold, its Monte Carlo standard error; 0 where it is exact).

    Exact: no constraint (0); one `Order` of exchangeable components (-log of the factorial of their number); a hard
    `MinWeight` under a Dirichlet of two components or with concentration 1; both together where the order is not on the
    weights or the concentrations are equal. Otherwise the mean of the constraints' factor over prior draws.

    Args:
        mixture: a specification that has met its data (`Mixture.resolve`).
        d: number of features.
    """
    value, variance = 0.0, 0.0
    for on_weight in (True, False):
        constraints = [c for c in mixture.constraints if (c.field == "weight") == on_weight]
        if not constraints:
            continue
        exact = _exact(mixture, constraints, d)
        if exact is not None:
            value += exact
            continue
        rng = np.random.default_rng(seed)
        log_f = np.empty(draws)
        for i in range(draws):
            if on_weight:
                theta = {"weight": mixture.weight.draw(rng, (mixture.components,), {})}
            else:
                theta = mixture.family.draw_prior(rng, mixture.components, d)
            log_f[i] = sum(c.logp(theta) for c in constraints)
        mean = logsumexp(log_f) - np.log(draws)
        value += float(mean)
        variance += float(np.expm1(logsumexp(2 * log_f) - np.log(draws) - 2 * mean) / draws)
    return value, float(np.sqrt(max(variance, 0.0)))


def _exact(mixture, constraints, d):
    """The log mass in closed form, or None."""
    if any(not c.hard for c in constraints):
        return None
    orders = [c for c in constraints if isinstance(c, Order)]
    floors = [c for c in constraints if isinstance(c, MinWeight)]
    if len(orders) > 1 or len(orders) + len(floors) < len(constraints):
        return None
    total = 0.0
    if orders:
        at = set(mixture.parameters[orders[0].field].covers(mixture.components).tolist())
        if not any(at <= set(block) for block in mixture.prior_blocks(d)):
            return None
        total -= np.log(factorial(len(at)))
    if floors:
        mass = _floor_mass(mixture, max(c.floor for c in floors))
        if mass is None:
            return None
        total += mass
    return float(total)


def _floor_mass(mixture, floor):
    """log P(every weight >= floor), or None without a closed form."""
    if not isinstance(mixture.weight, Dirichlet):
        return None
    K = mixture.components
    a = mixture.weight.conjugate("dirichlet", (K,))[0] + 1
    a = np.broadcast_to(a, (K,))
    if (a == 1).all():
        return (K - 1) * np.log1p(-K * floor)
    if K == 2:
        return float(np.log(betainc(a[0], a[1], 1 - floor) - betainc(a[0], a[1], floor)))
    return None


__all__ = ["log_normaliser"]
