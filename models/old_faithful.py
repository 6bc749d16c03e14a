"""Old Faithful: two kinds of eruption, as a mixture of two Gaussians with full covariance.

    z_i ~ Categorical(w)                     short or long eruption
    x_i | z_i = k ~ N(mean_k, cov_k)         x = (length of the eruption, wait until the next), in minutes
    w ~ Dirichlet(2, 2), every weight at least 0.05
    mean_k ~ N((3.5, 70), diag(1, 15)^2), ordered by the length of the eruption
    cov_k ~ inverse-Wishart(4, diag(0.4, 80))

Data: A. Azzalini and A. W. Bowman (1990), A look at some data on the Old Faithful geyser, Applied
Statistics 39, 357-365. The model is the standard example of lecture notes on Gaussian mixtures by EM.

What to look for: about 36 % short eruptions of 2 minutes with a wait of 55 minutes, 64 % long ones
of 4.3 minutes with a wait of 80. Every restart reaches one optimum, the clusters barely overlap, and
so EM's maximum lies well inside the posterior: the verdict should be "sound".
"""

import numpy as np

import bayesmix as bm
from bayesmix.report import dynamics

title = "Old Faithful"
data = bm.datasets.old_faithful()
model = bm.Mixture(
    bm.MvGaussian(mean=bm.Normal([3.5, 70], [1, 15]), cov=bm.InverseWishart(4, [[0.4, 0], [0, 80]])),
    components=2,
    weight=bm.Dirichlet(2.0),
    constraints=(bm.Order("mean", by="eruptions"), bm.MinWeight(0.05)),
)
settings = {"restarts": 50, "draws": 1000, "tune": 500, "chains": 4, "seed": 1}


def story(em, mcmc, quick):
    """EM step by step from a poor start: two wide, equal components in the middle of the data."""
    mean = data.x.mean(axis=0) + np.array([[-0.3, 3], [0.3, -3]])
    start = {"weight": [0.5, 0.5], "mean": mean, "cov": [np.diag(data.x.var(axis=0))] * 2}
    one = bm.fit_em(model, data, start=start, keep_trace=True, seed=1)
    caption = "Rows in the mixed colour of their probabilities; each ellipse holds 90 % of its component."
    yield bm.section(
        "EM, step by step",
        f"From two wide components in the middle of the data EM needs {one.runs[0].iterations} steps to the optimum, "
        f"log posterior {one.log_posterior:.4f}.",
        (dynamics.frames(one), "Step of EM", caption),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
