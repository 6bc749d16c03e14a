"""Naive Bayes with few labels: what the unlabelled rows add.

    z_i ~ Categorical(w),   x_ij | z_i = k ~ Bernoulli(prob_kj) independently,   z_i known for a few rows only

Source: AM207 lecture 13 ("has been very useful for Naive Bayes"); Nigam, McCallum, Thrun and Mitchell (2000).

What to look for: with a handful of labels the accuracy on new rows is far better when the unlabelled rows join the
likelihood; with many labels the two curves meet.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Naive Bayes with few labels"
rng = np.random.default_rng(3)
K, words, n = 3, 12, 600
prob = np.clip(rng.beta(1, 4, size=(1, words)) + rng.normal(scale=0.22, size=(K, words)), 0.03, 0.9)
z = rng.integers(K, size=2 * n)
x = (rng.random((2 * n, words)) < prob[z]).astype(float)
counts = (3, 6, 12, 24, 48, 96, 240)


def labelled(count, seed=0, alone=False):
    """Training data with `count` labels, equally many per class; `alone` leaves the unlabelled rows out."""
    rng = np.random.default_rng(seed)
    known = np.concatenate([rng.choice(np.flatnonzero(z[:n] == k), count // K, replace=False) for k in range(K)])
    label = np.full(n, -1)
    label[known] = z[known]
    return bm.Data(x[known], label=label[known]) if alone else bm.Data(x[:n], label=label)


data = labelled(12)
model = bm.Mixture(bm.Bernoulli(prob=bm.Beta(2, 2)), K, weight=bm.Dirichlet(2.0))
settings = {"engine": "em", "restarts": 5, "seed": 1}


def story(em, mcmc, quick):
    rows, repeats, tried = {}, 2 if quick else 10, counts[1::5] if quick else counts
    for count in tried:
        score = {"labels alone": [], "with unlabelled rows": []}
        for seed in range(repeats):
            for name, alone in (("labels alone", True), ("with unlabelled rows", False)):
                few = labelled(count, seed, alone)
                fit = bm.fit_em(model, few, restarts=1, start=_own(few), seed=seed)
                score[name].append(np.mean(fit.predict(x[n:]) == z[n:]))
        rows[count] = {k: np.mean(v) for k, v in score.items()} | {
            "standard error of the difference": np.std(np.subtract(*score.values()), ddof=1) / np.sqrt(repeats)
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("labels")
    lines = {name: (frame.index, frame[name]) for name in ("labels alone", "with unlabelled rows")}
    gain = frame["with unlabelled rows"] - frame["labels alone"]
    return [
        bm.section(
            "Accuracy against the number of labels",
            f"With 6 labels the unlabelled rows raise the accuracy on {n} new rows by {gain[6]:.1%} "
            f"(standard error {frame.loc[6].iloc[2]:.1%}); with {tried[-1]} labels by {gain.iloc[-1]:.1%}.",
            figures=[
                (
                    dynamics.curves(lines, "labelled rows", "accuracy on new rows", log_x=True),
                    "Accuracy against the number of labels, with and without the unlabelled rows.",
                    f"Mean over {repeats} draws of the labelled rows.",
                )
            ],
            tables=[(frame, "Share of new rows classified right.")],
        )
    ]


def _own(few):
    """Responsibilities that start each climb at the labels, and elsewhere at equal shares."""
    r = np.full((few.n, K), 1 / K)
    known = few.label >= 0
    r[known] = np.eye(K)[few.label[known]]
    return r


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
