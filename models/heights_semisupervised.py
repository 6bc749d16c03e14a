"""Heights of 200 people: the first twenty labels known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(centre_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   centre ~ N((165, 178), 20^2),   centre_0 < centre_1,   min(p, 1 - p) >= .1

Source: the semi-supervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis
(1990), centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two
potentials are built into the coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: twenty labels are enough to name the groups; the other 180 rows still sharpen the densities. The
table adds the labels a few at a time: the first ones narrow the posterior most.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.diagnostics.convergence import least_ess
from bayesmix.report import dynamics

title = "Heights, semi-supervised"
heights = bm.datasets.davis("height")


def labelled(count):
    """The heights with the labels of the first `count` rows."""
    label = np.where(np.arange(heights.n) < count, np.array(heights.classes)[heights.label], "")
    return bm.Data(heights.x, label=label, names=heights.names) if count else bm.Data(heights.x, names=heights.names)


data = labelled(20)
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 1500, "restarts": 20, "seed": 1}
counts = (0, 10, 20, 50, 100, 150, 200)


def width(count, **options):
    """One line: posterior sd of the parameters with `count` labels, by Gibbs."""
    fit = bm.fit_mcmc(model, labelled(count), sampler="gibbs", start="prior", seed=1, **options)
    sd = {name: v.std(axis=(0, 1)).ravel() for name, v in fit.relabelled.items()}
    values = {f"{what} {k}": sd[name][k] for what, name in (("centre", "mean"), ("sd", "sd")) for k in (0, 1)}
    return {"least ESS": round(least_ess(fit)), "p": sd["weight"][0]} | values


def story(em, mcmc, quick):
    tried = counts[::2] if quick else counts
    draws = {c: 100 if quick else 4000 if c else 24000 for c in tried}  # without labels the chains are slow
    options = {"tune": 100, "chains": 2} if quick else {}
    rows = {c: width(c, draws=draws[c], **options) for c in tried}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("labels")
    lines = {name: (table.index, table[name]) for name in ("centre 0", "centre 1", "sd 0", "sd 1")}
    fewer = (
        dynamics.curves(lines, "labelled rows", "posterior sd (cm)"),
        "Posterior standard deviations of centres and spreads, falling with the number of labels.",
        "All 200 heights are used every time; only the number of labels changes.",
    )
    return [
        bm.section(
            "What each label adds",
            f"Without labels the centres are known to {table['centre 0'].iloc[0]:.2f} and "
            f"{table['centre 1'].iloc[0]:.2f} cm, with 20 to {table['centre 0'][20]:.2f} and "
            f"{table['centre 1'][20]:.2f}, with all 200 to {table['centre 0'].iloc[-1]:.2f} and "
            f"{table['centre 1'].iloc[-1]:.2f} (posterior standard deviations).",
            figures=[fewer],
            tables=[(table, "Posterior standard deviations by the number of labels, and the smallest bulk ESS.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
