"""Where a climb begins. A start is data: it can be recorded and replayed."""

import numpy as np

from bayesmix.em.engine import change, m_step
from bayesmix.em.kernel import Pass
from bayesmix.errors import InputError

NAMES = ("kmeans++", "random", "rows", "prior", "jitter", "clumps")


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
    elif start == "clumps":
        r = clumps(problem, rng)
    else:
        r = partition(problem, rng, spread=start == "kmeans++")
    if problem.log_label is not None:
        r = r * np.exp(problem.log_label) + 1e-12 * np.exp(problem.log_label)
    return from_responsibilities(problem, r / r.sum(axis=1, keepdims=True))


def partition(problem, rng, spread):
    """Rows assigned to the nearest of K rows, chosen far apart (D^2 sampling) or uniformly.

    Components tied to labels start at the mean of their labelled rows instead.

    References: Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    x, K = problem.x, problem.mixture.components
    sd = x.std(axis=0)
    y = x / np.where(sd > 0, sd, 1.0)
    centres = np.full((K, y.shape[1]), np.nan)
    if problem.log_label is not None:
        own = np.isfinite(problem.log_label)
        for k in range(K):
            tied = own[:, k] & (own.sum(axis=1) == 1)
            if tied.any():
                centres[k] = y[tied].mean(axis=0)
    for k in rng.permutation(np.flatnonzero(np.isnan(centres[:, 0]))):
        known = centres[~np.isnan(centres[:, 0])]
        p = None
        if spread and len(known):
            far = ((y[:, None, :] - known) ** 2).sum(axis=2).min(axis=1)
            p = far / far.sum() if far.sum() > 0 else None
        centres[k] = y[rng.choice(len(y), p=p)]
    nearest = ((y[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)
    return np.eye(K)[nearest]


def clumps(problem, rng):
    """All rows in one component, then from each other one a clump of the rows nearest to a random row.

    Clump sizes are log-uniform between d + 1 and n / 2 rows: tight components inside wide ones, which a
    partition into neighbourhoods never proposes.
    """
    x, K = problem.x, problem.mixture.components
    sd = x.std(axis=0)
    y = x / np.where(sd > 0, sd, 1.0)
    n, d = y.shape
    home, *others = rng.permutation(K)
    z = np.full(n, home)
    for k in others:
        size = int(np.exp(rng.uniform(np.log(min(d + 1, n)), np.log(max(n / 2, d + 1)))))
        far = ((y - y[rng.integers(n)]) ** 2).sum(axis=1)
        z[np.argsort(far, kind="stable")[:size]] = k
    return np.eye(K)[z]


def from_responsibilities(problem, r):
    """theta after M-steps on fixed responsibilities: one where that is exact, up to 20 where it is conditional."""
    stats, counts = problem.statistics(r)
    theta = problem.central
    with np.errstate(all="ignore"):
        for _ in range(20):
            new = m_step(problem, Pass(0.0, 0.0, counts, stats), theta)
            if new is None:
                break
            moved, theta = change(theta, new), new
            if moved < 1e-10:
                break
    return problem.outward(theta)
