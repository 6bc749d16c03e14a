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
from scipy.stats import poisson

import bayesmix as bm
from bayesmix.report import dynamics

title = "Zero-inflated Poisson"
data = bm.datasets.biochemists()
kicks = bm.datasets.prussian()
model = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(1, 0.1))), weight=bm.Dirichlet(1.0))
settings = {"draws": 2000, "sampler": "gibbs", "restarts": 20, "seed": 1}
plain = bm.Mixture(bm.Poisson(rate=bm.Flat()), 1)
inflated = bm.Mixture(bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Flat())), weight=bm.Flat())


def by_likelihood(counts):
    """(rootogram, table) of the plain and the zero-inflated Poisson, both by maximum likelihood."""
    one, two = (bm.fit_em(m, counts, restarts=5, seed=1) for m in (plain, inflated))
    (mean,), (rate,), w, n = one.best["rate"].ravel(), two.best["rate"].ravel(), two.best["weight"], counts.n
    expected = {
        "Poisson": lambda v: n * poisson.pmf(v, mean),
        "zero-inflated": lambda v: n * (w[0] * (v == 0) + w[1] * poisson.pmf(v, rate)),
    }
    line = {"inflation": f"{w[0]:.6f}", "rate": f"{rate:.6f}", "log likelihood": f"{two.log_likelihood:.4f}"}
    line |= {"plain Poisson": f"{one.log_likelihood:.4f}", "BIC": two.bic, "BIC, plain": one.bic}
    return dynamics.rootogram(counts.x[:, 0], expected), line


def story(em, mcmc, quick):
    tables = {"articles": data, "horse kicks": kicks}
    found = {name: by_likelihood(counts) for name, counts in tables.items()}
    better = [("the zero-inflated", "the plain")[line["BIC"] > line["BIC, plain"]] for _, line in found.values()]
    text = [f"BIC prefers {better[0]} Poisson for the articles, {better[1]} for the horse kicks."]
    other = bm.fit_mcmc(model, kicks, draws=200 if quick else 2000, sampler="gibbs", seed=1)
    for name, fit in zip(tables, (mcmc, other), strict=True):
        low, high = np.quantile(fit.draws["weight"][..., 0], [0.05, 0.95])
        text.append(f"Posterior of the inflation, {name}: 90 % between {low:.3f} and {high:.3f}.")
    below = "bars that hang below the line are values that the model expects too rarely."
    yield bm.section(
        "Articles, and horse kicks as the negative control",
        *text,
        *((figure, f"{name.capitalize()}: {below}") for name, (figure, _) in found.items()),
        ({name: line for name, (_, line) in found.items()}, "data", "Maximum likelihood."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
