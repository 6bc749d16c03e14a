"""Heights of 200 people: no label known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(center_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   center ~ N((165, 178), 20^2),   center_0 < center_1,   min(p, 1 - p) >= .1

Source: the unsupervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis (1990),
centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two potentials are built into the
coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: without labels the same order and floor identify the groups, but the posterior is far wider.
"""

import pandas as pd

import bayesmix as bm

title = "Heights, unsupervised"
heights = bm.datasets.davis("height")
label = None
data = bm.Data(heights.x, label=label, names=heights.names)
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 1500, "restarts": 50, "seed": 1}


def ways(sampler, draws):
    """Posterior means and divergences under each way to enforce the order and the floor."""
    rows = {}
    for enforce in ("transform", "potential", "soft"):
        same = bm.Mixture(
            model.family,
            2,
            weight=model.weight,
            constraints=(bm.Order("mean", enforce=enforce), bm.MinWeight(0.1, enforce=enforce)),
        )
        fit = bm.fit_mcmc(same, data, draws=draws, sampler=sampler, seed=1)
        stats = fit.groups["sample_stats"]
        diverged = f"{float(stats['diverging'].mean()):.1%}" if "diverging" in stats else "Gibbs has none"
        mean = {name: fit.relabelled[name].mean(axis=(0, 1)).ravel() for name in ("weight", "mean", "sd")}
        rows[enforce] = {"divergent draws": diverged, "p": mean["weight"][0]} | {
            f"{what} {k}": mean[name][k] for what, name in (("center", "mean"), ("sd", "sd")) for k in (0, 1)
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("enforce")


def story(em, mcmc, quick):
    table = ways("gibbs", 300) if quick else ways("nutpie", 1500)
    return [
        bm.section(
            "Three ways to enforce the order and the floor",
            "A transform and a hard potential are the same posterior; the soft walls are another one. Only the "
            "potential puts walls in NUTS's way, and its divergences say so.",
            tables=[(table, "Posterior means, and the share of draws that diverged.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
