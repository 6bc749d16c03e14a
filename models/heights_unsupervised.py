"""Heights of 200 people: no label known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(centre_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   centre ~ N((165, 178), 20^2),   centre_0 < centre_1,   min(p, 1 - p) >= .1

Source: the unsupervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis (1990),
centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two potentials are built into the
coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: without labels the same order and floor identify the groups, but the posterior is far wider.
"""

import bayesmix as bm

title = "Heights, unsupervised"
data = bm.datasets.davis("height").keep_labels([])
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 2000, "restarts": 20, "seed": 1}


def story(em, mcmc, quick):
    start = [mcmc.theta(chain, 0) for chain in range(mcmc.shape[0])]  # draws of this page's own chains
    options = {"sampler": "gibbs", "draws": 60, "tune": 60} if quick else {"draws": 1500}
    fits = {}
    for way in ("transform", "potential", "soft"):
        walls = bm.Order("mean", enforce=way), bm.MinWeight(0.1, enforce=way)
        same = bm.Mixture(model.family, 2, weight=model.weight, constraints=walls)
        fits[way] = bm.fit_mcmc(same, data, start=start, chains=len(start), seed=1, **options)
    table = bm.side_by_side(fits, "divergent draws", "least ESS", "estimates", by="enforce")
    yield bm.section(
        "Three ways to enforce the order and the floor",
        "A transform and a hard potential are the same posterior; the soft walls are another one. Only the "
        "potential puts walls in NUTS's way, and its divergences say so.",
        (table, "Posterior means, the share of draws that diverged, and the smallest bulk ESS."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
