"""A first EM: Gaussians of unit covariance, three clusters, 300 points (COMP755, lecture 11).

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, I),   maximum likelihood

The notes divide in their M-step by (1e-5 + sum of responsibilities): that is not EM. Their printed trace is
reproduced below by that very step, which lives in this script only, beside the exact one.

Source: lecture notes "Our first EM algorithm from scratch"; the data are those of numpy.random.seed(1).

What to look for: the notes' trace -2668.2486, -2620.1355, -2065.2760, -1239.1534, -1167.6254, and the exact one,
which differs in the fifth decimal and converges to -1167.4144715938 after 11 iterations.
The responsibilities are shown as red, green and blue.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Our first EM"
rng = np.random.RandomState(1)  # the notes' legacy generator
centres = 2.0 * np.array([[-1.0, 1.0], [1.0, -1.0], [2.0, 2.0]])
x = np.stack([centres[rng.choice(3)] + rng.randn(2) for _ in range(300)])
data = bm.Data(x, names=("x", "y"))
model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True), 3, weight=bm.Flat())
start = {"weight": np.full(3, 1 / 3), "mean": x.mean(axis=0) + 0.01 * x.std(axis=0) * rng.randn(2, 3).T}
settings = {"engine": "em", "seed": 1, "em": {"start": start, "keep_trace": True, "tol": 1e-10}}


def notes_climb(steps, extra):
    """Log likelihoods of `steps` iterations whose M-step divides by (extra + sum of responsibilities)."""
    theta, trace = {**start, "var": np.ones((1, 1))}, []
    for _ in range(steps):
        trace.append(model.log_posterior(data, theta)["x"])
        q = model.responsibilities(x, theta)
        total = q.sum(axis=0)
        theta = {**theta, "weight": total / len(x), "mean": (q.T @ x) / (extra + total)[:, None]}
    return trace


def story(em, mcmc, quick):
    exact, notes = em.runs[0].trace[:, 1], notes_climb(5, 1e-5)
    lines = pd.DataFrame({"the notes' M-step (1e-5)": notes, "exact EM": exact[:5]}).rename_axis("iteration")
    mixed = dynamics.panels(data, {"responsibilities as red, green and blue": em.predict_proba()}, rgb=True)
    yield bm.section(
        "The printed trace, and exact EM",
        f"The notes' step gives {', '.join(f'{v:.4f}' for v in notes)}. Exact EM converges to "
        f"{em.log_likelihood:.10f} in {int(np.argmax(np.diff(exact) < 1e-10)) + 1} iterations. "
        "The 1e-5 is a prior in disguise: it pulls every mean towards zero.",
        (dynamics.climb(em), "The climb from three nearly equal centres."),
        (mixed, "Each row's colour mixes red, green and blue in the proportions of its responsibilities."),
        (dynamics.ascent(em), "The log likelihood never falls."),
        (lines.map("{:.10f}".format), "Log likelihood, iteration by iteration."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
