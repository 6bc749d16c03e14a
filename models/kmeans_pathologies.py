"""How k-means fails, and what a mixture does instead.

    k-means:       x_i | z_i = k ~ N(mean_k, I), equal weights, hard assignments
    soft k-means:  x_i | z_i = k ~ N(mean_k, I / beta), equal weights
    mixture:       x_i | z_i = k ~ N(mean_k, cov_k), free weights

Sources: COMP755 lecture 11 (six centres on three clusters, starts at the data mean, empty clusters, a linear map);
MacKay (2003), chapter 20, and the lecture of P. Hennig (unequal sizes, k-means' Lyapunov function).

What to look for: six centres on three clusters have many optima (renamings are counted once). Clusters after a linear
map are cut across by k-means, large ones lose rows to small neighbours; no stiffness mends that, the mixture does.
"""

import math

import numpy as np
from sklearn.datasets import make_blobs

import bayesmix as bm
from bayesmix.report import dynamics

title = "How k-means fails"
centres = 2.0 * np.array([[-1.0, 1.0], [1.0, -1.0], [2.0, 2.0]])
data, z = make_blobs([200, 200, 200], centers=centres, random_state=1)
sphere = bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True)
model = bm.Mixture(sphere, 6, weight=bm.Fixed([1 / 6] * 6))
settings = {"engine": "em", "restarts": 100, "seed": 1, "em": {"stiffness": math.inf, "start": "jitter"}}
cases = {
    "Three round clusters.": (data, z),
    "The same after a linear map.": (data @ [[1.0, 0.7], [0.7, 1.0]], z),
    "Unequal sizes.": make_blobs([500, 60, 40], centers=centres, cluster_std=[1.4, 0.35, 0.35], random_state=3),
}


def story(em, mcmc, quick):
    one = bm.fit_em(model, data, stiffness=math.inf, start=em.start_of(0), keep_trace=True)
    stranded = bm.kmeans(data, 6, start=np.vstack([data[:5], [30.0, 30.0]]))
    rows, far = (stranded.predict() == 5).sum(), tuple(map(round, stranded.best["mean"][5]))
    yield bm.section(
        "Six centres on three clusters",
        f"{len(em.runs)} starts near the mean ended in {len(em.optima)} truly different optima, renamings aside.",
        "The mean squared distance is a Lyapunov function: it falls at every half-step, so k-means must stop.",
        f"A centre that begins at (30, 30) gets {rows} rows and stays at {far}: no 1e-5 is needed to divide by.",
        (dynamics.panels(em.data, {"clusters": z, "six centres": em.predict()}), "The best of the starts."),
        (dynamics.distortion(one), "The climb to it."),
        (em.modes[["objective", "times_reached", "differs"]].head(10), "The best optima."),
    )
    options = {"restarts": 5 if quick else 50, "seed": 1}
    soft = {beta: bm.kmeans(data, 6, beta=beta, start="jitter", **options) for beta in (0.02, 0.1, 0.3, 1, 3, 10)}
    sweep = bm.side_by_side(soft, "optima met", "log likelihood", by="beta")
    sweep.insert(0, "distinct centres", [len(np.unique(fit.best["mean"].round(2), axis=0)) for fit in soft.values()])
    yield bm.section(
        "Soft k-means over a range of stiffness",
        "At small beta all centres coincide; as beta grows they split, one after the other (so does annealing).",
        (sweep, "Six centres, soft assignments."),
    )
    figures, shares = [], {}
    for what, (points, truth) in cases.items():
        fits = {"k-means": bm.kmeans(points, 3, **options)}
        fits |= {f"soft, β = {beta:g}": bm.kmeans(points, 3, beta=beta, **options) for beta in (0.3, 1, 3)}
        fits["mixture"] = bm.fit_em(bm.Mixture(bm.MvGaussian(), 3), points, **options)
        found = {which: bm.matched(fit, truth) for which, fit in fits.items()}
        figures.append((dynamics.panels(bm.Data(points), {"truth": truth} | found), what))
        shares[what] = bm.scores(found, truth)["accuracy"]
    yield bm.section(
        "Shapes and sizes",
        "A linear map or unequal sizes lead k-means astray, whatever its stiffness, and the full mixture not.",
        *figures,
        (shares, "data", "Share of rows in their own cluster."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
