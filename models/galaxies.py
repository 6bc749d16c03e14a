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

import numpy as np

import bayesmix as bm

title = "Galaxies"
data = bm.datasets.galaxies()
family = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20))
narrow = bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(2, 1))
model = bm.Mixture(family, 3, weight=bm.Dirichlet(1.0))
settings = {"restarts": 100, "em": {"start": "clumps"}, "draws": 2000, "sampler": "gibbs", "seed": 1}


def census(quick):
    """How many optima k-means++ starts meet for each K, under the smooth and the rough prior."""
    priors = {"inverse-gamma(3, 20)": (family, 1.0), "inverse-gamma(2, 1)": (narrow, 2.0)}
    sizes, restarts = (range(2, 4), 20) if quick else (range(2, 7), 200)
    fits = {
        f"{K}, {prior}": bm.fit_em(bm.Mixture(f, K, weight=bm.Dirichlet(a)), data, seed=K, restarts=restarts)
        for prior, (f, a) in priors.items()
        for K in sizes
    }
    columns = "log posterior", "optima met", "starts at the best", "verdict"
    table = bm.side_by_side(fits, *columns, by="K and the prior of the variances")
    return table.assign(**{"log posterior": table["log posterior"].map("{:.6f}".format)})


def story(em, mcmc, quick):
    free = bm.fit_mcmc(model, data, draws=1500, sampler="gibbs", start="prior", permutation_moves=True, seed=2)
    chains, means = {"from the optimum": mcmc, "from prior draws, names exchanged": free}, {}
    for name, fit in chains.items():
        for kind, draws in {"raw": fit.draws, "relabelled": fit.relabelled}.items():
            mean = np.sort(draws["mean"].mean(axis=(0, 1)).ravel())
            means[f"{name}: {kind}"] = {f"mean {k}": v for k, v in enumerate(mean)}
    yield bm.section(
        "Labels that switch",
        *(f"Chains {name}: verdict {bm.diagnose(fit, em).verdict}." for name, fit in chains.items()),
        "Averages over draws of each component's mean, sorted:",
        (means, "chains", "Only relabelled averages mean anything once labels switch."),
    )
    yield bm.section(
        "The census, K by K",
        "Distinct optima of the log posterior met by k-means++ starts, relabelled copies counted as one. What is "
        "met depends on the starts: the census of this page's own fit began in tight clumps.",
        (census(quick), "How many optima are met, and how often the best; the verdict is on EM alone."),
        (em.modes[["log_posterior", "times_reached", "kind", "differs"]], "K = 3, from tight clumps."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
