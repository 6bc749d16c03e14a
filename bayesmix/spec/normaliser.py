"""The prior mass that a mixture's constraints leave: what evidence has to be divided by.

The log posterior of a mixture is not renormalised for its constraints (DESIGN section 5). Its integral over theta is
p(data, constraints hold), so

    log p(data | constraints) = log of that integral - log p(constraints hold),

and `log_normaliser` is the second term. Constraints on the weights and on the family's fields are independent under
the prior, so the mass is a product of the two.
"""

from dataclasses import replace
from math import factorial

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.constraints import MinWeight, Order
from bayesmix.spec.priors import Dirichlet, FromData
from bayesmix.spec.special import betaln, logsumexp

DRAWS = 50_000  # prior draws where there is no closed form
REACH, FINE = 9.0, 100  # quadrature: standard deviations to either side, points per standard deviation
GRID, NODES = 400, 100  # points of log t, and of the integral at each
FEATURES = 64  # features up to which `features` looks
UNSETTLED = (
    "Mixture.log_normaliser: the specification leaves names or priors to the data; take that of "
    "mixture.resolve(data) or of a fit."
)


def log_normaliser(mixture, d, seed=0, draws=DRAWS):
    """(log prior probability that the constraints hold, its Monte Carlo standard error; 0 where it is exact).

    Exact: no constraint (0); one `Order` of exchangeable components (-log of the factorial of their number) or of
    independent Normal ones (by quadrature); a hard `MinWeight` under a Dirichlet (by quadrature); both together where
    the order is not on the weights or the concentrations are equal. Otherwise the mean of the constraints' factor
    over prior draws.

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
        if any(isinstance(j, str) for j in _columns(constraints)):
            raise InputError(UNSETTLED)
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


def features(mixture):
    """The smallest number of features that a specification allows: what its constraints and its priors name.

    A column that is named may be any. Raises InputError if it still has priors that only data settle.
    """
    known = [j + 1 for j in _columns(mixture.constraints) if not isinstance(j, str)]
    left_out = any(isinstance(p.prior, FromData) for p in mixture.parameters.values())
    if not left_out:
        for d in range(max([1, mixture.family.least_columns, *known]), FEATURES + 1):
            try:
                mixture.draw_unconstrained(np.random.default_rng(0), d)
            except (ValueError, IndexError):  # arrays of another width
                continue
            return d
    raise InputError(UNSETTLED)


def _columns(constraints):
    """The columns, as numbers or names, by which orders on the family's fields go."""
    by = [c.by for c in constraints if isinstance(c, Order) and c.field != "weight" and c.by is not None]
    return [b[0] if isinstance(b, tuple) else b for b in by]


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
        mass = _order_mass(mixture, orders[0], d)
        if mass is None or (floors and orders[0].field == "weight" and not _alike(mixture, orders[0], d)):
            return None
        total += mass
    if floors:
        mass = _floor_mass(mixture, max(c.floor for c in floors))
        if mass is None:
            return None
        total += mass
    return float(total)


def _alike(mixture, order, d):
    """Whether the ordered components are exchangeable."""
    at = set(mixture.parameters[order.field].covers(mixture.components).tolist())
    return any(at <= set(block) for block in mixture.prior_blocks(d))


def _order_mass(mixture, order, d):
    """log P(the coordinate increases from component to component), or None without an exact way."""
    p = mixture.parameters[order.field]
    if _alike(mixture, order, d):
        return -np.log(factorial(len(p.covers(mixture.components))))
    normal = p.prior.conjugate("normal", mixture.field_shape(order.field, d))
    if normal is None or isinstance(order.by, str):
        return None
    order = replace(order, by=0 if order.by is None else order.by)  # a single feature needs no name
    precision, weighted = (order.coordinate({order.field: value}) for value in normal)
    return float(np.log(increasing(weighted / precision, 1 / np.sqrt(precision))))


def increasing(mean, sd):
    """P(X_1 < ... < X_K) of independent X_k ~ N(mean_k, sd_k^2), by quadrature.

    G_k(t) = P(X_1 < ... < X_k < t) = integral up to t of the density of X_k times G_{k-1}, each a cubic spline.
    """
    from scipy.interpolate import CubicSpline

    low, high = (mean - REACH * sd).min(), (mean + REACH * sd).max()
    t = np.linspace(low, high, int(np.clip((high - low) / sd.min() * FINE, 1001, 500_001)))
    below = np.ones_like(t)
    for m, s in zip(mean, sd, strict=True):
        density = np.exp(-0.5 * ((t - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))
        below = CubicSpline(t, density * below).antiderivative()(t)
    return below[-1]


def _floor_mass(mixture, floor):
    """log P(every weight >= floor), or None without a closed form."""
    if not isinstance(mixture.weight, Dirichlet):
        return None
    K = mixture.components
    a = np.broadcast_to(mixture.weight.conjugate("dirichlet", (K,))[0] + 1, (K,))
    if (a == 1).all():
        return (K - 1) * np.log1p(-K * floor)
    return float(np.log(all_above(a, floor)))


def all_above(a, floor):
    """P(min_k w_k >= floor) for w ~ Dirichlet(a), 0 < floor < 1/K, by quadrature.

    With P_1 = 1, the first j weights given their sum are Dirichlet(a_1..a_j), their last one Beta, and the others given
    that one are Dirichlet again, so

        P_j(t) = integral from t to 1 - (j - 1) t of Beta(w; a_j, a_1 + ... + a_(j-1)) P_(j-1)(t / (1 - w)) dw,

    by Gauss and Legendre's rule in log w / (1 - w), and between a grid of log t by cubic splines.
    """
    from scipy.interpolate import CubicSpline

    node, share = np.polynomial.legendre.leggauss(NODES)
    value, before = np.ones(1), None  # P_j where it was asked for last, and P_(j-1) as a function of log t
    for j in range(2, len(a) + 1):
        t = np.geomspace(floor, (1 - 1e-12) / j, GRID) if j < len(a) else np.array([floor])
        low, high = np.log(t / (1 - t)), np.log((1 - (j - 1) * t) / ((j - 1) * t))
        y = low[:, None] + (high - low)[:, None] * (node + 1) / 2
        log_w, log_rest = -np.logaddexp(0, -y), -np.logaddexp(0, y)
        last, rest = a[j - 1], a[: j - 1].sum()
        value = np.exp(last * log_w + rest * log_rest - betaln(last, rest))  # dw = w (1 - w) dy
        if before is not None:
            value = value * before(np.log(t)[:, None] - log_rest)
        value = (high - low) / 2 * (value @ share)
        before = CubicSpline(np.log(t), value) if j < len(a) else None
    return float(value[0])


__all__ = ["all_above", "features", "increasing", "log_normaliser"]
