"""Two half moons: one or several Gaussians per class, beside logistic regression.

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, cov_k);   several components belong to one class

Source: AM207 lecture 13 (generative against discriminative classifiers on two moons); Hastie and Tibshirani (1996)
for mixture discriminant analysis.

What to look for: one Gaussian per class bends the boundary a little, logistic regression not at all; three
Gaussians per class follow the moons.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Half moons"


def moons(n, seed):
    """(rows, class) of two interleaving half circles of radius 1 with noise of sd .15."""
    rng = np.random.default_rng(seed)
    side, angle = rng.integers(2, size=n), rng.uniform(0, np.pi, n)
    x = np.stack(
        [np.where(side == 0, np.cos(angle), 1 - np.cos(angle)), np.where(side == 0, np.sin(angle), 0.5 - np.sin(angle))]
    )
    return x.T + rng.normal(scale=0.15, size=(n, 2)), side


x, side = moons(600, seed=4)
data = bm.Data(x, label=np.array(["lower", "upper"])[1 - side], names=("x", "y"))
family = bm.MvGaussian()
model = bm.Mixture(family, 6, classes=[0, 0, 0, 1, 1, 1])
settings = {"engine": "em", "restarts": 50, "seed": 1}


def story(em, mcmc, quick):
    from sklearn.linear_model import LogisticRegression

    one = bm.fit_em(bm.Mixture(family, 2), data, restarts=1, seed=1)
    other = LogisticRegression(C=1e6).fit(data.x, data.label)
    lines = {
        "three Gaussians per class": lambda x: em.predict_proba(x)[:, 1],
        "one Gaussian per class": lambda x: one.predict_proba(x)[:, 1],
        "logistic regression": lambda x: other.predict_proba(x)[:, 1],
    }
    new, truth = moons(5000, seed=5)
    upper = np.asarray(data.classes).tolist().index("upper")
    rows = {
        name: {"accuracy on 5000 new rows": np.mean((f(new) > 0.5) == ((1 - truth) == upper))}
        for name, f in lines.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("classifier")
    best = frame.iloc[0, 0]
    return [
        bm.section(
            "Three classifiers",
            f"On new rows three Gaussians per class are right in {best:.1%}, "
            f"logistic regression in {frame.iloc[2, 0]:.1%}.",
            figures=[
                (
                    dynamics.regions(data, lines),
                    "Two half moons with the boundaries of three classifiers.",
                    "Where each classifier gives both classes the same probability.",
                )
            ],
            tables=[(frame, "Share of 5000 new rows classified right.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
