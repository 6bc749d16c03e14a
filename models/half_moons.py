"""Two half moons: one or several Gaussians per class, beside logistic regression.

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, cov_k);   several components belong to one class

Source: AM207 lecture 13 (generative against discriminative classifiers on two moons); Hastie and Tibshirani (1996)
for mixture discriminant analysis.

What to look for: one Gaussian per class bends the boundary a little, logistic regression not at all; three
Gaussians per class follow the moons.
"""

import numpy as np
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression

import bayesmix as bm
from bayesmix.report import dynamics

title = "Half moons"
names = np.array(["upper", "lower"])
x, side = make_moons(600, noise=0.2, random_state=4)
data = bm.Data(x, label=names[side], names=("x", "y"))
family = bm.MvGaussian()
model = bm.Mixture(family, 6, classes=[0, 0, 0, 1, 1, 1])
settings = {"engine": "em", "restarts": 50, "seed": 1}


def story(em, mcmc, quick):
    classifiers = {
        "three Gaussians per class": em,
        "one Gaussian per class": bm.fit_em(bm.Mixture(family, 2), data, restarts=1, seed=1),
        "logistic regression": LogisticRegression(C=1e6).fit(data.x, data.label),
    }
    new, truth = make_moons(5000, noise=0.2, random_state=5)
    right = {
        name: np.mean(np.array(data.classes)[c.predict_proba(new).argmax(axis=1)] == names[truth])
        for name, c in classifiers.items()
    }
    return [
        bm.section(
            "Three classifiers",
            f"On new rows three Gaussians per class are right in {right['three Gaussians per class']:.1%}, logistic "
            f"regression in {right['logistic regression']:.1%}.",
            figures=[
                (dynamics.regions(data, classifiers), "Where each classifier gives both classes the same probability.")
            ],
            tables=[
                (
                    {name: {"accuracy on 5000 new rows": share} for name, share in right.items()},
                    "classifier",
                    "Share of new rows classified right.",
                )
            ],
        )
    ]


if __name__ == "__main__":
    bm.run_script(__file__)
