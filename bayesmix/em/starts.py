"""Where a climb begins. A start is data: it can be recorded and replayed."""

from dataclasses import replace

import numpy as np

from bayesmix.em.engine import change, m_step
from bayesmix.em.passes import Pass
from bayesmix.errors import InputError
from bayesmix.spec.missing import column_means

MIXED = ("kmeans++", "rows", "random", "clumps", "prior")  # the kinds that `start="mixed"` takes in turn
NAMES = ("kmeans++", "random", "rows", "prior", "jitter", "clumps", "mixed")


def resolve(start, model, data):
    """What `fit_em(start=...)` was given, checked: a name, labels (n,), responsibilities (n, K) or a theta."""
    K = model.components
    theta = getattr(start, "best", start)  # a Fit starts where it ended
    if isinstance(theta, str):
        if theta not in NAMES:
            raise InputError(f"fit_em(start={theta!r}): expected one of {NAMES}, an array, a theta or a Fit.")
        return theta
    if isinstance(theta, dict):
        theta = model.in_full(theta, data.d, "fit_em(start=theta)")
        if not np.isfinite(sum(model.log_prior(theta).values())):
            raise InputError("fit_em(start=theta): the log prior there is -inf; start inside the constraints.")
        return theta
    array = np.asarray(theta)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.shape == (data.n, K) and np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float64)  # one-hot
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
    elif start == "clumps":
        r = clumps(problem, rng)
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

    Components tied to labels start at the mean of their labelled rows instead; a component that is excluded
    from some rows, by labels or by its family, starts at one of the others and is given none of them. A
    component with nothing to estimate has no centre (noise is everywhere): it gets a tenth of each row.
    Distances are in units of the columns' standard deviations, over the observed cells, scaled up to all
    columns; a row without any belongs to every component alike. In these last two cases (n, K)
    responsibilities come back.

    References: Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    x, K = problem.x, problem.mixture.components
    unit, blank = problem.column_sd, np.isnan(x).all(axis=1)
    own = None if problem.log_label is None else np.isfinite(problem.log_label)
    centres = np.full((K, x.shape[1]), np.nan)
    if problem.log_label is not None:
        own = np.isfinite(problem.log_label)
        for k in range(K):
            tied = own[:, k] & (own.sum(axis=1) == 1)
            if tied.any():
                centres[k] = column_means(x[tied])
    far, nearest = np.full(len(x), np.inf), np.zeros(len(x), dtype=np.int64)

    def add(k):
        for rows in problem.blocks():
            away = distances((x[rows] - centres[k]) / unit)
            if own is not None:
                away = np.where(own[rows, k], away, np.inf)
            closer = away < far[rows]
            far[rows] = np.where(closer, away, far[rows])
            nearest[rows] = np.where(closer, k, nearest[rows])

    idle = np.isin(np.arange(K), problem.mixture.idle)
    open_ones = np.isnan(centres[:, 0])
    for k in np.flatnonzero(~open_ones & ~idle):
        add(k)
    for k in rng.permutation(np.flatnonzero(open_ones & ~idle)):
        able = ~blank if own is None else ~blank & own[:, k]
        able = able if able.any() else np.ones(len(x), dtype=bool)
        pull = np.where(able, far, 0.0) if spread else able.astype(float)
        if np.isinf(pull).any():  # rows that no component has yet
            pull = np.isinf(pull).astype(float)
        even = not pull.any() or (pull == pull[0]).all()
        centres[k] = x[rng.choice(len(x), p=None if even else pull / pull.sum())]
        centres[k] = np.where(np.isnan(centres[k]), column_means(x), centres[k])
        add(k)
    if not blank.any() and not idle.any():
        return nearest
    r = np.where(idle, 0.1, np.eye(K)[nearest])
    r[blank] = 1 / K
    return r


def distances(away):
    """Squared lengths of the rows of `away` (n, d) over their observed cells, scaled up to all columns: (n,)."""
    seen = ~np.isnan(away)
    if seen.all():
        return (away**2).sum(axis=1)
    return np.nansum(away**2, axis=1) * away.shape[1] / np.maximum(seen.sum(axis=1), 1)


def clumps(problem, rng):
    """All rows in one component, then from each other one a clump of the rows nearest to a random row.

    Clump sizes are log-uniform between d + 1 and n / 2 rows: tight components inside wide ones, which a
    partition into neighbourhoods never proposes.
    """
    x, K = problem.x, problem.mixture.components
    y = np.nan_to_num(x / problem.column_sd)  # a gap: the mean of its column, which is 0 here
    n, d = y.shape
    home, *others = rng.permutation(K)
    z = np.full(n, home)
    for k in others:
        size = int(np.exp(rng.uniform(np.log(min(d + 1, n)), np.log(max(n / 2, d + 1)))))
        far = ((y - y[rng.integers(n)]) ** 2).sum(axis=1)
        z[np.argsort(far, kind="stable")[:size]] = k
    return np.eye(K)[z]


def from_responsibilities(problem, r):
    """theta after M-steps on fixed responsibilities, (n, K), or (n,) components.

    One M-step where that is exact, up to 20 where it is conditional. A second pass takes the moments about
    the means of the first, so that a narrow component starts with its own covariance, not with rounding.
    """
    theta = problem.central
    location = problem.mixture.family.location
    hard = tuple(c for c in problem.mixture.constraints if c.hard)  # a start need not heed a soft wall
    plain = (
        problem
        if hard == problem.mixture.constraints
        else replace(problem, mixture=replace(problem.mixture, constraints=hard))
    )
    with np.errstate(all="ignore"):
        stats, counts = problem.statistics(r, theta=theta)
        here = Pass(0.0, 0.0, counts, stats)
        whole = problem.exponential and problem.parts is None and isinstance(location, str)
        if whole and location == problem.mixture.family.expectation:
            means = stats[:, 1 : 1 + problem.x.shape[1]] / np.where(counts > 0, counts, 1.0)[:, None]
            origin = problem.origins({location: means}, np.ones(len(means), dtype=bool))
            if origin is not None:
                here = Pass(0.0, 0.0, counts, problem.statistics(r, origin)[0], origin)
        for i in range(20):
            if i and problem.parts is not None:  # where cells are missing the statistics depend on theta
                stats, counts = problem.statistics(r, theta=theta)
                here = Pass(0.0, 0.0, counts, stats)
            new = m_step(plain, here, theta)
            if new is None:
                break
            moved, theta = change(theta, new), new
            if moved < 1e-10:
                break
    return problem.outward(theta)
