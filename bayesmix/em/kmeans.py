"""k-means, which is a mixture: unit variance, equal weights, infinite stiffness."""

import math

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em.fit_em import fit_em
from bayesmix.errors import InputError
from bayesmix.spec.families import Gaussian
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.priors import Fixed, Flat


def distortion_trace(fit, run=0):
    """A DataFrame of the mean squared distance of a row to its centre after every half-step of k-means.

    One row per half-step: `iteration`, `step` ("E": rows choose the nearest centre, "M": centres move to the mean of
    their rows), `distortion`, and `moved`, the length of the centres' last move together (0 at the start).

    Args:
        fit: of `kmeans`, or `fit_em(..., stiffness=inf)`, with `keep_trace=True`. run: which of its restarts.

    Raises:
        InputError: the fit kept no trace of centres, or the data have missing cells.

    References: Bishop (2006), section 9.1, equation 9.1.
    """
    import pandas as pd

    if fit.engine != "em" or not fit.runs[run].thetas or "mean" not in fit.best or fit.data.missing:
        raise InputError("distortion_trace(fit): expected k-means on complete rows with keep_trace=True.")
    rows, last, z = [], None, None
    for i, theta in enumerate(fit.runs[run].thetas):
        distance = ((fit.data.x - theta["mean"][:, None]) ** 2).sum(axis=2)  # (K, n)
        moved = 0.0 if last is None else float(np.sqrt(((theta["mean"] - last) ** 2).sum()))
        if z is not None:
            rows.append((i, "M", np.average(distance[z, np.arange(fit.data.n)], weights=fit.data.row_weight), moved))
        z, last = distance.argmin(axis=0), theta["mean"]
        rows.append((i, "E", np.average(distance.min(axis=0), weights=fit.data.row_weight), moved))
    return pd.DataFrame(rows, columns=["iteration", "step", "distortion", "moved"])


def kmeans(
    x, k, *, beta=math.inf, restarts=20, start="kmeans++", seed=None, max_iter=2000, keep_trace=False, workers=1,
    progress=None,
):  # fmt: skip
    """The `Fit` of k spherical components of unit variance and equal weight under hard assignments: Lloyd's algorithm.

    `fit.best["mean"]` are the centres, `fit.predict(x)` the clusters and `fit.distortion` the mean squared distance
    of a row to its centre. A cluster that loses its last row keeps its centre. Columns are taken as they
    are: divide them by their standard deviations first where their units differ.

    Args:
        x: (n, d) array, data frame or `Data`.
        k: number of clusters.
        beta: the stiffness of soft k-means, r_ik proportional to exp(-beta |x_i - mean_k|^2 / 2): components of
            variance 1 / beta under soft assignments. The default, infinity, is k-means itself.
        restarts, start, seed, max_iter, keep_trace, workers, progress: as for `fit_em`; a start may also be the (k, d)
            centres.

    Raises:
        InputError: k is not a whole number between 1 and n, beta is not positive, or an argument is wrong.

    References: Lloyd (1982), IEEE Trans. Inf. Theory 28:129-137; Bishop (2006), section 9.3.2; MacKay (2003),
    algorithm 20.7, for soft k-means.
    """
    data = x if isinstance(x, Data) else Data(x)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= data.n:
        raise InputError(f"kmeans(k=...): expected a whole number from 1 to the {data.n} rows, got {k!r}.")
    if isinstance(beta, bool) or not isinstance(beta, int | float | np.number) or not beta > 0:
        raise InputError(f"kmeans(beta=...): expected a positive number, or math.inf for k-means itself, got {beta!r}.")
    var = 1.0 if math.isinf(beta) else 1.0 / beta
    model = Mixture(Gaussian(mean=Flat(), var=Fixed(var), isotropic=True, shared=True), k, weight=Fixed([1 / k] * k))
    options = {"restarts": restarts, "seed": seed, "max_iter": max_iter, "keep_trace": keep_trace}
    options |= {"workers": workers, "progress": progress}
    if np.shape(start) == (k, data.d) and not isinstance(start, str):
        start = {"weight": np.full(k, 1 / k), "mean": start, "var": [[var]]}
    return fit_em(model, data, start=start, stiffness=math.inf if math.isinf(beta) else 1.0, **options)
