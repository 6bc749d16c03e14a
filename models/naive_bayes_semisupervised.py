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
training = bm.Data(x[:n], label=z[:n])


def known(count, seed=0):
    """(count,) rows of the training data whose labels are to be known, equally many of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.choice(np.flatnonzero(training.label == k), count // K, replace=False) for k in range(K)]
    )


data = training.keep_labels(known(12))
model = bm.Mixture(bm.Bernoulli(prob=bm.Beta(2, 2)), K, weight=bm.Dirichlet(2.0))
settings = {"engine": "em", "restarts": 5, "seed": 1}


def accuracies(rows):
    """Share of new rows classified right: from these labelled rows alone, and with the unlabelled ones."""
    tables = training.take(rows), training.keep_labels(rows)
    fits = [bm.fit_em(model, table, start=np.ones((table.n, K))) for table in tables]  # where unlabelled, equal shares
    return [np.mean(fit.predict(x[n:]) == z[n:]) for fit in fits]


def story(em, mcmc, quick):
    counts, repeats = ((6, 96), 2) if quick else ((3, 6, 12, 24, 48, 96, 240), 10)
    shares = np.array([[accuracies(known(count, seed)) for seed in range(repeats)] for count in counts])
    index = pd.Index(counts, name="labels")
    frame = pd.DataFrame(shares.mean(axis=1), index, columns=["labels alone", "with unlabelled rows"])
    lines = dynamics.curves(frame, "accuracy on new rows", log_x=True)
    gain = shares[..., 1] - shares[..., 0]
    frame["gain"], frame["its standard error"] = gain.mean(axis=1), gain.std(axis=1, ddof=1) / repeats**0.5
    yield bm.section(
        "Accuracy against the number of labels",
        f"With 6 labels the unlabelled rows raise the accuracy on {n} new rows by {frame.loc[6, 'gain']:.1%} "
        f"(standard error {frame.loc[6, 'its standard error']:.1%}); with {counts[-1]} labels by "
        f"{frame['gain'].iloc[-1]:.1%}.",
        (lines, f"Mean over {repeats} draws of the labelled rows."),
        (frame, "Share of new rows classified right."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
