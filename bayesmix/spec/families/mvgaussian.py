"""Gaussian with a full covariance matrix."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.matrices import precision_and_log_det
from bayesmix.spec.missing import patterns
from bayesmix.spec.priors import LOG_2PI, ConjugateNormal, Fixed, Prior, spread


@dataclass(frozen=True, eq=False)
class MvGaussian(ExponentialFamily):
    """x | z = k ~ N(mean_k, cov_k), x in R^d.

    The density of the prior is in the covariance itself. `shared`: one covariance for all
    components (linear discriminant analysis when supervised).

    References: Fraley & Raftery (2007), J. Classification 24:155-181, for the conjugate M-step.
    """

    mean: Prior = parameter("feature", support=supports.real)
    cov: Prior = parameter("feature", "feature", support=supports.positive_definite, pooled=True)
    shared: bool = False

    location = expectation = "mean"
    marginalises = True

    def logpdf(self, x, mean, cov):
        factor = np.broadcast_to(np.linalg.cholesky(cov), (len(mean), *cov.shape[1:]))
        columns = []
        for m, L in zip(mean, factor, strict=True):
            y = np.linalg.solve(L, (x - m).T)
            columns.append(-0.5 * (y**2).sum(axis=0) - np.log(np.diag(L)).sum() - 0.5 * len(m) * LOG_2PI)
        return np.stack(columns, axis=1)

    def dist(self, mean, cov):
        import pymc as pm

        return pm.MvNormal.dist(mean, cov=cov)

    def draw(self, z, rng, mean, cov):
        factor = np.broadcast_to(np.linalg.cholesky(cov), (len(mean), *cov.shape[1:]))
        return mean[z] + np.einsum("nij,nj->ni", factor[z], rng.standard_normal((len(z), mean.shape[1])))

    def derived(self, theta):
        sd = np.sqrt(np.diagonal(theta["cov"], axis1=-2, axis2=-1))
        return {"sd": sd, "corr": theta["cov"] / (sd[..., :, None] * sd[..., None, :])}

    def sufficient(self, x):
        """[1, x_i, x_i x_j for i <= j]."""
        i, j = np.triu_indices(x.shape[1])
        return np.concatenate([np.ones((len(x), 1)), x, x[:, i] * x[:, j]], axis=1)

    def natural(self, xp, mean, cov):
        """[-(m'Pm + log|V| + d log 2 pi)/2, P m, -P_ii/2 and -P_ij], P = V^-1."""
        d = mean.shape[1] if xp is np else mean.type.shape[1]
        P, log_det = precision_and_log_det(xp, cov, d)
        m = [mean[:, i] for i in range(d)]
        linear = [sum(P[min(i, j), max(i, j)] * m[j] for j in range(d)) for i in range(d)]
        one = -0.5 * (sum(m[i] * linear[i] for i in range(d)) + log_det + d * LOG_2PI)
        quadratic = [
            (-0.5 if i == j else -1.0) * P[i, j] + xp.zeros_like(m[0]) for i, j in zip(*np.triu_indices(d), strict=True)
        ]
        return xp.stack([one, *linear, *quadratic], axis=1)

    def complete_stats(self, stats, seen, theta, variance=True):
        """`complete_stats` by regression of the missing on the observed columns, with its residual covariance.

        x_m | x_o ~ N(B x_o + c, V) turns n, sum x_o and sum x_o x_o' into the sums over complete rows.

        References: Little & Rubin (2020), Statistical Analysis with Missing Data, section 11.2.1.
        """
        o, m = np.flatnonzero(seen), np.flatnonzero(~np.asarray(seen))
        d, K = len(seen), len(stats)
        B, c, V = regression(theta["mean"], theta["cov"], o, m)
        n, s = stats[:, 0], stats[:, 1 : len(o) + 1]
        oo = np.empty((K, len(o), len(o)))
        i, j = np.triu_indices(len(o))
        oo[:, i, j] = oo[:, j, i] = stats[:, len(o) + 1 :]
        first = np.empty((K, d))
        first[:, o] = s
        fitted = (B @ s[..., None])[..., 0]
        first[:, m] = fitted + n[:, None] * c
        mo = B @ oo + c[:, :, None] * s[:, None, :]
        mm = (mo @ np.swapaxes(B, 1, 2)) + first[:, m][:, :, None] * c[:, None, :]
        if variance:
            mm = mm + n[:, None, None] * V
        second = np.empty((K, d, d))
        second[:, o[:, None], o], second[:, m[:, None], o], second[:, m[:, None], m] = oo, mo, mm
        second[:, o[:, None], m] = np.swapaxes(mo, 1, 2)
        i, j = np.triu_indices(d)
        return np.concatenate([n[:, None], first, 0.5 * (second[:, i, j] + second[:, j, i])], axis=1)

    def pattern_weights(self, xp, seen, mean, cov):
        """`natural` of the observed columns of each of P patterns, seen (P, d), in the features of all: (P, K, F).

        A missing column becomes a standard normal of its own at 0, whose constant is taken off again.
        """
        P, d = seen.shape
        K = mean.shape[0] if xp is np else mean.type.shape[0]
        V = (padded(xp, cov, seen) + np.zeros((P, K, 1, 1))).reshape((P * K, d, d))
        m = xp.where(seen[:, None], mean, 0.0).reshape((P * K, d))
        F = 1 + d + d * (d + 1) // 2
        constant = np.zeros((P, 1, F))
        constant[:, 0, 0] = 0.5 * LOG_2PI * (d - seen.sum(axis=1))
        return self.natural(xp, mean=m, cov=V).reshape((P, K, F)) + constant

    def complete_patterns(self, stats, seen, theta, variance=True):
        """`complete_stats` of P patterns together, seen (P, d): (P, K, F) with zeros for what is missing -> (K, F)."""
        mean, cov = theta["mean"], theta["cov"]
        o, d = seen[:, None].astype(float), seen.shape[1]
        m = 1.0 - o
        P = np.linalg.inv(padded(np, cov, seen)) * (o[..., :, None] * o[..., None, :])
        B = m[..., :, None] * (cov @ P)
        c = m * (mean - (B @ mean[..., None])[..., 0])
        A = B + np.eye(d) * o[..., None]
        n, s = stats[:, :, :1], stats[:, :, 1 : d + 1]
        i, j = np.triu_indices(d)
        second = np.zeros((*stats.shape[:2], d, d))
        second[:, :, i, j] = second[:, :, j, i] = stats[:, :, d + 1 :]
        s = (A @ s[..., None])[..., 0]
        across = s[..., :, None] * c[..., None, :]
        second = A @ second @ np.swapaxes(A, -1, -2) + across + np.swapaxes(across, -1, -2)
        second = second + n[..., None] * c[..., :, None] * c[..., None, :]
        if variance:
            second = second + n[..., None] * (m[..., :, None] * (cov - B @ cov) * m[..., None, :])
        second, first = second.sum(axis=0), (s + n * c).sum(axis=0)
        return np.concatenate([n.sum(axis=0), first, 0.5 * (second[:, i, j] + second[:, j, i])], axis=1)

    def fill(self, x, theta):
        out = np.broadcast_to(x, (len(theta["mean"]), *x.shape)).copy()
        for rows, o in patterns(x):
            m = np.setdiff1d(np.arange(x.shape[1]), o)
            if len(m):
                B, c, _ = regression(theta["mean"], theta["cov"], o, m)
                out[:, rows[:, None], m] = x[np.ix_(rows, o)] @ np.swapaxes(B, 1, 2) + c[:, None, :]
        return out

    def draw_missing(self, x, z, rng, theta):
        out, noise = np.array(x), rng.standard_normal(x.shape)
        for rows, o in patterns(x):
            m = np.setdiff1d(np.arange(x.shape[1]), o)
            if len(m):
                B, c, V = regression(theta["mean"], theta["cov"], o, m)
                factor = np.linalg.cholesky(np.broadcast_to(V, (len(c), *V.shape[1:])))
                k, at = z[rows], np.ix_(rows, m)
                out[at] = np.einsum("nij,nj->ni", np.broadcast_to(B, (len(c), *B.shape[1:]))[k], x[np.ix_(rows, o)])
                out[at] += c[k] + np.einsum("nij,nj->ni", factor[k], noise[at])
        return out

    def mode(self, stats, mean, cov):
        """The mean given the covariance, then the covariance given the mean (ECM).

        With `ConjugateNormal` and `InverseWishart` this is the exact joint mode,
        V_k = (scale + B_k + W_k) / (df + n_k + d + 2).
        """
        K, d = mean.shape
        n, s = stats[:, 0], stats[:, 1 : d + 1]
        second = np.empty((K, d, d))
        i, j = np.triu_indices(d)
        second[:, i, j] = second[:, j, i] = stats[:, d + 1 :]
        prior = self.parameters["cov"].prior

        m = self._mean_mode(n, s, mean, cov)
        kernel = prior.conjugate("inverse wishart", cov.shape)
        if m is None or (kernel is None and not isinstance(prior, Fixed)):
            return super().mode(stats, mean=mean, cov=cov)
        if isinstance(prior, Fixed):
            return {"mean": m, "cov": cov}

        seen = n[:, None] > 0
        own = np.where(seen, s / np.where(seen, n[:, None], 1.0), m)
        scatter = second - n[:, None, None] * own[:, :, None] * own[:, None, :]
        scatter = _resolved(scatter, second)
        scatter = scatter + n[:, None, None] * (m - own)[:, :, None] * (m - own)[:, None, :]
        count = n.copy()
        if isinstance(self.mean, ConjugateNormal):
            kappa, away = spread(self.mean.kappa, n.shape), m - spread(self.mean.mean, m.shape)
            scatter = scatter + kappa[:, None, None] * away[:, :, None] * away[:, None, :]
            count = count + 1
        if self.shared:
            count, scatter = count.sum(keepdims=True), scatter.sum(axis=0, keepdims=True)
        a, scale = kernel
        count = (count + a)[:, None, None]
        new = np.where(count > 0, (scatter + scale) / np.where(count > 0, count, 1.0), cov)
        return {"mean": m, "cov": 0.5 * (new + np.swapaxes(new, -1, -2))}

    def _mean_mode(self, n, s, mean, cov):
        prior = self.mean
        if isinstance(prior, Fixed):
            return mean
        if isinstance(prior, ConjugateNormal):
            kappa = spread(prior.kappa, n.shape)[:, None]
            return (s + kappa * spread(prior.mean, s.shape)) / (n[:, None] + kappa)
        kernel = prior.conjugate("normal", s.shape)
        if kernel is None or np.isfinite(prior.interval).any():
            return None
        t, linear = (np.broadcast_to(a, s.shape) for a in kernel)
        # (n P + T) m = P s + T m0, multiplied by V from the left
        left = n[:, None, None] * np.eye(s.shape[1]) + cov * t[:, None, :]
        right = s + (cov @ linear[..., None])[..., 0]
        seen = (n > 0) | (t > 0).any(axis=1)
        left[~seen] = np.eye(s.shape[1])
        return np.where(seen[:, None], np.linalg.solve(left, right[..., None])[..., 0], mean)


def padded(xp, cov, seen):
    """cov (K, d, d) with the missing columns of each pattern, seen (P, d), replaced by those of I: (P, K, d, d)."""
    both = seen[:, None, :, None] & seen[:, None, None, :]
    return xp.where(both, cov, np.eye(seen.shape[1]) * ~seen[:, None, :, None])


def regression(mean, cov, o, m):
    """B, c, V of x_m | x_o ~ N(B x_o + c, V) for index arrays o and m: (K, m, o), (K, m), (K, m, m)."""
    across = cov[:, o[:, None], m]
    B = np.swapaxes(np.linalg.solve(cov[:, o[:, None], o], across), 1, 2)
    c = mean[:, m] - (B @ mean[:, o][..., None])[..., 0]
    V = cov[:, m[:, None], m] - B @ across
    return B, c, 0.5 * (V + np.swapaxes(V, 1, 2))


def _resolved(scatter, second):
    """The scatter with what is below the resolution of its moments set to exactly zero.

    Cancellation leaves an error of about eps times the moments about the origin: in units of those
    moments an eigenvalue under 1e-13 is not told from zero, and is not left to look like a variance.
    """
    unit = np.sqrt(np.maximum(np.einsum("kii->ki", second), np.finfo(float).tiny))
    unit = unit[:, :, None] * unit[:, None, :]
    value, vector = np.linalg.eigh(scatter / unit)
    if value.min() >= 1e-13:
        return scatter
    value = np.where(value < 1e-13, 0.0, value)
    return (vector * value[:, None, :]) @ np.swapaxes(vector, 1, 2) * unit
