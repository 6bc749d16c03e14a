"""Gaussian with a full covariance matrix."""

from dataclasses import dataclass, fields

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports
from bayesmix.spec.families.base import ExponentialFamily, parameter
from bayesmix.spec.families.gaussian import wide_enough
from bayesmix.spec.matrices import clearly_definite, halves, precision_and_log_det, square, upper
from bayesmix.spec.missing import patterns
from bayesmix.spec.priors import LOG_2PI, ConjugateNormal, Fixed, Prior, draw_inverse_wishart, spread


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
    features = "full"
    marginalises = True

    @classmethod
    def named(cls, name, **priors):
        """The family of one of mclust's covariance models, with the given priors.

        name: VVV and EEE (full matrices, own and shared: a `MvGaussian`), VVI and EEI (diagonal), VII and EII
            (spherical: a `Gaussian`); for one column V and E.
        priors: by the names of that family's parameters: mean and cov, or mean and var (or sd).

        >>> MvGaussian.named("EII").isotropic
        True

        References: Scrucca, Fop, Murphy & Raftery (2016), The R Journal 8:289-317, table 3.
        """
        from bayesmix.spec.families.gaussian import Gaussian

        known = {
            "VVV": (cls, {}),
            "EEE": (cls, {"shared": True}),
            "VVI": (Gaussian, {}),
            "EEI": (Gaussian, {"shared": True}),
            "VII": (Gaussian, {"isotropic": True}),
            "EII": (Gaussian, {"isotropic": True, "shared": True}),
            "V": (Gaussian, {}),
            "E": (Gaussian, {"shared": True}),
        }
        if name not in known:
            raise InputError(
                f"MvGaussian.named({name!r}): expected one of mclust's names VVV, EEE, VVI, EEI, VII, EII, or V, E for "
                "one column; models in between (VEV and the like) are not offered."
            )
        kind, switches = known[name]
        wanted = [f.name for f in fields(kind) if "support" in f.metadata]
        for prior in priors:
            if prior not in wanted:
                raise InputError(
                    f"MvGaussian.named({name!r}, {prior}=...): {kind.__name__} has no parameter {prior!r}; "
                    f"it has {', '.join(wanted)}."
                )
        return kind(**priors, **switches)

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

    def resolved(self, theta):
        sd = np.sqrt(np.diagonal(theta["cov"], axis1=1, axis2=2))
        return wide_enough(self.parameters["cov"], theta["mean"], sd)

    def sufficient(self, x):
        """[1, x_i, x_i x_j for i <= j]."""
        i, j = upper(x.shape[1])
        return np.concatenate([np.ones((len(x), 1)), x, x[:, i] * x[:, j]], axis=1)

    def natural(self, xp, mean, cov):
        """[-(m'Pm + log|V| + d log 2 pi)/2, P m, -P_ii/2 and -P_ij], P = V^-1."""
        d = mean.shape[1] if xp is np else mean.type.shape[1]
        P, log_det = precision_and_log_det(xp, cov)
        linear = (P * mean[:, None, :]).sum(axis=2)
        one = -0.5 * ((mean * linear).sum(axis=1) + log_det + d * LOG_2PI)
        i, j = upper(d)
        quadratic = P[:, i, j] * halves(d)
        if xp is not np or len(cov) < len(mean):
            quadratic = quadratic + xp.zeros_like(mean[:, :1])
        return xp.concatenate([one[:, None], linear, quadratic], axis=1)

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
        i, j = upper(len(o))
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
        i, j = upper(d)
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
        i, j = upper(d)
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
        d = mean.shape[1]
        n, s = stats[:, 0], stats[:, 1 : d + 1]
        second = stats[:, d + 1 :][:, square(d)]
        prior = self.parameters["cov"].prior

        m = mean_mode(self.mean, n, s, mean, cov)
        kernel = prior.conjugate("inverse wishart", cov.shape)
        if m is None or (kernel is None and not isinstance(prior, Fixed)):
            return super().mode(stats, mean=mean, cov=cov)
        if isinstance(prior, Fixed):
            return {"mean": m, "cov": cov}

        seen = n[:, None] > 0
        own = s / n[:, None] if seen.all() else np.where(seen, s / np.where(seen, n[:, None], 1.0), m)
        scatter = second - n[:, None, None] * own[:, :, None] * own[:, None, :]
        scatter, away = resolved(scatter, second), m - own
        if away.any():
            scatter = scatter + n[:, None, None] * away[:, :, None] * away[:, None, :]
        return {"mean": m, "cov": cov_mode(kernel, self.mean, n, scatter, m, cov)}

    def conditional(self, stats, rng, mean, cov):
        """The covariance given the mean, then the mean given it; jointly under `ConjugateNormal`.

        References: Gelman et al. (2013), Bayesian Data Analysis, section 3.6.
        """
        K, d = mean.shape
        n, s = stats[:, 0], stats[:, 1 : d + 1]
        prior = self.parameters["cov"].prior
        if not isinstance(prior, Fixed):
            kernel = prior.conjugate("inverse wishart", cov.shape)
            if kernel is None:
                return None
            second = np.empty((K, d, d))
            i, j = upper(d)
            second[:, i, j] = second[:, j, i] = stats[:, d + 1 :]
            own = np.where(n[:, None] > 0, s / np.where(n[:, None] > 0, n[:, None], 1.0), mean)
            scatter = resolved(second - n[:, None, None] * own[:, :, None] * own[:, None, :], second)
            if isinstance(self.mean, ConjugateNormal):  # the mean integrated out
                kappa = spread(self.mean.kappa, n.shape)
                share, away = kappa * n / (kappa + n), own - spread(self.mean.mean, s.shape)
            else:
                share, away = n, own - mean
            scatter = scatter + share[:, None, None] * away[:, :, None] * away[:, None, :]
            if self.shared:
                n_scale, scatter = n.sum(keepdims=True), scatter.sum(axis=0, keepdims=True)
            else:
                n_scale = n
            df, scale = n_scale + kernel[0] - d - 1, scatter + kernel[1]
            cov = draw_inverse_wishart(rng, df, 0.5 * (scale + np.swapaxes(scale, 1, 2)))
        new = self._mean_draw(rng, n, s, mean, np.broadcast_to(cov, (K, d, d)))
        return None if new is None else {"mean": new, "cov": cov}

    def _mean_draw(self, rng, n, s, mean, cov):
        prior = self.mean
        if isinstance(prior, Fixed):
            return mean
        z = rng.standard_normal(mean.shape)[..., None]
        if isinstance(prior, ConjugateNormal):
            kappa = spread(prior.kappa, n.shape)[:, None]
            centre = (s + kappa * spread(prior.mean, s.shape)) / (n[:, None] + kappa)
            return centre + (np.linalg.cholesky(cov) @ z)[..., 0] / np.sqrt(n[:, None] + kappa)
        kernel = prior.conjugate("normal", s.shape)
        if kernel is None or np.isfinite(prior.interval).any():
            return None
        t, linear = (np.broadcast_to(a, s.shape) for a in kernel)
        P, _ = precision_and_log_det(np, cov)
        precision = n[:, None, None] * P + t[:, None, :] * np.eye(s.shape[1])
        right = (P @ s[..., None])[..., 0] + linear
        factor = np.linalg.cholesky(precision)  # precision = L L', so L'^-1 z has its inverse as covariance
        noise = np.linalg.solve(np.swapaxes(factor, 1, 2), z)
        return (np.linalg.solve(precision, right[..., None]) + noise)[..., 0]


