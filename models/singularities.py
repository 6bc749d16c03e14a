"""Likelihood without priors collapses, the MAP does not.

    galaxies: x_i | z_i = k ~ N(mean_k, sd_k^2), K = 3

The likelihood has no upper bound: put a mean on one row and let its sd go to 0. EM then ends in a spike, or, from
luckier starts, in an interior optimum. An inverse-gamma prior on the variance makes every optimum a proper one.

Sources: lecture notes 002 and 004; Bishop (2006), section 9.2.1; Chen and Tan (2009) for the penalty.

What to look for: the restarts that collapsed are counted and named, never "repaired"; with the prior none does.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Singularities"
data = bm.datasets.galaxies()
model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 3, weight=bm.Dirichlet(1.0))
bare = bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 3, weight=bm.Flat())
settings = {"engine": "em", "restarts": 200, "seed": 1}


def spike(mixture, theta, sd):
    """Log posterior with the component that is nearest to row 0 moved onto it and its sd set to this value."""
    moved = {name: np.array(value) for name, value in theta.items()}
    k = np.abs(moved["mean"] - data.x[0]).argmin()
    moved["mean"][k], moved["var"][k] = data.x[0], sd**2
    return sum(mixture.log_posterior(data, moved).values())


def story(em, mcmc, quick):
    options = {"restarts": 15 if quick else 100, "start": "clumps", "seed": 1}
    free, kept = bm.fit_em(bare, data, **options), bm.fit_em(model, data, **options)
    fits = {"likelihood (flat priors)": free, "inverse-gamma prior on the variance": kept}
    table = bm.side_by_side(fits, "restarts", "collapsed", "optima met", by="objective")
    lost = table["collapsed"]
    lines = pd.DataFrame(index=pd.Index(np.geomspace(1e-8, 3, 80), name="sd of the component that sits on one row"))
    lines["likelihood"] = [spike(bare, free.best, sd) for sd in lines.index]
    lines["with the prior"] = [spike(model, em.best, sd) for sd in lines.index]
    limits = em.log_posterior - 120, free.log_likelihood + 60
    curves = dynamics.curves(lines, "log density", log_x=True, limits=limits)
    yield bm.section(
        "A spike on one row",
        f"Without priors {lost.iloc[0]} of {len(free.runs)} restarts from tight clumps collapsed; with the prior "
        f"{lost.iloc[1]} did.",
        (curves, "To the left the likelihood rises like -log sd, for ever. The prior turns it down."),
        (table, "The same starts under both objectives."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
