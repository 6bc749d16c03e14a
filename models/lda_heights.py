"""A generative classifier: sex from height and weight, with one covariance for both classes (discriminant analysis).

    z_i ~ Categorical(w),   (weight_i, height_i) | z_i = k ~ N(mean_k, cov),   every z_i known

Source: AM207 lecture 13 (generative classifiers, Gaussian discriminant analysis); data: Davis (1990).

What to look for: with a shared covariance the boundary is a straight line, close to that of logistic regression.
The generative model also answers what logistic regression cannot: a class may be added without refitting the others,
and a person whose weight is unknown is classified by height alone.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Discriminant analysis of heights and weights"
data = bm.datasets.davis()
model = bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat(), shared=True), 2, weight=bm.Flat())
settings = {"engine": "em", "restarts": 1, "seed": 1}


def folds(count=10):
    """The probability of the second class for each row, by a fit to the other folds; both classifiers."""
    from sklearn.linear_model import LogisticRegression

    names = np.array(data.classes)[data.label]
    fold, out = np.arange(data.n) % count, {"mixture": np.empty(data.n), "logistic regression": np.empty(data.n)}
    for f in range(count):
        rest = fold != f
        fit = bm.fit_em(model, bm.Data(data.x[rest], label=names[rest], names=data.names), restarts=1, seed=1)
        out["mixture"][~rest] = fit.predict_proba(data.x[~rest])[:, 1]
        other = LogisticRegression(C=1e6, max_iter=5000).fit(data.x[rest], data.label[rest])
        out["logistic regression"][~rest] = other.predict_proba(data.x[~rest])[:, 1]
    return out


def story(em, mcmc, quick):
    from sklearn.linear_model import LogisticRegression

    other = LogisticRegression(C=1e6, max_iter=5000).fit(data.x, data.label)
    lines = {
        "mixture": lambda x: em.predict_proba(x)[:, 1],
        "logistic regression": lambda x: other.predict_proba(x)[:, 1],
    }
    proba = folds()
    rows = {
        name: {
            "accuracy": np.mean((p > 0.5) == data.label),
            "mean log score": np.mean(np.log(np.where(data.label == 1, p, 1 - p))),
        }
        for name, p in proba.items()
    }
    people = pd.DataFrame([[60, 165], [60, np.nan], [np.nan, 165], [np.nan, np.nan]], columns=data.names)
    people["p(M)"] = em.predict_proba(people.to_numpy())[:, 1]
    # A third class, children, is added by hand: the other two keep their parameters.
    theta = {
        "weight": np.append(0.9 * em.best["weight"], 0.1),
        "mean": np.vstack([em.best["mean"], [35.0, 140.0]]),
        "cov": em.best["cov"],
    }
    three = bm.Mixture(model.family, 3, weight=bm.Flat())
    joint = three.log_joint(np.array([[33.0, 138.0], [60.0, 165.0]]), theta)
    added = pd.DataFrame(
        np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)),
        columns=["F", "M", "child"],
        index=pd.Index(["33 kg, 138 cm", "60 kg, 165 cm"], name="person"),
    )
    return [
        bm.section(
            "The boundary, and logistic regression",
            f"Ten-fold accuracy: mixture {rows['mixture']['accuracy']:.3f}, logistic regression "
            f"{rows['logistic regression']['accuracy']:.3f}.",
            figures=[
                (
                    dynamics.regions(data, lines),
                    "Women and men by weight and height with two nearly equal straight boundaries.",
                    "Where each classifier gives both classes the same probability.",
                ),
                (
                    dynamics.calibration(data.label, proba),
                    "Observed share of men against the predicted probability.",
                    "Calibration over ten folds; bars are one standard error.",
                ),
            ],
            tables=[
                (pd.DataFrame.from_dict(rows, orient="index").rename_axis("classifier"), "Ten-fold cross-validation.")
            ],
        ),
        bm.section(
            "What only the generative model can do",
            tables=[
                (
                    people.rename_axis("person"),
                    "A missing feature is summed out; with none left the class share remains.",
                ),
                (added, "A third class added without refitting the other two."),
            ],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
