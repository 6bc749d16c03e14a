"""Heights of 200 people: the first twenty labels known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(centre_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   centre ~ N((165, 178), 20^2),   centre_0 < centre_1,   min(p, 1 - p) >= .1

Source: the semi-supervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis
(1990), centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two
potentials are built into the coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: twenty labels are enough to name the groups; the other 180 rows still sharpen the densities. The
table adds the labels a few at a time: the first ones narrow the posterior most.
"""

import bayesmix as bm
from bayesmix.report import dynamics

title = "Heights, semi-supervised"
heights = bm.datasets.davis("height")
data = heights.keep_labels(slice(20))
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 1500, "restarts": 20, "seed": 1}


def story(em, mcmc, quick):
    draws = {c: 4000 if c else 24_000 for c in (0, 10, 20, 50, 100, 150, 200)}  # without labels the chains are slow
    sizes = {c: {"draws": d} for c, d in draws.items()}
    sizes = {c: {"draws": 100, "tune": 100, "chains": 2} for c in (0, 20, 200)} if quick else sizes
    chains = {"sampler": "gibbs", "start": "prior", "seed": 1}
    fits = {c: bm.fit_mcmc(model, heights.keep_labels(slice(c)), **chains, **size) for c, size in sizes.items()}
    table = bm.side_by_side(fits, "least ESS", "spreads", by="labels")
    centres = table[["mean[0, height]", "mean[1, height]"]]
    none, twenty, every = (" and ".join(f"{sd:.2f}" for sd in centres.loc[c]) for c in (0, 20, 200))
    curves = dynamics.curves(table.filter(regex="mean|sd"), "posterior sd (cm)", "labelled rows")
    yield bm.section(
        "What each label adds",
        f"Without labels the centres are known to {none} cm, with 20 to {twenty}, with all 200 to {every} "
        "(posterior standard deviations).",
        (curves, "All 200 heights are used every time; only the number of labels changes."),
        (table, "Posterior standard deviations by the number of labels, and the smallest bulk ESS."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
