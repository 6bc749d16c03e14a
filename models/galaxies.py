"""82 galaxies: how many clusters, and how many optima?

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, var_k)
    w ~ Dirichlet(1, ..., 1),  mean_k ~ N(20, 10^2),  var_k ~ inverse-gamma(3, 20)

Source: "how many clusters?" of the lecture notes; Roeder (1990); the priors of Chib (1995).

What to look for: K = 3 has one interior optimum, -228.658658, and one where a component is empty, -241.977104. The
labels are free (no constraint), so chains from different starts may carry different names: "label switching", while
every relabelled and invariant summary can be used. The census grows quickly with K.
"""

import pandas as pd

import bayesmix as bm

title = "Galaxies"
data = bm.datasets.galaxies()
family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
model = bm.Mixture(family, 3, weight=bm.Dirichlet(1.0))
settings = {"restarts": 200, "draws": 2000, "sampler": "gibbs", "seed": 1}


def story(em, mcmc, quick):
    rows, parts = {}, []
    for K in range(2, 5 if quick else 7):
        fit = (
            em
            if K == 3
            else bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(1.0)), data, seed=K, restarts=10 if quick else 200)
        )
        rows[K] = {
            "best log posterior": f"{fit.log_posterior:.6f}",
            "optima": len(fit.optima),
            "interior": sum(m.kind == "interior" for m in fit.optima),
            "starts at the best": f"{fit.optima[0].times_reached} of {len(fit.runs)}",
        }
        columns = ["log_posterior", "times_reached", "kind", "differs"]
        parts.append((fit.modes[columns].head(8), f"K = {K}: the best optima."))
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("K")
    return [
        bm.section(
            "The census, K by K",
            "Distinct optima of the log posterior, relabelled copies counted as one.",
            tables=[(frame, "How many optima there are, and how often the best is found."), *parts],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
