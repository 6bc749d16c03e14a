"""Data with a known number of groups, and a model with conjugate priors for them, over families and sizes."""

import numpy as np

import bayesmix as bm

KINDS = ("gaussian", "gaussian sd", "gaussian 2", "mvgaussian", "mvgaussian 4", "poisson", "bernoulli", "categorical")


def sizes(K, n, rng):
    """Group sizes that differ by at most a factor of two."""
    share = rng.uniform(1, 2, size=K)
    return np.maximum((share / share.sum() * n).astype(int), 4)


def setting(kind, K, n, rng, apart=8.0, components=None, alpha=4.0, constraints=(), var=(3, 2), each=4, d=6, sure=0.9):
    """(model, data): K groups that are `apart` within-group standard deviations apart, or as far as the family allows.

    components: of the model, K when left out. alpha: the concentration of the Dirichlet prior of the weights.
    var: shape and scale of the inverse gamma prior of the variances of "gaussian" and "gaussian 2". d: columns of
    categories.
    each: binary columns that are on in one group, with the probability `sure`, and off in the others.
    """
    z = np.repeat(np.arange(K), sizes(K, n, rng))
    m = len(z)
    rest = {"components": K if components is None else components, "weight": bm.Dirichlet(alpha)}
    rest |= {"constraints": constraints}
    if kind in ("gaussian", "gaussian sd"):
        x = apart * z + rng.normal(size=m)
        mean = bm.Normal(apart * (K - 1) / 2, apart * K)
        spread = {"sd": bm.Uniform(0, 20)} if kind == "gaussian sd" else {"var": bm.InverseGamma(*var)}
        return bm.Mixture(bm.Gaussian(mean=mean, **spread), **rest), bm.Data(x)
    if kind in ("gaussian 2", "mvgaussian", "mvgaussian 4"):
        d = 4 if kind.endswith("4") else 2
        centres = apart * np.stack([np.arange(K), rng.permutation(K), *rng.normal(size=(d - 2, K))], axis=1)[:, :d]
        x = centres[z] + rng.normal(size=(m, d))
        if kind == "gaussian 2":
            prior = bm.Gaussian(mean=bm.Normal(centres.mean(axis=0), apart * K), var=bm.InverseGamma(*var))
        else:
            prior = bm.MvGaussian(
                mean=bm.ConjugateNormal(centres.mean(axis=0), 0.01), cov=bm.InverseWishart(d + 3, 2 * np.eye(d))
            )
        return bm.Mixture(prior, **rest), bm.Data(x)
    if kind == "poisson":
        root = 1.0 + 0.5 * apart * np.arange(K)  # sqrt of a Poisson has standard deviation 1/2
        x = rng.poisson(root[z] ** 2).astype(float)
        return bm.Mixture(bm.Poisson(rate=bm.Gamma(1.0, 2 / root[-1] ** 2)), **rest), bm.Data(x)
    if kind == "bernoulli":
        on = np.kron(np.eye(K), np.ones(each)) > 0
        x = (rng.random((m, each * K)) < np.where(on, sure, 1 - sure)[z]).astype(float)
        return bm.Mixture(bm.Bernoulli(prob=bm.Beta(1.5, 1.5)), **rest), bm.Data(x)
    if kind == "categorical":
        levels = K + 1
        p = 0.1 / K * np.ones((K, levels)) + (0.9 - 0.1 / K) * np.eye(K, levels)
        p /= p.sum(axis=1, keepdims=True)
        x = np.stack([[rng.choice(levels, p=p[k]) for _ in range(d)] for k in z]).astype(float)
        return bm.Mixture(bm.Categorical(prob=bm.Dirichlet(np.full(levels, 1.5))), **rest), bm.Data(x)
    raise ValueError(kind)
