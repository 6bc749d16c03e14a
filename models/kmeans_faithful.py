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
from sklearn.cluster import KMeans

import bayesmix as bm
from bayesmix.report import dynamics

title = "k-means on Old Faithful"
data = bm.datasets.old_faithful().standardised()
sphere = bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True)
model = bm.Mixture(sphere, 2, weight=bm.Fixed([0.5, 0.5]))
centres = np.array([[-1, 1], [1, -1.1]])
settings = {"engine": "em", "seed": 1, "em": {"stiffness": math.inf, "start": {"mean": centres}, "keep_trace": True}}


def story(em, mcmc, quick):
    theirs = KMeans(2, n_init=1, init=centres, algorithm="lloyd").fit(data.x)
    ends = {"bayesmix": (em.predict(), em.distortion), "scikit-learn": (theirs.labels_, theirs.inertia_ / data.n)}
    lines = {
        program: {"rows 0": (z == 0).sum(), "rows 1": (z == 1).sum(), "distortion": f"{distance:.7f}"}
        for program, (z, distance) in ends.items()
    }
    more, fewer = sorted(np.bincount(em.predict()), reverse=True)
    yield bm.section(
        "The climb, step by step",
        f"From the centres (-1, 1) and (1, -1.1): clusters of {more} and {fewer} rows, mean squared distance "
        f"{em.distortion:.7f}.",
        (dynamics.climb(em, bisectors=True), "Rows by the nearer centre; on the line both are equally far."),
        (dynamics.trajectories(em), "The ways of the two centres."),
        (dynamics.distortion(em), "The distance never rises, and the climb ends when no centre moves."),
        (lines, "program", "The same start in both programs."),
    )
    many = bm.kmeans(data, 2, start="rows", restarts=50 if quick else 1000, seed=1, keep_trace=True)
    yield bm.section(
        f"Where {len(many.runs)} random starts end",
        f"{len(many.runs)} starts at random pairs of rows ended in {len(many.optima)} attractor(s), relabelled "
        "copies counted as one.",
        (dynamics.trajectories(many), "Ways of the centres (of at most 200 starts); a colour for each attractor."),
        (many.modes[["objective", "times_reached", "differs"]], "The attractors."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
