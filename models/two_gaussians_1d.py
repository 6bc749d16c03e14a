"""Two Gaussians on a line: two starts, one optimum, two labellings; and three components with means 2, 5, 10.

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, sd_k^2),   maximum likelihood

Source: AM207 lecture 13: data simulated with w = (.6, .4), means 2 and 5, sd .6; and n = 10 000 from
.4 N(2, .6^2) + .2 N(5, .8^2) + .4 N(10, .5^2).

What to look for: EM from (-5, 5.5) and from (11, -4.5) reaches the same log likelihood with the labels exchanged:
a renaming, not a second optimum; the census counts it once. The three components are found within their errors.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Two Gaussians on a line"
rng = np.random.default_rng(13)
z = rng.random(1000) < 0.4
data = bm.Data(np.where(z, rng.normal(5, 0.6, 1000), rng.normal(2, 0.6, 1000)), names=("x",))
model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 2, weight=bm.Flat())
settings = {"engine": "em", "restarts": 50, "seed": 1}
starts = {
    "A": {"weight": [0.46, 0.54], "mean": [[-4.85], [5.51]], "sd": [[2.03], [3.59]]},
    "B": {"weight": [0.42, 0.58], "mean": [[11.1], [-4.48]], "sd": [[4.31], [0.96]]},
}


def story(em, mcmc, quick):
    given = {name: {k: np.array(v) for k, v in s.items()} for name, s in starts.items()}
    fits = {name: bm.fit_em(model, data, start=s, keep_trace=True) for name, s in given.items()}
    sliders = [
        (
            dynamics.frames(fit, most=12),
            f"Step of EM from {name}",
            f"Histogram with two densities on their way from start {name}.",
            f"From start {name}; the rows below in the mixed colour of their probabilities.",
        )
        for name, fit in fits.items()
    ]
    rows = {
        name: {
            "log likelihood": f"{f.log_likelihood:.8f}",
            "mean 0": f.best["mean"][0, 0],
            "mean 1": f.best["mean"][1, 0],
            "weight 0": f.best["weight"][0],
            "iterations": f.runs[0].iterations,
        }
        for name, f in fits.items()
    }
    w, mean, sd = np.array([0.4, 0.2, 0.4]), np.array([2.0, 5.0, 10.0]), np.array([0.6, 0.8, 0.5])
    k = np.random.default_rng(5).choice(3, size=10_000, p=w)
    three = bm.fit_em(
        bm.Mixture(model.family, 3, weight=bm.Flat(), constraints=bm.Order("mean")),
        np.random.default_rng(6).normal(mean[k], sd[k]),
        restarts=20,
        seed=1,
    )
    found = three.summary()
    found = found[~found["derived"]].drop(columns="derived")
    found["truth"] = np.concatenate([w, mean, sd])
    found["z"] = (found["value"] - found["truth"]) / found.iloc[:, 1]
    top = max(f.log_likelihood for f in fits.values())
    ways = {f"start {n}": np.maximum(top - f.runs[0].trace[:, 1], 1e-9) for n, f in fits.items()}
    exchanged = np.allclose(fits["A"].best["mean"], fits["B"].best["mean"][::-1], atol=1e-4)
    gap = abs(fits["A"].log_likelihood - fits["B"].log_likelihood)
    return [
        bm.section(
            "Two starts, one optimum",
            f"The two ends differ by {gap:.1e} in log likelihood and {'' if exchanged else 'not '}by an exchange of "
            "the labels; "
            f"{len(em.runs)} random starts ended in {len(em.optima)} optimum (relabelled copies counted as one).",
            slides=sliders,
            figures=[
                (
                    dynamics.curves(ways, "iteration", "log likelihood below the best", log=True),
                    "Distance to the common maximum by iteration from two starts.",
                    "Two ways to one height.",
                )
            ],
            tables=[(pd.DataFrame.from_dict(rows, orient="index").rename_axis("start"), "Where the two starts end.")],
        ),
        bm.section(
            "Three components, 10 000 rows",
            f"Largest |z| against the truth: {found['z'].abs().max():.2f}.",
            tables=[(found.rename_axis("parameter"), "Maximum likelihood, standard errors, and the truth.")],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
