"""Numeric ascents for the M-steps and modes that have no closed form."""

import numpy as np

LONGEST = 3.0  # step of `newton_root`
NEAR = 1e-8  # its last step: Newton doubles the digits, so what this one leaves is rounding


def gradient(f, u, step=6e-6, low=-np.inf, high=np.inf):
    """Central differences of f at u: error O(step^2), step scaled to each coordinate; one-sided at a bound."""
    g = np.empty(len(u))
    low, high = np.broadcast_to(low, u.shape), np.broadcast_to(high, u.shape)
    for j in range(len(u)):
        h = step * max(1.0, abs(u[j]))
        up, down = u.copy(), u.copy()
        up[j] = min(u[j] + h, high[j])
        down[j] = max(u[j] - h, low[j])
        g[j] = (f(up) - f(down)) / (up[j] - down[j])
    return g


def forward_gradient(f, u, step=1e-5):
    """One-sided differences of f at u: half the cost, error O(step); enough to be differenced once more."""
    here, g = f(u), np.empty(len(u))
    for j in range(len(u)):
        up = u.copy()
        up[j] += step * max(1.0, abs(u[j]))
        g[j] = (f(up) - here) / (up[j] - u[j])
    return g


def climb(f, u, max_iter=200, low=-np.inf, high=np.inf):
    """The highest point found by BFGS from u between the bounds low and high, or None if f did not rise."""
    from scipy.optimize import Bounds, minimize

    low, high = np.broadcast_to(low, u.shape), np.broadcast_to(high, u.shape)
    u = np.clip(u, low, high)

    def downhill(v):
        with np.errstate(all="ignore"):
            try:
                value = f(v)
            except np.linalg.LinAlgError:
                return 1e300
        return -value if np.isfinite(value) else 1e300

    at_start = downhill(u)
    if len(u) == 0 or at_start >= 1e300:
        return None
    found = minimize(
        downhill, u, jac=lambda v: gradient(downhill, v, low=low, high=high), method="L-BFGS-B",
        bounds=Bounds(low, high), options={"maxiter": max_iter},
    )  # fmt: skip
    return found.x if found.fun < at_start else None


def root(slope, u, low=-80.0, high=80.0):
    """Where slope(u) falls through zero, for each entry of u; the end of [low, high] where it does not.

    `slope` maps an array to an array of the same shape, entry by entry. The root is bracketed uphill from
    u by steps that grow fourfold, then narrowed to 1e-14.

    References: Chandrupatla (1997), Advances in Engineering Software 28:145-149.
    """
    a = np.clip(np.array(u, dtype=np.float64), low, high)
    fa = slope(a)
    up, step = np.sign(fa), 0.01
    b, fb = a, fa
    while True:
        outward = (np.sign(fb) == up) & (up != 0) & np.where(up > 0, b < high, b > low)
        if not outward.any():
            break
        new = np.where(outward, np.clip(b + up * step, low, high), b)
        fnew = slope(new)
        a, fa = np.where(outward, b, a), np.where(outward, fb, fa)
        b, fb = new, np.where(outward, fnew, fb)
        step *= 4
    end = np.sign(fb) == up  # no sign change: the end of the interval, or a root hit at once
    with np.errstate(all="ignore"):
        t = np.clip(np.nan_to_num(fa / (fa - fb), nan=0.5), 0.02, 0.98)  # the secant
    answer, c, fc = b, a, fa
    for _ in range(100):
        x = a + t * (b - a)
        fx = slope(x)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best, fbest = np.where(np.abs(fa) < np.abs(fb), a, b), np.minimum(np.abs(fa), np.abs(fb))
        width = np.abs(b - a)
        limit = 1e-14 * (1 + np.abs(best)) / np.where(width > 0, width, 1.0)
        if (end | (fbest == 0) | (limit > 0.5) | (width == 0)).all():
            break
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        good = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(quadratic)
        t = np.clip(np.where(good, quadratic, 0.5), np.minimum(limit, 0.5), np.maximum(1 - limit, 0.5))
        t = np.where(end | (fbest == 0), 0.0, t)
    return np.where(end, answer, np.where(np.abs(fa) < np.abs(fb), a, b))


def newton_root(slopes, u, low=-80.0, high=80.0):
    """Where a slope falls through zero, as `root` finds it, for each entry of u, by Newton's method in a bracket.

    `slopes` maps an array to the slope and its derivative, entry by entry. A step is at most `LONGEST` long and goes
    uphill; one that leaves the bracket is replaced by its middle. From the last M-step's value two steps suffice.

    References: Press et al. (2007), Numerical Recipes, 3rd ed., section 9.4.
    """
    u = np.clip(np.array(u, dtype=np.float64), low, high)
    left, right = np.full(u.shape, low), np.full(u.shape, high)
    for i in range(100):
        with np.errstate(all="ignore"):
            slope, curve = slopes(u)
            step = -slope / curve
            if (curve < 0).all() and np.abs(step).max(initial=0.0) <= NEAR:
                return np.clip(u + step, low, high)
            left, right = np.where(slope > 0, u, left), np.where(slope < 0, u, right)
            held = (left > low) & (right < high)
            trusted = np.isfinite(slope) & (curve < 0) & (held | (i < 5))  # else, in a tail, it would creep
            step = np.clip(np.nan_to_num(np.where(trusted, step, np.sign(slope) * LONGEST)), -LONGEST, LONGEST)
        new = u + step
        new = np.where(held & (slope != 0) & ((new <= left) | (new >= right) | (i > 20)), 0.5 * (left + right), new)
        new = np.clip(new, low, high)
        still = (np.abs(new - u) <= NEAR).all()
        u = new
        if still:
            break
    return u


def log_slope(prior, value, theta):
    """d log p(value) / d log value of a prior on positives, entry by entry; exact where it has a kernel.

    Otherwise by differences of fourth order in log value, and -inf or inf beside the edge of its support.
    """
    for kernel, exact in (
        ("gamma", lambda a, b: a - b * value),
        ("inverse gamma", lambda a, b: b / value - a),
        ("scale", lambda a, b, c: 2 * b / value**2 - a - 2 * c * value**2),
    ):
        found = prior.conjugate(kernel, value.shape)
        if found is not None:
            return exact(*found)
    h = 1e-3
    with np.errstate(all="ignore"):
        at = {j: prior.logp(value * np.exp(j * h), theta) for j in (-2, -1, 1, 2)}
        out = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
    out = np.where(np.isneginf(at[-1]) | np.isneginf(at[-2]), np.inf, out)
    return np.where(np.isneginf(at[1]) | np.isneginf(at[2]), -np.inf, out)


def log_slopes(prior, shape):
    """A function of u = log value, of this shape: d log p / d u and the second derivative, as `log_slope`."""
    for kernel, exact in (
        ("gamma", lambda v, a, b: (a - b * v, -b * v)),
        ("inverse gamma", lambda v, a, b: (b / v - a, -b / v)),
        ("scale", lambda v, a, b, c: (2 * b / v**2 - a - 2 * c * v**2, -4 * b / v**2 - 4 * c * v**2)),
    ):
        found = prior.conjugate(kernel, shape)
        if found is not None:
            return lambda u, exact=exact, found=found: exact(np.exp(u), *found)
    found = prior.conjugate("log normal", shape)
    if found is not None:
        return lambda u, found=found: (found[1] * (found[0] - u) - 1, np.broadcast_to(-found[1], shape))

    def differenced(u, h=1e-3):
        slope, ahead, behind = (log_slope(prior, np.exp(v), {}) for v in (u, u + h, u - h))
        return slope, (ahead - behind) / (2 * h)

    return differenced
