"""Student's t with independent features."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.climb import log_slopes, newton_root
from bayesmix.spec.families.base import Family, parameter
from bayesmix.spec.families.gaussian import mean_mode, scale_mode, sd_mode, wide_enough
from bayesmix.spec.gamma_ratios import digamma_difference, log_gamma_ratio
from bayesmix.spec.priors import ConjugateNormal, Fixed, Gamma, LogNormal, Prior, spread
from bayesmix.spec.special import polygamma

CYCLES = 2  # rounds of weights, mean, scale and degrees of freedom in one M-step
MOST = 1e8  # degrees of freedom at which the search ends: from here on a t is a Gaussian to rounding


@dataclass(frozen=True, eq=False)
class StudentT(Family):
    """x_j | z = k ~ mean_kj + scale_kj t(df_k), features j = 1..d independent.

    Equivalently x_j ~ N(mean_kj, scale_kj^2 / u_j) with u_j ~ Gamma(df_k / 2, df_k / 2): rows far out weigh
    less. The variance is scale^2 df / (df - 2) for df > 2. Left-out priors are mean ~ Normal(column mean,
    2 sd), scale ~ LogNormal(log(sd / 2), 1) and df ~ Gamma(2, 0.1); `bm.Fixed(4)` fixes df.
    `shared`: one scale for all components; `isotropic`: one scale for all features; `shared_df`: one df for
    all components.

    References: Peel & McLachlan (2000), Statistics and Computing 10:339-348; Liu & Rubin (1995), Statistica
    Sinica 5:19-39 (ECME); Juarez & Steel (2010), J. Business & Economic Statistics 28:52-66, for the prior of df.
    """

    mean: Prior = parameter("feature", support=supports.real)
    scale: Prior = parameter("feature", support=supports.positive, pooled=True)
    df: Prior = parameter(support=supports.positive, pooled="shared_df")
    isotropic: bool = False
    shared: bool = False
    shared_df: bool = False

    location = expectation = "mean"
    independent = True

    def default(self, name, x):
        if name == "df":
            return Gamma(2.0, 0.1)
        if name == "scale":
            return LogNormal(np.log(self.pooled_scale(name, self.column_sd(name, x)) / 2), 1.0)
        return super().default(name, x)

    def logpdf(self, x, mean, scale, df):
        scale, df = np.broadcast_to(scale, mean.shape), np.broadcast_to(df, len(mean))
        one = log_gamma_ratio(0.5 * df, 0.5) - 0.5 * np.log(np.pi * df)
        columns = [
            x.shape[1] * c - np.log(s).sum() - 0.5 * (v + 1) * np.log1p(((x - m) / s) ** 2 / v).sum(axis=1)
            for m, s, v, c in zip(mean, scale, df, one, strict=True)
        ]
        return np.stack(columns, axis=1)

    def dist(self, mean, scale, df):
        import pymc as pm

        return pm.StudentT.dist(nu=df[:, None], mu=mean, sigma=scale)

    def draw(self, z, rng, mean, scale, df):
        scale, df = np.broadcast_to(scale, mean.shape), np.broadcast_to(df, len(mean))
        t = rng.standard_t(df[z][:, None], size=(len(z), mean.shape[1]))
        return mean[z] + scale[z] * t

    def resolved(self, theta):
        return wide_enough(self.parameters["scale"], theta["mean"], theta["scale"]) and bool((theta["scale"] > 0).all())

    def update(self, x, r, theta):
        """Peel & McLachlan's cycle: weights u = (df + 1) / (df + delta), then mean and scale as for a Gaussian
        with rows so weighted, then df as the root of the derivative of Q itself (ECME)."""
        mean_prior, scale_prior = self.parameters["mean"].prior, self.parameters["scale"].prior
        new = dict(theta)
        kernel = scale_prior.conjugate("scale", theta["scale"].shape)
        n = r.sum(axis=0)[:, None]
        for _ in range(CYCLES):
            mean, scale = new["mean"], np.broadcast_to(new["scale"], new["mean"].shape)
            df = np.broadcast_to(new["df"], len(mean))
            weights = [
                r[:, k, None] * (v + 1) / (v + ((x - m) / s) ** 2)
                for k, (m, s, v) in enumerate(zip(mean, scale, df, strict=True))
            ]
            total = np.stack([w.sum(axis=0) for w in weights])
            first = np.stack([(w * x).sum(axis=0) for w in weights])
            mean = mean_mode(mean_prior, total, first, scale**2, mean)
            if mean is None:
                return super().update(x, r, theta)
            if not isinstance(scale_prior, Fixed):
                ss = np.stack([(w * (x - m) ** 2).sum(axis=0) for w, m in zip(weights, mean, strict=True)])
                second = np.stack([(w * x**2).sum(axis=0) for w in weights])
                ss = np.where(ss > 1e-13 * second, ss, 0.0)  # below the resolution of the rows
                count = n + np.zeros_like(ss)
                if isinstance(mean_prior, ConjugateNormal):
                    count = count + 1
                    ss = ss + spread(mean_prior.kappa, n.shape) * (mean - spread(mean_prior.mean, mean.shape)) ** 2
                new["scale"] = scale_step(scale_prior, kernel, count, ss, new["scale"])
            new["mean"] = mean
            if not self.resolved(new):
                return new
            scale = np.broadcast_to(new["scale"], mean.shape)
            delta = [((x - m) / s) ** 2 for m, s in zip(mean, scale, strict=True)]
            new["df"] = df_step(self.df, new["df"], r, delta, 1)
        return self.not_lower(x, r, theta, new)


def scale_step(prior, kernel, count, ss, old):
    """The scale s > 0 that maximises -count log s - ss / (2 s^2) + log prior(s); pooled as `old` is."""
    axes = tuple(axis for axis in (0, 1) if old.shape[axis] != ss.shape[axis])
    count, ss = count.sum(axis=axes, keepdims=True), ss.sum(axis=axes, keepdims=True)
    if kernel is not None:
        return np.clip(sd_mode(kernel, count, ss, old), *prior.interval)

    return scale_mode(prior, count, ss, old, 2)


def df_step(prior, df, r, delta, p):
    """The df that maximises sum_i r_ik log t(x_i) + log prior(df), location and scale given.

    `delta` holds, for each component, squared distances (n, m) of m independent parts of p features each.
    """
    if isinstance(prior, Fixed):
        return df
    n, parts, shared = r.sum(axis=0), delta[0].shape[1], len(df) != len(delta)
    far, weight, prior_slopes = np.stack(delta), r.T[:, :, None], log_slopes(prior, df.shape)

    def slopes(u):
        """d Q / d log v and its derivative."""
        v = np.broadcast_to(np.exp(u), n.shape)
        t = v[:, None, None]
        ratio = weight * (far / (t * (t + far)))
        first = (ratio * (t + p) - weight * np.log1p(far / t)).sum(axis=(1, 2))
        second = (ratio * ((t - p) * far - 2 * p * t) / (t * (t + far))).sum(axis=(1, 2))
        first += parts * n * (digamma_difference(0.5 * v, 0.5 * p) - p / v)
        second += parts * n * (0.5 * (polygamma(1, 0.5 * (v + p)) - polygamma(1, 0.5 * v)) + p / v**2)
        first, second = 0.5 * v * first, 0.5 * v * first + 0.5 * v**2 * second
        if shared:
            first, second = first.sum(keepdims=True), second.sum(keepdims=True)
        return tuple(np.add((first, second), prior_slopes(u)))

    return np.clip(np.exp(newton_root(slopes, np.log(df), high=np.log(MOST))), *prior.interval)
