"""Heights of 200 people: no label known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(centre_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   centre ~ N((165, 178), 20^2),   centre_0 < centre_1,   min(p, 1 - p) >= .1

Source: the unsupervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis (1990),
centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two potentials are built into the
coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: without labels the same order and floor identify the groups, but the posterior is far wider.
"""

import pandas as pd

import bayesmix as bm
from bayesmix.diagnostics.convergence import least_ess

title = "Heights, unsupervised"
heights = bm.datasets.davis("height")
data = bm.Data(heights.x, names=heights.names)
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 2000, "restarts": 20, "seed": 1}


def enforced(way, start, **options):
    """One line: what the posterior is when the constraints are enforced this way."""
    constraints = bm.Order("mean", enforce=way), bm.MinWeight(0.1, enforce=way)
    same = bm.Mixture(model.family, 2, weight=model.weight, constraints=constraints)
    fit = bm.fit_mcmc(same, data, start=start, chains=len(start), seed=1, **options)
    stats, mean = fit.groups["sample_stats"], {n: v.mean(axis=(0, 1)).ravel() for n, v in fit.relabelled.items()}
    diverged = f"{float(stats['diverging'].mean()):.1%}" if "diverging" in stats else "Gibbs has none"
    values = {f"{what} {k}": mean[name][k] for what, name in (("centre", "mean"), ("sd", "sd")) for k in (0, 1)}
    return {"divergent draws": diverged, "least ESS": round(least_ess(fit)), "p": mean["weight"][0]} | values


def story(em, mcmc, quick):
    few = {"sampler": "gibbs", "draws": 60, "tune": 60}
    start = [mcmc.theta(chain, 0) for chain in range(mcmc.shape[0])]  # draws of this page's own chains
    ways = {
        way: enforced(way, start, **few if quick else {"draws": 1500}) for way in ("transform", "potential", "soft")
    }
    table = pd.DataFrame.from_dict(ways, orient="index").rename_axis("enforce")
    return [
        bm.section(
            "Three ways to enforce the order and the floor",
            "A transform and a hard potential are the same posterior; the soft walls are another one. Only the "
            "potential puts walls in NUTS's way, and its divergences say so.",
            tables=[(table, "Posterior means, the share of draws that diverged, and the smallest bulk ESS.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
