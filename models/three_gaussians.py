"""Three Gaussians that overlap, drawn from known parameters (Bishop 2006, figure 9.5).

    z_i ~ Categorical(.5, .3, .2),   x_i | z_i = k ~ N(mean_k, cov_k),   n = 500, two features

fitted by maximum likelihood (flat priors) and, beside it, for K = 1..6.

Source: lecture notes on Gaussian mixtures by EM (figure 9.5 of Bishop, drawn anew).

What to look for: EM from the true parameters climbs from 499.990543 to 510.214634. The three panels show what is
drawn (z known), what is seen (z unknown) and what is inferred (colours by responsibility). More components always
fit better; BIC says when it is no longer worth it.
"""

from pathlib import Path

import numpy as np

import bayesmix as bm
from bayesmix.report import dynamics

title = "Three Gaussians"
table = np.loadtxt(Path(__file__).parent / "data" / "bishop3.csv", delimiter=",", skiprows=1, comments="#")
data, z = bm.Data(table[:, :2], names=("x1", "x2")), table[:, 2].astype(int)
model = bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()), 3, weight=bm.Flat())
turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
axes = np.array([[0.2, 0.05], [0.05, 0.2], [0.2, 0.05]]) ** 2
truth = {
    "weight": [0.5, 0.3, 0.2],
    "mean": [[0.25, 0.45], [0.5, 0.5], [0.8, 0.6]],
    "cov": np.einsum("ki,mk,kj->mij", turn, axes, turn),
}
settings = {"engine": "em", "restarts": 50, "seed": 1}


def story(em, mcmc, quick):
    climb = bm.fit_em(model, data, start=truth)
    tints = {"with z known": z, "as observed": None, "by responsibility": climb.predict_proba()}
    yield bm.section(
        "Drawn, seen, inferred",
        f"Log likelihood at the true parameters {model.log_posterior(data, truth)['x']:.6f}; EM from there ends at "
        f"{climb.log_likelihood:.6f}.",
        (dynamics.panels(data, tints), "What was drawn, what is seen, what EM infers from it (starting at the truth)."),
    )
    sizes = {K: bm.Mixture(model.family, K, weight=bm.Flat()) for K in range(1, 7)}
    fits = {K: bm.fit_em(size, data, restarts=3 if quick else 30, seed=K) for K, size in sizes.items()}
    frame = bm.side_by_side(fits, "log likelihood", "parameters", "BIC", "ICL", by="components")
    yield bm.section(
        "One to six components",
        f"BIC is smallest at K = {frame['BIC'].idxmin()}, ICL at K = {frame['ICL'].idxmin()}; the data were drawn "
        "with K = 3.",
        (dynamics.curves(frame[["BIC", "ICL"]], "smaller is better"), "Two criteria."),
        (frame, "The best of the restarts for each number of components."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
