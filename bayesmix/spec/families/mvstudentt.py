"""Student's t with a full scale matrix."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.families.base import Family, parameter
from bayesmix.spec.families.mvgaussian import MvGaussian, cov_mode, mean_mode, regression, resolved
from bayesmix.spec.families.studentt import CYCLES, df_step
from bayesmix.spec.gamma_ratios import log_gamma_ratio
from bayesmix.spec.missing import patterns
from bayesmix.spec.priors import Fixed, Gamma, Prior


@dataclass(frozen=True, eq=False)
class MvStudentT(Family):
    """x | z = k ~ t_d(mean_k, scale_k, df_k): x | u ~ N(mean_k, scale_k / u), u ~ Gamma(df_k / 2, df_k / 2).

    `scale` is the scale matrix (PyMC's `scale`); the covariance is scale df / (df - 2) for df > 2. Left-out
    priors are those of `MvGaussian`, for `scale` in place of `cov`, and df ~ Gamma(2, 0.1); `bm.Fixed(4)`
    fixes df. `shared`: one scale matrix for all components; `shared_df`: one df for all components.

    References: Peel & McLachlan (2000), Statistics and Computing 10:339-348; Liu & Rubin (1995), Statistica
    Sinica 5:19-39 (ECME).
    """

    mean: Prior = parameter("feature", support=supports.real)
    scale: Prior = parameter("feature", "feature", support=supports.positive_definite, pooled=True)
    df: Prior = parameter(support=supports.positive, pooled="shared_df")
    shared: bool = False
    shared_df: bool = False

    location = expectation = "mean"
    marginalises = True

    def default(self, name, x):
        return Gamma(2.0, 0.1) if name == "df" else super().default(name, x)

    def logpdf(self, x, mean, scale, df):
        d = mean.shape[1]
        factor = np.broadcast_to(np.linalg.cholesky(scale), (len(mean), d, d))
        columns = []
        for m, L, v in zip(mean, factor, np.broadcast_to(df, len(mean)), strict=True):
            delta = (np.linalg.solve(L, (x - m).T) ** 2).sum(axis=0)
            one = log_gamma_ratio(0.5 * v, 0.5 * d) - 0.5 * d * np.log(np.pi * v) - np.log(np.diag(L)).sum()
            columns.append(one - 0.5 * (v + d) * np.log1p(delta / v))
        return np.stack(columns, axis=1)

    def dist(self, mean, scale, df):
        import pymc as pm

        return pm.MvStudentT.dist(nu=df, mu=mean, scale=scale)

    def draw(self, z, rng, mean, scale, df):
        K, d = mean.shape
        factor = np.broadcast_to(np.linalg.cholesky(scale), (K, d, d))
        v = np.broadcast_to(df, K)[z]
        normal = np.einsum("nij,nj->ni", factor[z], rng.standard_normal((len(z), d)))
        return mean[z] + normal / np.sqrt(rng.chisquare(v) / v)[:, None]

    def derived(self, theta):
        sd = np.sqrt(np.diagonal(theta["scale"], axis1=-2, axis2=-1))
        return {"corr": theta["scale"] / (sd[..., :, None] * sd[..., None, :])}

    def fill(self, x, theta):
        return MvGaussian.fill(self, x, {"mean": theta["mean"], "cov": theta["scale"]})

    def draw_missing(self, x, z, rng, theta):
        """x_m | x_o is a t about the regression with df + |o| degrees of freedom, its scale grown by delta_o."""
        K, d = theta["mean"].shape
        scale, df, out = np.broadcast_to(theta["scale"], (K, d, d)), np.broadcast_to(theta["df"], K), np.array(x)
        noise = rng.standard_normal(x.shape)
        for rows, o in patterns(x):
            m, k = np.setdiff1d(np.arange(d), o), z[rows]
            if len(m):
                B, c, V = regression(theta["mean"], scale, o, m)
                seen, v = x[np.ix_(rows, o)], df[k]
                away = seen - theta["mean"][k][:, o]
                far = np.einsum("ni,ni->n", away, np.linalg.solve(scale[:, o[:, None], o][k], away[..., None])[..., 0])
                stretch = (v + far) / rng.chisquare(v + len(o))
                normal = np.einsum("nij,nj->ni", np.linalg.cholesky(V)[k], noise[np.ix_(rows, m)])
                centre = np.einsum("nij,nj->ni", B[k], seen) + c[k]
                out[np.ix_(rows, m)] = centre + normal * np.sqrt(stretch)[:, None]
        return out

    def update(self, x, r, theta):
        """Peel & McLachlan's cycle: weights u = (df + d) / (df + delta), then mean and scale as for a Gaussian
        with rows so weighted, then df as the root of the derivative of Q itself (ECME)."""
        d, new, n = x.shape[1], dict(theta), r.sum(axis=0)
        mean_prior, scale_prior = self.parameters["mean"].prior, self.parameters["scale"].prior
        kernel = scale_prior.conjugate("inverse wishart", theta["scale"].shape)
        if kernel is None and not isinstance(scale_prior, Fixed):
            return super().update(x, r, theta)
        for _ in range(CYCLES):
            mean, df = new["mean"], np.broadcast_to(new["df"], len(new["mean"]))
            weights = [
                w * (v + d) / (v + far) for w, v, far in zip(r.T, df, distances(x, mean, new["scale"]), strict=True)
            ]
            total = np.array([w.sum() for w in weights])
            first = np.stack([w @ x for w in weights])
            mean = mean_mode(mean_prior, total, first, mean, np.broadcast_to(new["scale"], (len(mean), d, d)))
            if mean is None:
                return super().update(x, r, theta)
            if not isinstance(scale_prior, Fixed):
                within = np.stack([((x - m).T * w) @ (x - m) for w, m in zip(weights, mean, strict=True)])
                second = np.stack([(x.T * w) @ x for w in weights])
                new["scale"] = cov_mode(kernel, mean_prior, n, resolved(within, second), mean, new["scale"])
            new["mean"] = mean
            far = distances(x, mean, new["scale"])
            new["df"] = df_step(self.df, new["df"], r, [delta[:, None] for delta in far], d)
        return self.not_lower(x, r, theta, new)


def distances(x, mean, scale):
    """Squared Mahalanobis distances, (n,) for each component."""
    factor = np.broadcast_to(np.linalg.cholesky(scale), (len(mean), *scale.shape[1:]))
    return [(np.linalg.solve(L, (x - m).T) ** 2).sum(axis=0) for m, L in zip(mean, factor, strict=True)]
