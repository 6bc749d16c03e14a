"""How k-means fails, and what a mixture does instead.

    k-means:       x_i | z_i = k ~ N(mean_k, I), equal weights, hard assignments
    soft k-means:  x_i | z_i = k ~ N(mean_k, I / beta), equal weights
    mixture:       x_i | z_i = k ~ N(mean_k, cov_k), free weights

Sources: COMP755 lecture 11 (six centres on three clusters, starts at the data mean, empty clusters, clusters pushed
through a linear map); MacKay (2003), chapter 20, and the lecture of P. Hennig (unequal sizes, elongated clusters,
k-means' Lyapunov function).

What to look for: six centres on three clusters have many optima (real ones: renamings are counted once). Clusters
pushed through a linear map are cut across by k-means and recovered by the mixture; unequal ones lose rows to small
neighbours, and no stiffness of soft k-means mends either.
"""

import math

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "How k-means fails"
centres = 2.0 * np.array([[-1.0, 1.0], [1.0, -1.0], [2.0, 2.0]])
betas = (0.02, 0.1, 0.3, 1.0, 3.0, 10.0)


def clusters(seed, counts=(200, 200, 200), scale=(1.0, 1.0, 1.0), shear=((1.0, 0.0), (0.0, 1.0))):
    """(rows, cluster) of three Gaussian clusters, pushed through the matrix `shear`, centres and all."""
    rng = np.random.default_rng(seed)
    z = np.repeat(np.arange(3), counts)
    return (centres[z] + rng.normal(size=(len(z), 2)) * np.array(scale)[z, None]) @ np.array(shear).T, z


def spheres(K, beta=1.0):
    """K equal spheres of variance 1 / beta: the mixture whose hard assignments are k-means."""
    family = bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1 / beta), isotropic=True, shared=True)
    return bm.Mixture(family, K, weight=bm.Fixed([1 / K] * K))


x, z = clusters(1)
data = bm.Data(x, names=("x", "y"))
model = spheres(6)
settings = {"engine": "em", "restarts": 100, "seed": 1, "em": {"stiffness": math.inf, "start": "jitter"}}
cases = {
    "three round clusters": clusters(2),
    "a linear map": clusters(7, shear=((1.0, 0.7), (0.7, 1.0))),
    "unequal sizes": clusters(3, counts=(500, 60, 40), scale=(1.4, 0.35, 0.35)),
}


def matched(fit, truth):
    """(responsibilities, share of rows in their own cluster), the components named after the clusters they match."""
    from scipy.optimize import linear_sum_assignment

    table = pd.crosstab(truth, fit.predict()).reindex(columns=range(fit.mixture.components), fill_value=0).to_numpy()
    rows, names = linear_sum_assignment(-table)
    return fit.predict_proba()[:, names], table[rows, names].sum() / len(truth)


def shapes(name, restarts):
    """(figure triple, shares of rows in their own cluster) of k-means, soft k-means and the full mixture."""
    points, truth = cases[name]
    here = bm.Data(points, names=("x", "y"))
    options = {"restarts": restarts, "seed": 1}
    fits = {"k-means": bm.kmeans(points, 3, **options)}
    fits |= {f"soft, β = {beta:g}": bm.fit_em(spheres(3, beta), here, **options) for beta in (0.3, 1.0, 3.0)}
    fits["mixture"] = bm.fit_em(bm.Mixture(bm.MvGaussian(), 3), here, **options)
    found = {which: matched(fit, truth) for which, fit in fits.items()}
    tints = {"truth": np.eye(3)[truth]} | {which: found[which][0] for which in ("k-means", "soft, β = 1", "mixture")}
    alt = f"{name}: truth, k-means, soft k-means and the full mixture side by side."
    return (dynamics.panels(here, tints), alt, f"{name}."), {which: share for which, (_, share) in found.items()}


def stranded():
    """k-means with a centre that begins where no row is: (sizes of the clusters, where that centre ends)."""
    mean = np.vstack([x[::120], [30.0, 30.0]])
    start = {"weight": np.full(6, 1 / 6), "mean": mean, "var": np.array([[1.0]])}
    fit = bm.fit_em(model, data, stiffness=math.inf, start=start)
    joint = model.log_joint(data.x, fit.runs[0].theta)
    return np.bincount(joint.argmax(axis=1), minlength=6), fit.runs[0].theta["mean"][5]


def story(em, mcmc, quick):
    restarts = 5 if quick else 50
    shown = {name: shapes(name, restarts) for name in cases}
    shares = pd.DataFrame.from_dict({name: share for name, (_, share) in shown.items()}, orient="index")
    soft = {}
    for beta in betas:
        fit = bm.fit_em(spheres(6, beta), data, start="jitter", restarts=restarts, seed=1)
        distinct = len(np.unique(np.round(fit.best["mean"], 2), axis=0))
        soft[beta] = {"distinct centres": distinct, "optima met": len(fit.optima), "log likelihood": fit.log_likelihood}
    trace = -2 * em.runs[em.optima[0].restarts[0]].trace[:, 0]
    trace -= 2 * data.n * (math.log(6) + math.log(2 * math.pi))  # constants of the density, which J leaves out
    best = em.modes[["log_posterior", "times_reached", "differs"]].sort_values("log_posterior", ascending=False)
    sizes, place = stranded()
    six = (
        dynamics.panels(data, {"clusters": np.eye(3)[z], "six centres": em.predict_proba()}),
        "Three clusters and their division among six centres.",
        "The best of the starts.",
    )
    falling = (
        dynamics.curves({"J": trace}, "iteration", "sum of squared distances"),
        "k-means' objective by iteration, never rising.",
        "J, the sum of squared distances, is a Lyapunov function: it falls at every step, so k-means must stop.",
    )
    return [
        bm.section(
            "Six centres on three clusters",
            f"{len(em.runs)} starts near the mean ended in {len(em.optima)} truly different optima (renamed copies are "
            "counted as one).",
            f"A centre that begins at (30, 30), where no row is, gets {sizes[5]} rows and stays at "
            f"({place[0]:.0f}, {place[1]:.0f}); the other clusters have {', '.join(map(str, sizes[:5]))}. Nothing is "
            "divided by zero, and no 1e-5 is needed.",
            figures=[six, falling],
            tables=[(best.head(10), "The best optima.")],
        ),
        bm.section(
            "Soft k-means over a range of stiffness",
            "At small beta all centres coincide; as beta grows they split, one after the other (so does annealing).",
            tables=[(pd.DataFrame.from_dict(soft, "index").rename_axis("beta"), "Six centres, soft assignments.")],
        ),
        bm.section(
            "Shapes and sizes",
            "Share of rows in their own cluster:",
            figures=[figure for figure, _ in shown.values()],
            tables=[(shares.rename_axis("data"), "k-means, hard and soft, beside the full mixture.")],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
