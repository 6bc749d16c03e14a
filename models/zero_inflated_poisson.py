"""Too many zeros: the zero-inflated Poisson as a mixture of a point and a Poisson distribution.

    z_i ~ Categorical(w),   x_i = 0 if z_i = 0,   x_i ~ Poisson(rate) if z_i = 1
    w ~ Dirichlet(1, 1),   rate ~ Gamma(1, .1)

Sources: AM207 lecture 13 (zero-inflated Poisson); Long (1990) for the articles of 915 students; von Bortkiewicz
(1898) for the deaths by horse kick, the negative control: there a Poisson distribution alone is enough.

What to look for: by maximum likelihood rate 2.133772 and inflation .206618 for the articles (log likelihood
-1679.391), .7815668 and .1043632 for the horse kicks (-313.5909, against -314.1545 for the plain Poisson). The
posterior of the inflation stays away from 0 for the articles and reaches it for the kicks.
"""

import numpy as np
import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Zero-inflated Poisson"
data = bm.datasets.biochemists()
model = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(1, 0.1))), weight=bm.Dirichlet(1.0))
settings = {"draws": 2000, "sampler": "gibbs", "restarts": 20, "seed": 1}


def by_likelihood(counts):
    """(zero-inflated fit, plain Poisson fit), both by maximum likelihood."""
    inflated = bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Flat()))
    return (
        bm.fit_em(bm.Mixture(inflated, weight=bm.Flat()), counts, restarts=5, seed=1),
        bm.fit_em(bm.Mixture(bm.Poisson(rate=bm.Flat()), 1), counts, restarts=1, seed=1),
    )


def story(em, mcmc, quick):
    from scipy.stats import poisson

    parts, rows = [], {}
    for name, counts in (("articles", data), ("horse kicks", bm.datasets.prussian())):
        zip_, plain = by_likelihood(counts)
        w, rate = zip_.best["weight"], float(zip_.best["rate"].ravel()[0])
        rows[name] = {
            "inflation": f"{w[0]:.6f}",
            "rate": f"{rate:.6f}",
            "log likelihood": f"{zip_.log_likelihood:.4f}",
            "plain Poisson": f"{plain.log_likelihood:.4f}",
            "BIC": zip_.bic,
            "BIC, plain": plain.bic,
        }
        n, mean = counts.n, float(counts.x.mean())
        expected = {
            "Poisson": lambda v, n=n, mean=mean: n * poisson.pmf(v, mean),
            "zero-inflated": lambda v, n=n, w=w, rate=rate: n * (w[0] * (v == 0) + w[1] * poisson.pmf(v, rate)),
        }
        parts.append(
            (
                dynamics.rootogram(counts.x[:, 0], expected),
                f"Hanging rootograms of {name} under two models.",
                f"{name}: bars that hang below the line are values that the model expects too rarely.",
            )
        )
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("data")
    better = {
        name: "the zero-inflated" if row["BIC"] < row["BIC, plain"] else "the plain" for name, row in rows.items()
    }
    text = [f"BIC prefers {better['articles']} Poisson for the articles, {better['horse kicks']} for the horse kicks."]
    if mcmc is not None:
        kicks = bm.fit_mcmc(model, bm.datasets.prussian(), draws=200 if quick else 2000, sampler="gibbs", seed=1)
        for name, fit in (("articles", mcmc), ("horse kicks", kicks)):
            low, high = np.quantile(fit.draws["weight"][..., 0], [0.05, 0.95])
            text.append(f"Posterior of the inflation, {name}: 90 % between {low:.3f} and {high:.3f}.")
    return [
        bm.section(
            "Articles, and horse kicks as the negative control",
            *text,
            figures=parts,
            tables=[(frame, "Maximum likelihood.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
