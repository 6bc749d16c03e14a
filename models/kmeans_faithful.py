"""k-means on Old Faithful, as a mixture: unit spheres, equal weights, hard assignments.

    z_i = argmin_k |x_i - mean_k|,   mean_k = average of the rows with z_i = k

which is EM at infinite stiffness for x_i | z_i = k ~ N(mean_k, I), w = (1/2, 1/2) and a flat prior on the centres.

Source: lecture notes, "K-means: do it yourself"; Bishop (2006), section 9.1. Data: Azzalini and Bowman (1990),
both columns divided by their standard deviation.

What to look for: from the centres (-1, 1) and (1, -1.1) the clusters have 174 and 98 rows and the mean squared
distance is .2925587. No half-step raises the distortion, and all random starts fall to the same two centres.
"""

import math

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "k-means on Old Faithful"
raw = bm.datasets.old_faithful()
data = bm.Data((raw.x - raw.x.mean(axis=0)) / raw.x.std(axis=0), names=raw.names)
model = bm.Mixture(
    bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True), 2, weight=bm.Fixed([0.5, 0.5])
)
start = {"weight": np.array([0.5, 0.5]), "mean": np.array([[-1, 1], [1, -1.1]]), "var": np.array([[1.0]])}
settings = {"engine": "em", "seed": 1, "em": {"stiffness": math.inf, "start": start, "keep_trace": True}}


def distances(centres):
    """Squared distance of each row to each centre, (n, K)."""
    return ((data.x[:, None, :] - centres) ** 2).sum(axis=2)


def half_steps(path):
    """The mean squared distance to the own centre after every half-step, E and M apart."""
    rows, z = [], None
    for i, centres in enumerate(path):
        if i > 0:  # M: the centres have moved, the assignment has not
            rows.append((i, "M", distances(centres)[np.arange(data.n), z].mean()))
        z = distances(centres).argmin(axis=1)
        rows.append((i, "E", distances(centres).min(axis=1).mean()))
    return pd.DataFrame(rows, columns=["iteration", "half-step", "distortion"])


def story(em, mcmc, quick):
    from sklearn.cluster import KMeans

    path = np.array([theta["mean"] for theta in em.runs[0].thetas])
    steps, moved = half_steps(path), np.sqrt((np.diff(path, axis=0) ** 2).sum(axis=(1, 2)))
    falls = {
        "after the E-step": tuple(steps[steps["half-step"] == "E"][c] for c in ("iteration", "distortion")),
        "after the M-step": tuple(steps[steps["half-step"] == "M"][c] for c in ("iteration", "distortion")),
    }
    sizes = np.bincount(em.predict())
    theirs = KMeans(2, n_init=1, init=start["mean"], algorithm="lloyd").fit(data.x)
    beside = pd.DataFrame(
        {
            "size 1": [sizes.max(), np.bincount(theirs.labels_).max()],
            "size 2": [sizes.min(), np.bincount(theirs.labels_).min()],
            "distortion": [f"{em.distortion:.7f}", f"{theirs.inertia_ / data.n:.7f}"],
        },
        index=pd.Index(["bayesmix", "scikit-learn"], name="program"),
    )
    many = bm.fit_em(
        model, data, stiffness=math.inf, start="rows", restarts=50 if quick else 1000, seed=1, keep_trace=True
    )
    homes = {i: m for m, mode in enumerate(many.optima) for i in mode.restarts}
    shown = range(0, len(many.runs), max(1, len(many.runs) // 200))
    paths = [np.array([theta["mean"] for theta in many.runs[i].thetas]) for i in shown]
    return [
        bm.section(
            "The climb, step by step",
            f"From the centres (-1, 1) and (1, -1.1): clusters of {sizes.max()} and {sizes.min()} rows, mean squared "
            f"distance {em.distortion:.7f}.",
            figures=[
                (
                    dynamics.climb(em, bisectors=True),
                    "Rows by cluster and the centres at each iteration of k-means.",
                    "Rows in the colour of the nearer centre; the line is where two centres are equally far.",
                ),
                (
                    dynamics.trajectories(data.x, [path], data.names),
                    "Way of the two centres.",
                    "The way of each centre.",
                ),
                (
                    dynamics.curves(falls, "iteration", "mean squared distance"),
                    "Distortion after each half-step, falling.",
                    "The distortion never rises, neither when rows choose a centre (E) nor when centres move (M).",
                ),
                (
                    dynamics.curves(
                        {"moved": (np.arange(1, len(moved) + 1), moved)}, "iteration", "displacement of the centres"
                    ),
                    "Displacement of the centres by iteration, falling to zero.",
                    "The climb ends when no centre moves.",
                ),
            ],
            tables=[(beside, "The same start in both programs.")],
        ),
        bm.section(
            f"Where {len(many.runs)} random starts end",
            f"{len(many.runs)} starts at random pairs of rows ended in {len(many.optima)} attractor(s), relabelled "
            "copies counted as one.",
            figures=[
                (
                    dynamics.trajectories(data.x, paths, data.names, [homes.get(i, 0) for i in shown]),
                    "Ways of the centres from many random starts to few attractors.",
                    f"The ways from {len(paths)} of the starts; one colour for each attractor.",
                )
            ],
            tables=[(many.modes[["log_posterior", "times_reached", "kind", "differs"]], "The attractors.")],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
