"""The exact posterior of a small mixture whose variances share an unknown scale, by enumeration and quadrature.

weight ~ Dirichlet(e), mean_k | var_k ~ N(m, var_k / kappa), var_k | s ~ InverseGamma(a, s), s ~ Gamma(g, rate h).
Given s the means and variances are integrated out by conjugacy, the weights always; what is left is a sum over all
partitions of the rows and an integral over s in one dimension.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

import bayesmix as bm


@dataclass(frozen=True)
class Hierarchy:
    """The numbers of the priors."""

    m: float = 1.0
    kappa: float = 0.2
    a: float = 2.0
    g: float = 0.8
    h: float = 0.5
    e: float = 1.0

    def model(self, K):
        """The same as a specification."""
        var = bm.InverseGamma(self.a, bm.Gamma(self.g, self.h))
        family = bm.Gaussian(mean=bm.ConjugateNormal(self.m, self.kappa), var=var)
        return bm.Mixture(family, K, weight=bm.Dirichlet(self.e))

    def exact(self, y, K, nodes=400):
        """{log_evidence, scale: E s | y, occupied: (K,) p(1..K occupied | y)}."""
        u, step = np.linspace(-20, 10, nodes, retstep=True)  # log s; trapezoids of a smooth bump are exact
        s = np.exp(u)
        log_s = self.g * np.log(self.h) - gammaln(self.g) + self.g * u - self.h * s + np.log(step)
        y = np.asarray(y, dtype=float)
        terms, clusters, cache = [], [], {}
        for parts in partitions(len(y)):
            if len(parts) > K:
                continue
            total = gammaln(K + 1) - gammaln(K - len(parts) + 1) + gammaln(K * self.e) - gammaln(len(y) + K * self.e)
            for rows in parts:
                if rows not in cache:
                    cache[rows] = self._cluster(y[list(rows)], s)
                total = total + cache[rows] + gammaln(len(rows) + self.e) - gammaln(self.e)
            terms.append(total + log_s)
            clusters.append(len(parts))
        joint, clusters = np.array(terms), np.array(clusters)
        log_z = logsumexp(joint)
        p = np.exp(joint - log_z)
        return {
            "log_evidence": float(log_z),
            "scale": float((p * s).sum()),
            "occupied": np.array([p[clusters == k + 1].sum() for k in range(K)]),
        }

    def _cluster(self, y, s):
        """log p(rows of one cluster | s), a normal-inverse-gamma marginal."""
        n, mean = len(y), y.mean()
        b = s + 0.5 * ((y - mean) ** 2).sum() + 0.5 * self.kappa * n / (self.kappa + n) * (mean - self.m) ** 2
        return (
            gammaln(self.a + n / 2) - gammaln(self.a) + self.a * np.log(s) - (self.a + n / 2) * np.log(b)
            + 0.5 * np.log(self.kappa / (self.kappa + n)) - 0.5 * n * np.log(2 * np.pi)
        )  # fmt: skip


def partitions(n):
    """All partitions of 0..n-1 into sets, each a tuple of tuples."""
    if n == 0:
        yield ()
        return
    for parts in partitions(n - 1):
        yield (*parts, (n - 1,))
        for i, rows in enumerate(parts):
            yield (*parts[:i], (*rows, n - 1), *parts[i + 1 :])