def mean_mode(prior, n, s, old, cov):
    """The conditional mode of a mean vector with known covariance, from n (K,) and s (K, d), or None."""
    if isinstance(prior, Fixed):
        return old
    if isinstance(prior, ConjugateNormal):
        kappa = spread(prior.kappa, n.shape)[:, None]
        return (s + kappa * spread(prior.mean, s.shape)) / (n[:, None] + kappa)
    kernel = prior.conjugate("normal", s.shape)
    if kernel is None or np.isfinite(prior.interval).any():
        return None
    if not any(a.any() if isinstance(a, np.ndarray) else a for a in kernel):
        seen = n[:, None] > 0
        return s / n[:, None] if seen.all() else np.where(seen, s / np.where(seen, n[:, None], 1.0), old)
    t, linear = (np.broadcast_to(a, s.shape) for a in kernel)
    # (n P + T) m = P s + T m0, multiplied by V from the left
    left = n[:, None, None] * np.eye(s.shape[1]) + cov * t[:, None, :]
    right = s + (cov @ linear[..., None])[..., 0]
    seen = (n > 0) | (t > 0).any(axis=1)
    left[~seen] = np.eye(s.shape[1])
    return np.where(seen[:, None], np.linalg.solve(left, right[..., None])[..., 0], old)


def cov_mode(kernel, mean_prior, n, scatter, m, old):
    """The conditional mode of a covariance from the scatter (K, d, d) about m; pooled if `old` is (1, d, d)."""
    count = n
    if isinstance(mean_prior, ConjugateNormal):
        kappa, away = spread(mean_prior.kappa, n.shape), m - spread(mean_prior.mean, m.shape)
        scatter = scatter + kappa[:, None, None] * away[:, :, None] * away[:, None, :]
        count = count + 1
    if len(old) != len(m):
        count, scatter = count.sum(keepdims=True), scatter.sum(axis=0, keepdims=True)
    a, scale = kernel
    count = (count + a)[:, None, None]
    some = count > 0
    new = scatter + scale
    new = new / count if some.all() else np.where(some, new / np.where(some, count, 1.0), old)
    return 0.5 * (new + np.swapaxes(new, -1, -2))


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


def resolved(scatter, second):
    """The scatter with what is below the resolution of its moments set to exactly zero.

    Cancellation leaves an error of about eps times the moments about the origin: in units of those
    moments an eigenvalue under 1e-13 is not told from zero, and is not left to look like a variance.
    """
    moments = np.einsum("kii->ki", second)
    if clearly_definite(scatter, moments):
        return scatter
    unit = np.sqrt(np.maximum(moments, np.finfo(float).tiny))
    unit = unit[:, :, None] * unit[:, None, :]
    value, vector = np.linalg.eigh(scatter / unit)
    if value.min() >= 1e-13:
        return scatter
    value = np.where(value < 1e-13, 0.0, value)
    return (vector * value[:, None, :]) @ np.swapaxes(vector, 1, 2) * unit
