"""A generative classifier: sex from height and weight, with one covariance for both classes (discriminant analysis).

    z_i ~ Categorical(w),   (weight_i, height_i) | z_i = k ~ N(mean_k, cov),   every z_i known

Source: AM207 lecture 13 (generative classifiers, Gaussian discriminant analysis); data: Davis (1990).

What to look for: with a shared covariance the boundary is a straight line, close to that of logistic regression.
The generative model also answers what logistic regression cannot: a class may be added without refitting the others,
and a person whose weight is unknown is classified by height alone.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import bayesmix as bm
from bayesmix.report import dynamics

title = "Discriminant analysis of heights and weights"
data = bm.datasets.davis()
model = bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat(), shared=True), 2, weight=bm.Flat())
settings = {"engine": "em", "restarts": 1, "seed": 1}
classifiers = {
    "mixture": lambda data: bm.fit_em(model, data, restarts=1, seed=1),
    "logistic regression": lambda data: LogisticRegression(C=1e6, max_iter=5000).fit(data.x, data.label),
}


def with_children(em, people):
    """The classes' probabilities of people once a third class is added by hand; the other two keep their parameters."""
    weight, mean = np.append(0.9 * em.best["weight"], 0.1), np.vstack([em.best["mean"], [35.0, 140.0]])
    three = bm.Mixture(model.family, 3, weight=bm.Flat())
    return three.responsibilities(people, {"weight": weight, "mean": mean, "cov": em.best["cov"]})


def story(em, mcmc, quick):
    boundaries = dynamics.regions(data, {name: fit(data) for name, fit in classifiers.items()})
    proba = {name: bm.out_of_fold(fit, data) for name, fit in classifiers.items()}
    scores = bm.scores(proba, data.label)
    shares = ", ".join(f"{name} {share:.3f}" for name, share in scores["accuracy"].items())
    yield bm.section(
        "The boundary, and logistic regression",
        f"Ten-fold accuracy: {shares}.",
        (boundaries, "Where each classifier gives both classes the same probability."),
        (dynamics.calibration(data.label, proba), "Calibration over ten folds; bars are one standard error."),
        (scores, "Ten-fold cross-validation."),
    )
    people = pd.DataFrame([[60, 165], [60, np.nan], [np.nan, 165], [np.nan, np.nan]], columns=data.names)
    people["p(M)"] = em.predict_proba(people.to_numpy())[:, 1]
    added = with_children(em, np.array([[33.0, 138.0], [60.0, 165.0]]))
    added = pd.DataFrame(added, columns=["F", "M", "child"], index=["33 kg, 138 cm", "60 kg, 165 cm"])
    yield bm.section(
        "What only the generative model can do",
        (people.rename_axis("person"), "What is unknown is summed out; with nothing known the share remains."),
        (added.rename_axis("person"), "A third class added without refitting the other two."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
