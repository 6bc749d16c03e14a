"""The posterior of the number of components, K and all parameters drawn together by Gibbs.

With a prior p(K) and weight ~ Dirichlet(e) at every K, the rows' partition C into K+ filled components and K are
linked only by

    p(K | C) ~ p(K) K! / (K - K+)! Gamma(K e) / Gamma(n + K e),    K >= K+,

so K is drawn given the partition, then K - K+ empty components are drawn from the prior. No evidence is estimated
and no proposal is tuned. The mean of p(K | C) over the draws is the estimate: a smoother one than counting K.

References: Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Analysis 16:1279-1307, algorithm 1 (the
telescoping sampler); Nobile (2004), Annals of Statistics 32:2044-2073, for the link.
"""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em import kernel
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.mcmc.gibbs import refuse
from bayesmix.mcmc.gibbs_steps import draw_z
from bayesmix.seed import seed_of
from bayesmix.spec.priors import Dirichlet
from bayesmix.spec.special import gammaln, logsumexp


@dataclass(frozen=True)
class NumberOfComponents:
    """p(K | data).

    components: the values of K that have prior mass. probability, se: (len(components),) the posterior and its Monte
    Carlo standard error. occupied, occupied_se: the same for the number K+ of filled components, 1, 2, ..., max K.
    draws: (chain, draw) of K. effective: effective sample size of K+.
    """

    components: tuple
    probability: np.ndarray
    se: np.ndarray
    occupied: np.ndarray
    occupied_se: np.ndarray
    draws: np.ndarray
    effective: float
    seed: int

    def summary(self):
        """One sentence."""
        best = int(np.argmax(self.probability))
        return (
            f"K = {self.components[best]} has the highest posterior probability, {self.probability[best]:.3f} "
            f"(Monte Carlo error {self.se[best]:.3f}); {self.effective:.0f} effective draws."
        )

    def table(self):
        """A DataFrame: components, probability, se."""
        import pandas as pd

        found = {"probability": self.probability, "se": self.se}
        return pd.DataFrame(found, index=pd.Index(self.components, name="components"))


def telescope(model, data, components=range(1, 11), prior=None, *, draws=5000, tune=1000, chains=4, seed=None):
    """p(K | data) under a prior on the number K of components, with Monte Carlo errors.

    Args:
        model: a `Mixture` with exchangeable components and conjugate priors; its own number of components is not
            looked at. The weights are Dirichlet(e) at every K, with the model's e.
        data: a `Data` without labels.
        components: the values of K that are possible.
        prior: their probabilities, up to a factor; left out, equal ones.
        draws, tune, chains: as in `fit_mcmc`. Every chain starts at the smallest and the largest K by turns.
        seed: any whole number; left out, a fresh one is drawn and recorded.

    Raises:
        InputError: the model has constraints, labels, unlike members, or no conjugate step.
    """
    data = data if isinstance(data, Data) else Data(data)
    for name, value in {"draws": draws, "chains": chains}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"telescope({name}=...): expected a whole number of at least 1, got {value!r}.")
    possible, log_p = _prior(components, prior)
    _check(model, data)
    e = float(model.weight.concentration)
    seed = seed_of("telescope", seed)
    top = replace(model, components=int(possible[-1])).resolve(data)
    problem = Problem.of(top, data)
    refuse(problem)
    if len(top.prior_blocks(data.d)) > 1:
        raise InputError("telescope(model, data): every component needs the same priors.")
    link = Link.of(possible, log_p, e, float(data.row_weight.sum()))
    rngs = np.random.default_rng(seed).spawn(chains)
    found = [_chain(problem, link, possible[0 if c % 2 else -1], rngs[c], draws, tune) for c in range(chains)]
    return _outcome(link, np.array([f[0] for f in found]), np.array([f[1] for f in found]), seed)


def _prior(components, prior):
    possible = np.unique([int(k) for k in components])
    if not len(possible) or possible[0] < 1:
        raise InputError(f"telescope(components={components!r}): expected numbers of at least 1, such as range(1, 9).")
    p = np.ones(len(possible)) if prior is None else np.asarray(prior, dtype=float)
    if p.shape != possible.shape or not (p > 0).all():
        raise InputError(
            f"telescope(prior=...): expected {len(possible)} positive numbers, one for each of {possible.tolist()}, "
            f"got {prior!r}."
        )
    return possible, np.log(p / p.sum())


