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


def heights(mixture, theta, sds):
    """Log posterior with the first component moved onto row 0 and its sd set to each value."""
    out = []
    for sd in sds:
        moved = {name: np.array(value) for name, value in theta.items()}
        moved["mean"][0], moved["var"][0] = data.x[0], sd**2
        out.append(sum(mixture.log_posterior(data, moved).values()))
    return np.array(out)


def story(em, mcmc, quick):
    options = {"restarts": 15 if quick else 100, "start": "clumps", "seed": 1}
    free, kept = bm.fit_em(bare, data, **options), bm.fit_em(model, data, **options)
    lost = {name: sum(r.status == "collapsed" for r in f.runs) for name, f in (("free", free), ("kept", kept))}
    sds = np.geomspace(1e-8, 3, 80)
    figure = dynamics.curves(
        {"likelihood": (sds, heights(bare, free.best, sds)), "with the prior": (sds, heights(model, em.best, sds))},
        "sd of the component that sits on one row",
        "log density",
        log_x=True,
        limits=(em.log_posterior - 120, free.log_likelihood + 60),
    )
    rows = {
        "likelihood (flat priors)": (len(free.runs), lost["free"], len(free.optima)),
        "inverse-gamma prior on the variance": (len(kept.runs), lost["kept"], len(kept.optima)),
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["restarts", "collapsed", "distinct optima"])
    return [
        bm.section(
            "A spike on one row",
            f"Without priors {lost['free']} of {len(free.runs)} restarts from tight clumps collapsed; with the prior "
            f"{lost['kept']} did.",
            figures=[
                (
                    figure,
                    "Log density against the sd of a component on one row: the likelihood rises without bound as "
                    "the sd falls, the posterior falls.",
                    "Down to the left the likelihood rises like -log sd, for ever. The prior turns it down.",
                )
            ],
            tables=[(frame.rename_axis("objective"), "The same starts under both objectives.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
