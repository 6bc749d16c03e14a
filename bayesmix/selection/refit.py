"""A quick climb of the same model to other rows, for resampling: the best of a few restarts, without a census."""

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em import engine, restarts
from bayesmix.em.kernel import Problem

OPTIONS = {"stiffness": 1.0, "max_iter": 2000, "tol": 1e-6}


def refit(model, data, rng, count, start=None):
    """The best `engine.Run` of `count` restarts and, if given, of one from the theta `start`; None if all collapsed.

    model: resolved, so that its priors do not move with the rows.
    """
    problem = Problem.of(model, data)
    seed = int(rng.integers(2**32))
    runs, _ = restarts.climb_all(problem, "kmeans++", restarts=count, seed=seed, **OPTIONS)
    if start is not None:
        runs = [*runs, engine.run(problem, start, **OPTIONS)]
    sound = [r for r in runs if r.status not in (engine.COLLAPSED, engine.FALL) and np.isfinite(r.log_posterior)]
    return max(sound, key=lambda r: r.log_posterior, default=None)


def resampled(data, rng):
    """Rows with multinomial counts as row weights; rows that were not drawn are left out."""
    weight = data.row_weight
    count = rng.multinomial(max(round(float(weight.sum())), 1), weight / weight.sum())
    rows = np.flatnonzero(count)
    part = data.take(rows)
    return Data(part.x, part.label, count[rows].astype(float), part.names, part.classes or None)


def folds_of(data, count, seed):
    """The fold of each row, (n,), sizes as equal as can be."""
    return np.random.default_rng(seed).permutation(data.n) % count
