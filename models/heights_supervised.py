"""Heights of 200 people: every label known.

    z_i ~ Categorical(p, 1 - p),   height_i | z_i = k ~ N(centre_k, sd_k^2)
    p ~ U(0, 1),   sd_k ~ U(0, 100),   centre ~ N((165, 178), 20^2),   centre_0 < centre_1,   min(p, 1 - p) >= .1

Source: the supervised model with ordering and mixing potentials of AM207 lecture 13, on the heights of Davis (1990),
centres shifted to these data. U(0, 1) on p is Dirichlet(1, 1) on the weights. The two potentials are built into the
coordinates here (`enforce="transform"`), so NUTS meets no wall.

What to look for: with every label known the two groups are estimated apart: 56 % women, centres 164.7 and 178.0 cm.
"""

import bayesmix as bm

title = "Heights, supervised"
data = bm.datasets.davis("height")
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal([[165], [178]], 20), sd=bm.Uniform(0, 100)),
    2,
    weight=bm.Dirichlet(1.0),
    constraints=(bm.Order("mean"), bm.MinWeight(0.1)),
)
settings = {"draws": 1500, "restarts": 20, "seed": 1}


if __name__ == "__main__":
    bm.run_script(__file__)
