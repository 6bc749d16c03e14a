"""82 galaxies: how many clusters, and how many optima?

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, var_k)
    w ~ Dirichlet(1, ..., 1),  mean_k ~ N(20, 10^2),  var_k ~ inverse-gamma(3, 20)

Source: "how many clusters?" of the lecture notes; Roeder (1990); the priors of Chib (1995).

What to look for: K = 3 has one interior optimum, -228.658658, and one where a component is empty, -241.977104; starts
in tight clumps meet both. The labels are free (no constraint). Chains that begin at the optimum keep its names; chains
that begin at prior draws and exchange names at random switch labels perfectly: raw R-hat is 1.00, raw means are all
alike and mean nothing, relabelled means are right. A prior that allows narrow components, inverse-gamma(2, 1) on the
variances and Dirichlet(2, ..., 2) on the weights, has many optima; the best for K = 3 is -220.509474.
"""

import pandas as pd

import bayesmix as bm

title = "Galaxies"
data = bm.datasets.galaxies()
family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
narrow = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(2, 1))
model = bm.Mixture(family, 3, weight=bm.Dirichlet(1.0))
settings = {"restarts": 100, "em": {"start": "clumps"}, "draws": 2000, "sampler": "gibbs", "seed": 1}


def switching(em, mcmc):
    """(verdicts, means raw and relabelled) of chains from the optimum, and of chains whose names are left to chance."""
    free = bm.fit_mcmc(model, data, draws=1500, sampler="gibbs", start="prior", permutation_moves=True, seed=2)
    rows, verdicts = {}, []
    for name, fit in (("from the optimum", mcmc), ("from prior draws, names exchanged", free)):
        verdicts.append(f"Chains {name}: verdict {bm.diagnose(fit, em).verdict}.")
        for kind, mean in (("raw", fit.draws["mean"]), ("relabelled", fit.relabelled["mean"])):
            values = mean.mean(axis=(0, 1)).ravel()
            rows[f"{name}: {kind}"] = {f"mean {k}": v for k, v in enumerate(sorted(values))}
    return verdicts, pd.DataFrame.from_dict(rows, orient="index").rename_axis("chains")


def census(K, rough, quick):
    """One line of the census of K components, under the smooth or the rough prior."""
    mixture = bm.Mixture(narrow if rough else family, K, weight=bm.Dirichlet(2.0 if rough else 1.0))
    fit = bm.fit_em(mixture, data, seed=K, restarts=20 if quick else 200)
    return {
        "K": K,
        "prior of the variances": "inverse-gamma(2, 1)" if rough else "inverse-gamma(3, 20)",
        "best log posterior": f"{fit.log_posterior:.6f}",
        "optima met": len(fit.optima),
        "starts at the best": f"{fit.optima[0].times_reached} of {len(fit.runs)}",
        "verdict on EM": bm.diagnose(fit).verdict,
    }


def story(em, mcmc, quick):
    lines = [census(K, rough, quick) for rough in (False, True) for K in range(2, 4 if quick else 7)]
    verdicts, means = switching(em, mcmc) if mcmc is not None else ([], None)
    return [
        bm.section(
            "Labels that switch",
            *verdicts,
            "Averages over draws of each component's mean, sorted:",
            tables=[] if means is None else [(means, "Only relabelled averages mean anything once labels switch.")],
        ),
        bm.section(
            "The census, K by K",
            "Distinct optima of the log posterior met by k-means++ starts, relabelled copies counted as one. What is "
            "met depends on the starts: the census of this page's own fit began in tight clumps.",
            tables=[
                (pd.DataFrame(lines).set_index("K"), "How many optima are met, and how often the best."),
                (em.modes[["log_posterior", "times_reached", "kind", "differs"]], "K = 3, from tight clumps."),
            ],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
