"""Where a climb begins. A start is data: it can be recorded and replayed."""

import numpy as np

from bayesmix.em.engine import change, m_step
from bayesmix.em.kernel import Pass
from bayesmix.errors import InputError

NAMES = ("kmeans++", "random", "rows", "prior", "jitter")


def resolve(start, model, data):
    """What `fit_em(start=...)` was given, checked: a name, labels (n,), responsibilities (n, K) or a theta."""
    K = model.components
    theta = getattr(start, "best", start)  # a Fit starts where it ended
    if isinstance(theta, str):
        if theta not in NAMES:
            raise InputError(f"fit_em(start={theta!r}): expected one of {NAMES}, an array, a theta or a Fit.")
        return theta
    if isinstance(theta, dict):
        wanted = {name: model.field_shape(name, data.d) for name in model.parameters}
        for name, shape in wanted.items():
            if name not in theta:
                raise InputError(f"fit_em(start=theta): the field {name!r} is missing; expected {list(wanted)}.")
            if np.shape(theta[name]) != shape:
                raise InputError(
                    f"fit_em(start=theta): expected {name!r} of shape {shape}, got {np.shape(theta[name])}."
                )
        theta = {name: np.array(theta[name], dtype=np.float64) for name in wanted}
        if not np.isfinite(sum(model.log_prior(theta).values())):
            raise InputError("fit_em(start=theta): the log prior there is -inf; start inside the constraints.")
        return theta
    array = np.asarray(theta)
    if array.shape == (data.n,) and np.issubdtype(array.dtype, np.integer):
        if array.min() < 0 or array.max() >= K:
            raise InputError(f"fit_em(start=labels): expected labels in 0..{K - 1}, got {array.min()}..{array.max()}.")
        return array.astype(np.int64)
    if array.shape == (data.n, K) and np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or (array < 0).any() or not (array.sum(axis=1) > 0).all():
            raise InputError("fit_em(start=r): expected responsibilities >= 0 with a positive sum in each row.")
        return array / array.sum(axis=1, keepdims=True)
    raise InputError(
        f"fit_em(start=...): expected one of {NAMES}, ({data.n},) whole-number labels, ({data.n}, {K}) "
        f"responsibilities, a theta or a Fit; got {type(start).__name__} of shape {array.shape}."
    )


def draw(start, problem, rng):
    """The theta (coordinates of the data) at which this start begins; `rng` is used by the named ones."""
    model, (n, d) = problem.mixture, problem.x.shape
    K = model.components
    if isinstance(start, dict):
        return start
    if isinstance(start, str) and start == "prior":
        return problem.outward(model.draw_prior(rng, d))
    if not isinstance(start, str):
        r = start
    elif start == "random":
        r = rng.dirichlet(np.ones(K), size=n)
    elif start == "jitter":
        r = np.full((n, K), 1 / K) * (1 + 0.01 * rng.random((n, K)))
    else:
        r = partition(problem, rng, spread=start == "kmeans++")
    if problem.log_label is None and r.ndim == 1:
        return from_responsibilities(problem, r)
    r = np.eye(K)[r] if r.ndim == 1 else r
    if problem.log_label is not None:
        r = r * np.exp(problem.log_label) + 1e-12 * np.exp(problem.log_label)
    return from_responsibilities(problem, r / r.sum(axis=1, keepdims=True))


def partition(problem, rng, spread):
    """The nearest of K rows for each row, (n,): rows chosen far apart (D^2 sampling) or uniformly.

    Components tied to labels start at the mean of their labelled rows instead. Distances are in units of the
    columns' standard deviations.

    References: Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    x, K = problem.x, problem.mixture.components
    unit = problem.column_sd
    centres = np.full((K, x.shape[1]), np.nan)
    if problem.log_label is not None:
        own = np.isfinite(problem.log_label)
        for k in range(K):
            tied = own[:, k] & (own.sum(axis=1) == 1)
            if tied.any():
                centres[k] = x[tied].mean(axis=0)
    far, nearest = np.full(len(x), np.inf), np.zeros(len(x), dtype=np.int64)

    def add(k):
        for rows in problem.blocks():
            away = (((x[rows] - centres[k]) / unit) ** 2).sum(axis=1)
            closer = away < far[rows]
            far[rows] = np.where(closer, away, far[rows])
            nearest[rows] = np.where(closer, k, nearest[rows])

    missing = np.isnan(centres[:, 0])
    for k in np.flatnonzero(~missing):
        add(k)
    for k in rng.permutation(np.flatnonzero(missing)):
        total = far.sum()
        known = spread and 0 < total < np.inf
        centres[k] = x[rng.choice(len(x), p=far / total if known else None)]
        add(k)
    return nearest


def from_responsibilities(problem, r):
    """theta after M-steps on fixed responsibilities, (n, K), or (n,) components.

    One M-step where that is exact, up to 20 where it is conditional. A second pass takes the moments about
    the means of the first, so that a narrow component starts with its own covariance, not with rounding.
    """
    stats, counts = problem.statistics(r)
    here = Pass(0.0, 0.0, counts, stats)
    theta = problem.central
    location = problem.mixture.family.location
    with np.errstate(all="ignore"):
        if problem.exponential and location is not None and location == problem.mixture.family.expectation:
            means = stats[:, 1 : 1 + problem.x.shape[1]] / np.where(counts > 0, counts, 1.0)[:, None]
            origin = problem.origins({location: means}, np.ones(len(means), dtype=bool))
            if origin is not None:
                here = Pass(0.0, 0.0, counts, problem.statistics(r, origin)[0], origin)
        for _ in range(20):
            new = m_step(problem, here, theta)
            if new is None:
                break
            moved, theta = change(theta, new), new
            if moved < 1e-10:
                break
    return problem.outward(theta)
