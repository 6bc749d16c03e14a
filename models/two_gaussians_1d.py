"""Two Gaussians on a line: two starts, one optimum, two labellings; and three components with means 2, 5, 10.

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, sd_k^2),   maximum likelihood

Source: AM207 lecture 13: data simulated with w = (.6, .4), means 2 and 5, sd .6; and n = 10 000 from
.4 N(2, .6^2) + .2 N(5, .8^2) + .4 N(10, .5^2).

What to look for: EM from (-5, 5.5) and from (11, -4.5) reaches the same log likelihood with the labels exchanged:
a renaming, not a second optimum; the census counts it once. The three components are found within their errors.
"""

import numpy as np

import bayesmix as bm
from bayesmix.report import dynamics

title = "Two Gaussians on a line"
rng = np.random.default_rng(13)
z = rng.random(1000) < 0.4
data = bm.Data(np.where(z, rng.normal(5, 0.6, 1000), rng.normal(2, 0.6, 1000)), names=("x",))
model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 2, weight=bm.Flat())
settings = {"engine": "em", "restarts": 50, "seed": 1}
starts = {
    "A": {"weight": [0.46, 0.54], "mean": [-4.85, 5.51], "sd": [2.03, 3.59]},
    "B": {"weight": [0.42, 0.58], "mean": [11.1, -4.48], "sd": [4.31, 0.96]},
}
truth = {"weight": [0.4, 0.2, 0.4], "mean": np.array([2.0, 5.0, 10.0]), "sd": np.array([0.6, 0.8, 0.5])}


def three_components():
    """10 000 rows of three components, fitted from random starts."""
    k = np.random.default_rng(5).choice(3, size=10_000, p=truth["weight"])
    rows = np.random.default_rng(6).normal(truth["mean"][k], truth["sd"][k])
    three = bm.Mixture(model.family, 3, weight=bm.Flat(), constraints=bm.Order("mean"))
    return bm.fit_em(three, bm.Data(rows, names=("x",)), restarts=20, seed=1)


def story(em, mcmc, quick):
    fits = {f"start {name}": bm.fit_em(model, data, start=s, keep_trace=True) for name, s in starts.items()}
    a, b = fits.values()
    exchanged = "" if np.allclose(a.best["mean"], b.best["mean"][::-1], atol=1e-4) else "not "
    caption = "The rows in the mixed colour of their shares."
    yield bm.section(
        "Two starts, one optimum",
        f"The two ends differ by {abs(a.log_likelihood - b.log_likelihood):.1g} in log likelihood and "
        f"{exchanged}by an exchange of the labels; {len(em.runs)} random starts ended in {len(em.optima)} optimum "
        "(relabelled copies counted as one).",
        *((dynamics.frames(fit, most=12), f"Step of EM from {name}", caption) for name, fit in fits.items()),
        (dynamics.ascent(fits, below=True), "Two ways to one height."),
        (bm.side_by_side(fits, "log likelihood", "iterations", "estimates"), "Where the two starts end."),
    )
    found = bm.beside_truth(three_components(), truth)
    yield bm.section(
        "Three components, 10 000 rows",
        f"Largest |z| against the truth: {found['z'].abs().max():.2f}.",
        (found, "Maximum likelihood, standard errors, and the truth."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
