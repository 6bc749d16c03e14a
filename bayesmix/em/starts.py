"""Where a climb begins. A start is data: it can be recorded and replayed."""

import numpy as np

from bayesmix.em.engine import change, m_step
from bayesmix.em.kernel import Pass
from bayesmix.errors import InputError
from bayesmix.spec.missing import column_means, column_sd

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
        return np.eye(K)[array]
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
    if isinstance(start, dict):
        return start
    if isinstance(start, str) and start == "prior":
        return problem.outward(model.draw_prior(rng, d))
    if not isinstance(start, str):
        r = start
    elif start == "random":
        r = rng.dirichlet(np.ones(model.components), size=n)
    elif start == "jitter":
        r = np.full((n, model.components), 1 / model.components) * (1 + 0.01 * rng.random((n, model.components)))
    else:
        r = partition(problem, rng, spread=start == "kmeans++")
    if problem.log_label is not None:
        r = r * np.exp(problem.log_label) + 1e-12 * np.exp(problem.log_label)
    return from_responsibilities(problem, r / r.sum(axis=1, keepdims=True))


def partition(problem, rng, spread):
    """Rows assigned to the nearest of K rows, chosen far apart (D^2 sampling) or uniformly.

    Components tied to labels start at the mean of their labelled rows instead; a component that is excluded
    from some rows, by labels or by its family, starts at one of the others and is given none of them.
    Distances are over the observed cells, scaled up to all columns; a row without any belongs to every
    component alike.

    References: Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    x, K = problem.x, problem.mixture.components
    sd = column_sd(x)
    y = x / np.where(sd > 0, sd, 1.0)
    blank = np.isnan(y).all(axis=1)
    centres, own = np.full((K, y.shape[1]), np.nan), np.ones((len(y), K), dtype=bool)
    if problem.log_label is not None:
        own = np.isfinite(problem.log_label)
        for k in range(K):
            tied = own[:, k] & (own.sum(axis=1) == 1)
            if tied.any():
                centres[k] = column_means(y[tied])
    for k in rng.permutation(np.flatnonzero(np.isnan(centres[:, 0]))):
        known = centres[~np.isnan(centres[:, 0])]
        able = own[:, k] & ~blank
        p = None if able.all() or not able.any() else able / able.sum()
        if spread and len(known):
            far = distances(y, known).min(axis=1) * (able | (p is None))
            p = far / far.sum() if far.sum() > 0 else p
        centres[k] = np.nan_to_num(y[rng.choice(len(y), p=p)])  # a gap: the mean of its column, which is 0 here
    r = np.eye(K)[np.where(own, distances(y, centres), np.inf).argmin(axis=1)]
    r[blank] = 1 / K
    return r


def distances(y, centres):
    """Squared distances over the observed cells of each row, scaled up to all columns: (n, K)."""
    away = (y[:, None, :] - centres) ** 2
    seen = ~np.isnan(y)
    if seen.all():
        return away.sum(axis=2)
    return np.nan_to_num(away).sum(axis=2) * (y.shape[1] / np.maximum(seen.sum(axis=1), 1))[:, None]


def from_responsibilities(problem, r):
    """theta after M-steps on fixed responsibilities: one where that is exact, up to 20 where it is conditional."""
    theta = problem.central
    with np.errstate(all="ignore"):
        for i in range(20):
            if i == 0 or problem.parts is not None:  # where cells are missing the statistics depend on theta
                stats, counts = problem.statistics(r, theta)
            new = m_step(problem, Pass(0.0, 0.0, counts, stats), theta)
            if new is None:
                break
            moved, theta = change(theta, new), new
            if moved < 1e-10:
                break
    return problem.outward(theta)
