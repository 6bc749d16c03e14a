"""Two half moons: one or several Gaussians per class, beside logistic regression.

    z_i ~ Categorical(w),   x_i | z_i = k ~ N(mean_k, cov_k);   several components belong to one class

Source: AM207 lecture 13 (generative against discriminative classifiers on two moons); Hastie and Tibshirani (1996)
for mixture discriminant analysis.

What to look for: one Gaussian per class bends the boundary a little, logistic regression not at all; three
Gaussians per class follow the moons.
"""

from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression

import bayesmix as bm
from bayesmix.report import dynamics

title = "Half moons"
x, side = make_moons(600, noise=0.2, random_state=4)
data = bm.Data(x, label=1 - side, names=("x", "y"), classes=("lower", "upper"))
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
    scores = bm.scores({name: one.predict_proba(new) for name, one in classifiers.items()}, 1 - truth)
    right = scores["accuracy"]
    yield bm.section(
        "Three classifiers",
        f"On new rows three Gaussians per class are right in {right['three Gaussians per class']:.1%}, logistic "
        f"regression in {right['logistic regression']:.1%}.",
        (dynamics.regions(data, classifiers), "Where each classifier gives both classes the same probability."),
        (scores, "Share of 5000 new rows classified right, and mean log probability of their true class."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