def _check(model, data):
    why = None
    if model.family.count is not None:
        why = "components of unlike members cannot be added or dropped"
    elif model.constraints:
        why = "a constraint ties the components together; leave it out, the number of components does not depend on it"
    elif data.is_labelled or model.classes is not None:
        why = "labels tie components to classes"
    elif data.missing or data.weight is not None:
        why = "missing cells and row weights are not supported here"
    elif not isinstance(model.weight, Dirichlet) or model.weight.concentration.ndim:
        why = "the weights need a prior Dirichlet(e) with one number e for every component"
    if why:
        raise InputError(f"telescope(model, data): {why}.")


@dataclass(frozen=True)
class Link:
    """p(K | K+ filled components) for every K+: log_p (largest K, values of K), normalised."""

    possible: np.ndarray
    e: float
    log_p: np.ndarray

    @classmethod
    def of(cls, possible, log_prior, e, n):
        filled = np.arange(1, possible[-1] + 1)[:, None]
        left = np.maximum(possible - filled, 0)
        log_p = log_prior + gammaln(possible + 1.0) - gammaln(left + 1.0)
        log_p = np.where(possible >= filled, log_p + gammaln(possible * e) - gammaln(n + possible * e), -np.inf)
        return cls(possible, e, log_p - logsumexp(log_p, axis=1)[:, None])

    def draw(self, filled, rng):
        """K given the number of filled components."""
        return int(rng.choice(self.possible, p=np.exp(self.log_p[filled - 1])))


def _chain(problem, link, K, rng, draws, tune):
    """(K, K+) of each kept sweep."""
    d = problem.x.shape[1]
    own, w = problem.mixture.family.draw_prior(rng, K, d), rng.dirichlet(np.full(K, link.e))
    if kernel.COMPILED:
        from bayesmix.selection import telescope_gaussian as compiled

        law = compiled.law_of(problem.mixture.family, d, link)
        if law is not None:
            return compiled.chain(problem, law, K, own, w, rng, tune + draws)[:, tune:]
    return plain_sweeps(problem, link, K, own, w, rng, tune + draws)[:, tune:]


def plain_sweeps(problem, link, K, own, w, rng, count):
    """(K, K+) of `count` sweeps from K components with these fields and weights, for every conjugate family."""
    family, d = problem.mixture.family, problem.x.shape[1]
    phi, out = family.sufficient(problem.x), np.empty((2, count), dtype=int)
    for step in range(count):
        with np.errstate(divide="ignore"):
            joint = (np.log(w) + family.log_density(problem.x, own)).T
        z = draw_z(np.exp(joint - joint.max(axis=0)), rng)
        names, z = np.unique(z, return_inverse=True)
        one = (z == np.arange(len(names))[:, None]).astype(float)
        own = family.conditional(one @ phi, rng, **_picked(family, own, names))
        K = link.draw(len(names), rng)
        own = _with_empty(family, own, K - len(names), d, rng)
        w = rng.dirichlet(link.e + np.append(one.sum(axis=1), np.zeros(K - len(names))))
        out[:, step] = K, len(names)
    return out


def _picked(family, own, components):
    """The fields of some of the components."""
    return {n: own[n] if p.shared else own[n][components] for n, p in family.parameters.items()}


def _with_empty(family, own, count, d, rng):
    """The fields with `count` more components, drawn from the prior given what all components share."""
    if not count:
        return own
    new, out = {n: own[n] for n, p in family.parameters.items() if p.shared}, {}
    for name in family.order:
        p = family.parameters[name]
        if not p.shared:
            new[name] = p.prior.draw(rng, p.shape(count, d), family.scope(name, new))
    for name, p in family.parameters.items():
        out[name] = own[name] if p.shared else np.concatenate([own[name], new[name]])
    return out


def _outcome(link, K, filled, seed):
    import arviz as az

    p = np.exp(link.log_p)[filled - 1]  # (chain, draw, values of K)
    count = filled[..., None] == np.arange(1, link.possible[-1] + 1)
    return NumberOfComponents(
        tuple(link.possible.tolist()),
        p.mean(axis=(0, 1)),
        errors(p, az),
        count.mean(axis=(0, 1)),
        errors(count.astype(float), az),
        K,
        float(az.ess(filled.astype(float), method="mean")) if np.ptp(filled) else float(filled.size),
        seed,
    )


def errors(value, az):
    """Monte Carlo standard errors of the means of (chain, draw, m) values, 0 for a constant."""
    one = np.moveaxis(value, -1, 0)
    return np.array([float(az.mcse(v, method="mean")) if np.ptp(v) > 1e-300 else 0.0 for v in one])
