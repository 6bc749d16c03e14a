"""A Gaussian with missing cells: the lecture's loop, exact EM, and MCMC.

    (x_i, y_i) ~ N(mean, cov), 40 rows, y missing in 20 of them

The lecture replaces the missing y by their regression means and takes plain moments: that drops the conditional
variance, so its limit is not the maximum of the likelihood. Exact EM adds the conditional covariance.

Source: AM207 lecture 13 (its printed table is the one below).

What to look for: the loop's limit is s2 = .862140, rho = .947156; the true maximum has s2 = .905410, rho = .901892 and
the same mu2 = 1.167936, with log likelihood -73.174978. The posterior lies around the true maximum.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Missing values"
table = np.loadtxt(Path(__file__).parent / "data" / "am207_missing.csv", delimiter=",", skiprows=1, comments="#")
table[20:, 1] = np.nan
data = bm.Data(table, names=("x", "y"))
family = bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat())
model = bm.Mixture(bm.MvGaussian(mean=bm.Normal([2, 1], 10), cov=bm.InverseWishart(4, [[1, 0], [0, 1]])), 1)
settings = {"draws": 2000, "sampler": "gibbs", "restarts": 1, "seed": 1}


def moments(mean, cov):
    sd = np.sqrt(np.diag(cov))
    return [mean[0], mean[1], cov[0, 1] / sd.prod(), *sd]


def lecture(steps=20):
    """The lecture's table: moments of the completed rows, then means put into the gaps, over and over."""
    full, gap, rows = np.where(np.isnan(data.x), 0.0, data.x), np.isnan(data.x[:, 1]), []
    for _ in range(steps):
        rows.append(moments(full.mean(axis=0), np.cov(full.T, bias=True)))
        mu1, mu2, rho, s1, s2 = rows[-1]
        full[gap, 1] = mu2 + rho * s2 / s1 * (full[gap, 0] - mu1)
    return pd.DataFrame(rows, columns=["mu1", "mu2", "rho", "s1", "s2"]).rename_axis("step")


def story(em, mcmc, quick):
    loop, exact = lecture(), bm.fit_em(bm.Mixture(family, 1), data, restarts=1, seed=1, keep_trace=True)
    shortcut = bm.fit_em(bm.Mixture(family, 1), data, restarts=1, seed=1, impute="mean")
    rows = {
        "the lecture's loop, 20 steps": loop.iloc[-1].tolist(),
        "its limit": lecture(1000).iloc[-1].tolist(),
        'impute="mean"': moments(shortcut.best["mean"][0], shortcut.best["cov"][0]),
        "exact EM": moments(exact.best["mean"][0], exact.best["cov"][0]),
    }
    if mcmc is not None:
        draws = [moments(t["mean"][0], t["cov"][0]) for t in mcmc.thetas()]
        rows |= {"posterior mean": np.mean(draws, axis=0), "posterior sd": np.std(draws, axis=0)}
    frame = pd.DataFrame(
        [[f"{v:.6f}" for v in r] for r in rows.values()], columns=loop.columns, index=pd.Index(rows, name="method")
    )
    filled = exact.impute()
    gap = np.isnan(data.x[:, 1])
    apart = {
        "weight": np.ones(1),
        "mean": np.nanmean(data.x, axis=0)[None],
        "cov": np.diag(np.nanvar(data.x, axis=0))[None],
    }
    trace = bm.fit_em(bm.Mixture(family, 1), data, start=apart).runs[0].trace[:, 1]
    climb = np.maximum(trace.max() - trace, 1e-12)
    return [
        bm.section(
            "The shortcut, and exact EM",
            f"Exact EM reaches log likelihood {exact.log_likelihood:.6f}; it never falls. The loop understates s2 and "
            "overstates rho, because the values it puts into the gaps have no spread of their own.",
            figures=[
                (
                    dynamics.panels(
                        bm.Data(filled, names=data.names),
                        {"gaps filled by their expectations": np.stack([~gap, gap], axis=1).astype(float)},
                    ),
                    "Rows with the missing y filled in, on a straight line.",
                    "Blue: observed; orange: filled in by E[y | x].",
                ),
                (
                    dynamics.curves({"exact EM": climb}, "iteration", "log likelihood below the maximum", log=True),
                    "Distance to the greatest log likelihood by iteration, falling steadily.",
                    "Exact EM, iteration by iteration, from independent columns.",
                ),
            ],
            tables=[(frame, "Where each method ends."), (loop.map(lambda v: f"{v:.6f}"), "The lecture's table.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
