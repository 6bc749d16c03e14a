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


def beside_sklearn(em):
    """Cluster sizes and distortion of both programs from the same start."""
    from sklearn.cluster import KMeans

    theirs = KMeans(2, n_init=1, init=start["mean"], algorithm="lloyd").fit(data.x)
    found = {"bayesmix": (em.predict(), em.distortion), "scikit-learn": (theirs.labels_, theirs.inertia_ / data.n)}
    rows = {name: (*np.sort(np.bincount(z))[::-1], f"{value:.7f}") for name, (z, value) in found.items()}
    columns = ["size 1", "size 2", "distortion"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("program")


def story(em, mcmc, quick):
    steps, beside = bm.distortion_trace(em), beside_sklearn(em)
    falls = {f"after the {s}-step": steps[steps["step"] == s] for s in "EM"}
    falls = {name: (part["iteration"], part["distortion"]) for name, part in falls.items()}
    moved = steps[steps["step"] == "M"]
    way = np.array([theta["mean"] for theta in em.runs[0].thetas])
    restarts = 50 if quick else 1000
    many = bm.fit_em(model, data, stiffness=math.inf, start="rows", restarts=restarts, seed=1, keep_trace=True)
    homes = {i: m for m, mode in enumerate(many.optima) for i in mode.restarts}
    shown = range(0, restarts, max(1, restarts // 200))
    ways = [np.array([theta["mean"] for theta in many.runs[i].thetas]) for i in shown]
    climb = (
        dynamics.climb(em, bisectors=True),
        "Rows by cluster and the centres at each iteration of k-means.",
        "Rows in the colour of the nearer centre; the line is where two centres are equally far.",
    )
    path = dynamics.trajectories(data.x, [way], data.names), "Way of the two centres.", "The way of each centre."
    fall = (
        dynamics.curves(falls, "iteration", "mean squared distance"),
        "Distortion after each half-step, falling.",
        "The distortion never rises, neither when rows choose a centre (E) nor when centres move (M).",
    )
    length = (
        dynamics.curves({"moved": (moved["iteration"], moved["moved"])}, "iteration", "displacement of the centres"),
        "Displacement of the centres by iteration, falling to zero.",
        "The climb ends when no centre moves.",
    )
    attractors = (
        dynamics.trajectories(data.x, ways, data.names, [homes.get(i, 0) for i in shown]),
        "Ways of the centres from many random starts to few attractors.",
        f"The ways from {len(ways)} of the starts; one colour for each attractor.",
    )
    return [
        bm.section(
            "The climb, step by step",
            f"From the centres (-1, 1) and (1, -1.1): clusters of {beside.iloc[0, 0]} and {beside.iloc[0, 1]} rows, "
            f"mean squared distance {em.distortion:.7f}.",
            figures=[climb, path, fall, length],
            tables=[(beside, "The same start in both programs.")],
        ),
        bm.section(
            f"Where {restarts} random starts end",
            f"{restarts} starts at random pairs of rows ended in {len(many.optima)} attractor(s), relabelled "
            "copies counted as one.",
            figures=[attractors],
            tables=[(many.modes[["log_posterior", "times_reached", "kind", "differs"]], "The attractors.")],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
