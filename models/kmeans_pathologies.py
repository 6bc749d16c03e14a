"""How k-means fails, and what a mixture does instead.

    k-means:       x_i | z_i = k ~ N(mean_k, I), equal weights, hard assignments
    soft k-means:  x_i | z_i = k ~ N(mean_k, I / beta), equal weights
    mixture:       x_i | z_i = k ~ N(mean_k, cov_k), free weights

Sources: COMP755 lecture 11 (six centres on three clusters, starts at the data mean, empty clusters, clusters pushed
through a linear map); MacKay (2003), chapter 20, and the lecture of P. Hennig (unequal sizes, elongated clusters,
k-means' Lyapunov function).

What to look for: six centres on three clusters have many optima (real ones: renamings are counted once). Elongated
and unequal clusters are cut wrongly by k-means and recovered by the mixture.
"""

import math

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "How k-means fails"
centres = 2.0 * np.array([[-1.0, 1.0], [1.0, -1.0], [2.0, 2.0]])


def clusters(seed, counts=(200, 200, 200), scale=(1.0, 1.0, 1.0), shear=None):
    """(rows, cluster) of three Gaussian clusters, all pushed through the matrix `shear` about their centres."""
    rng = np.random.default_rng(seed)
    z = np.repeat(np.arange(3), counts)
    noise = rng.normal(size=(len(z), 2)) * np.array(scale)[z, None]
    return (noise if shear is None else noise @ shear.T) + centres[z], z


x, z = clusters(1)
data = bm.Data(x, names=("x", "y"))
model = bm.Mixture(
    bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True), 6, weight=bm.Fixed([1 / 6] * 6)
)
settings = {"engine": "em", "restarts": 100, "seed": 1, "em": {"stiffness": math.inf, "start": "jitter"}}


def agreement(fit, truth):
    """Share of rows in the cluster that the best matching of names gives them."""
    from scipy.optimize import linear_sum_assignment

    table = pd.crosstab(fit.predict(), truth).to_numpy()
    return table[linear_sum_assignment(-table)].sum() / len(truth)


def story(em, mcmc, quick):
    restarts = 10 if quick else 50
    trace = -2 * em.runs[em.optima[0].restarts[0]].trace[:, 0]
    cases = {
        "three round clusters": clusters(2),
        "a linear map": clusters(7, shear=np.array([[2.4, 1.1], [0.5, 0.6]])),
        "unequal sizes": clusters(3, counts=(500, 60, 40), scale=(1.4, 0.35, 0.35)),
    }
    rows, figures = {}, []
    for name, (points, truth) in cases.items():
        here = bm.Data(points, names=("x", "y"))
        hard = bm.kmeans(points, 3, restarts=restarts, seed=1)
        full = bm.fit_em(bm.Mixture(bm.MvGaussian(), 3), here, restarts=restarts, seed=1)
        tints = {"truth": np.eye(3)[truth], "k-means": hard.predict_proba(), "mixture": full.predict_proba()}
        rows[name] = {"k-means": agreement(hard, truth), "mixture": agreement(full, truth)}
        figures.append(
            (dynamics.panels(here, tints), f"{name}: truth, k-means and the full mixture side by side.", f"{name}.")
        )
    soft, betas = {}, (0.02, 0.1, 0.3, 1.0, 3.0, 10.0)
    for beta in betas:
        family = bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1 / beta), isotropic=True, shared=True)
        fit = bm.fit_em(
            bm.Mixture(family, 6, weight=bm.Fixed([1 / 6] * 6)), data, start="jitter", restarts=restarts, seed=1
        )
        distinct = len(np.unique(np.round(fit.best["mean"], 2), axis=0))
        soft[beta] = {"distinct centres": distinct, "optima met": len(fit.optima), "log likelihood": fit.log_likelihood}
    empty = sum((np.bincount(_predict(em, r), minlength=6) == 0).any() for r in em.runs)
    columns = ["log_posterior", "times_reached", "differs"]
    return [
        bm.section(
            "Six centres on three clusters",
            f"{len(em.runs)} starts near the mean ended in {len(em.optima)} truly different optima (renamed copies "
            f"are counted as one); {empty} of them left a centre without rows. An empty cluster keeps its centre: "
            "nothing is divided by zero, and no 1e-5 is needed.",
            figures=[
                (
                    dynamics.panels(data, {"clusters": np.eye(3)[z], "six centres": em.predict_proba()}),
                    "Three clusters and their division among six centres.",
                    "The best of the starts.",
                ),
                (
                    dynamics.curves(
                        {"J": trace - 2 * data.n * math.log(6) - 2 * data.n * math.log(2 * math.pi)},
                        "iteration",
                        "sum of squared distances",
                    ),
                    "k-means' objective by iteration, never rising.",
                    "J, the sum of squared distances, is a Lyapunov function: "
                    "it falls at every step, so k-means must stop.",
                ),
            ],
            tables=[(em.modes[columns].head(10), "The best optima.")],
        ),
        bm.section(
            "Soft k-means over a range of stiffness",
            "At small beta all centres coincide; as beta grows they split, one after the other (so does annealing).",
            tables=[
                (pd.DataFrame.from_dict(soft, orient="index").rename_axis("beta"), "Six centres, soft assignments.")
            ],
        ),
        bm.section(
            "Shapes and sizes",
            "Share of rows in their own cluster:",
            figures=figures,
            tables=[
                (pd.DataFrame.from_dict(rows, orient="index").rename_axis("data"), "k-means beside the full mixture.")
            ],
        ),
    ]


def _predict(em, run):
    return em.mixture.log_joint(data.x, run.theta).argmax(axis=1)


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
