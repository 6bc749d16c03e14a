"""How many groups the components of a candidate amount to in each of its draws, and over all candidates.

More components can always repeat the density of fewer: some of them are empty, others twins. So a candidate's K is not
its number of groups. In a draw, components that hold less than one expected row are left out, and the two components
that the rows tell apart least are joined, again and again, while the rows take away less than a tenth of the entropy
of one against the other (`diagnostics.components`, where `bm.diagnose` calls such components empty and twins). What is
left are the groups in use, K+. No name of a component enters.

With prior probabilities p(K) of the candidates and their evidences,

    p(K+ | y) = sum_K p(K | y) p(K+ | y, K),    p(K | y) ~ p(K) p(y | K),

which asks what the data are like and not how the model is written: evidences of K that tie because the larger model
repeats the smaller then speak for the same K+.

References: Malsiner-Walli, Fruehwirth-Schnatter & Gruen (2016), Statistics and Computing 26:303-324, for K+ instead of
K; Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Analysis 16:1279-1307, section 2, for both under a
prior on K; Hoeting, Madigan, Raftery & Volinsky (1999), Statistical Science 14:382-401, eq. (1), for the average.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.diagnostics.components import CELLS, DRAWS, EMPTY, LEAST, TWINS
from bayesmix.spec import many
from bayesmix.spec.special import logsumexp, xlogy


@dataclass(frozen=True, eq=False)
class Groups:
    """Probabilities of 1, 2, ... groups in use, and their Monte Carlo standard errors."""

    probability: np.ndarray
    se: np.ndarray

    def at_most(self, number):
        """The probability of that many groups or fewer."""
        return float(self.probability[:number].sum())

    def of(self, number):
        """The probability of that many groups, and its error."""
        known = 1 <= number <= len(self.probability)
        return (float(self.probability[number - 1]), float(self.se[number - 1])) if known else (0.0, 0.0)

    @property
    def order(self):
        """Numbers of groups, the most probable first."""
        return [int(g) + 1 for g in np.argsort(-self.probability, kind="stable")]

    def credible(self, level):
        """The fewest numbers of groups, in order, that hold at least this probability together."""
        order, rounding = self.order, 1e-12
        mass = np.cumsum(self.probability[np.array(order) - 1])
        return tuple(sorted(order[: int(np.searchsorted(mass, level - rounding)) + 1]))


def groups_of(fit):
    """The Groups of an MCMC fit, from evenly spaced draws of each chain."""
    chains, draws = fit.shape
    most = np.clip(CELLS / (len(fit.data.x) * fit.mixture.components), LEAST, DRAWS)
    some = np.unique(np.linspace(0, draws - 1, min(draws, max(int(most) // chains, 2))).astype(int))
    fields = many.stack({name: fit.draws[name][:, some] for name in fit.mixture.parameters})
    label, weight = fit.mixture.log_label(fit.data), fit.data.row_weight
    runs = many.by_draws(fit.mixture, fit.data.x, fields, label)
    used = np.concatenate([in_use(r * weight) for _, r, _ in runs])
    is_so = (used[:, None] == np.arange(1, fit.mixture.components + 1)).reshape(chains, len(some), -1)
    return Groups(is_so.mean(axis=(0, 1)), errors(is_so.astype(float)))


def errors(value):
    """Monte Carlo standard errors of the means of (chain, draw, m) values.

    Chains that never changed, but differ, have the spread between them for an error.
    """
    import arviz as az

    out = np.zeros(value.shape[-1])
    for m, one in enumerate(np.moveaxis(value, -1, 0)):
        if np.ptp(one) > 0:
            between = one.mean(axis=1).std(ddof=1) / np.sqrt(len(one)) if len(one) > 1 else 0.0
            out[m] = np.nanmax([float(az.mcse(one, method="mean")), between])
    return out


def in_use(r):
    """The number of groups in use of weighted responsibilities (draws, K, n): (draws,)."""
    r, left = r.copy(), np.arange(len(r))
    for _ in range(r.shape[1] - 1):
        told, pair = least_told(r[left])
        left, pair = left[told < TWINS], pair[told < TWINS]
        r[left, pair[:, 0]] += r[left, pair[:, 1]]
        r[left, pair[:, 1]] = 0.0
    return (r.sum(axis=2) >= EMPTY).sum(axis=1)


def least_told(r):
    """How well the two least distinct components with rows are told apart, and which they are: (draws,), (draws, 2).

    1 - H(j or k | row) / H(j or k), as `components.least_told` has it of one draw; 1 where there is no pair.
    """
    count, out = r.sum(axis=2), np.ones(len(r))
    pair = np.zeros((len(r), 2), dtype=int)
    for j in range(r.shape[1]):
        for k in range(j):
            both, rows = r[:, j] + r[:, k], count[:, j] + count[:, k]
            with np.errstate(divide="ignore", invalid="ignore"):
                left = two_way(r[:, j] / both, both).sum(axis=1)
                told = 1 - left / two_way(count[:, j] / rows, rows)
            less = (np.minimum(count[:, j], count[:, k]) >= EMPTY) & (told < out)
            out[less], pair[less] = told[less], (j, k)
    return out, pair


def two_way(p, times):
    """times (-p log p - (1 - p) log(1 - p)), 0 where times is 0."""
    p = np.where(times > 1e-12, p, 0.5)
    return -times * (xlogy(p, p) + xlogy(1 - p, 1 - p))


def pooled(groups, log_evidence, se, prior):
    """The Groups over all candidates: Groups of each, log evidences and their errors, prior probabilities.

    The error is that of the delta method, all of its sources independent.
    """
    most = max(len(g.probability) for g in groups)
    own, own_se = (np.array([np.pad(v, (0, most - len(v))) for v in part])
                   for part in ([g.probability for g in groups], [g.se for g in groups]))  # fmt: skip
    with np.errstate(divide="ignore"):
        log_p = np.log(prior) + log_evidence
    p = np.exp(log_p - logsumexp(log_p))[:, None]
    out = (p * own).sum(axis=0)
    variance = (p * (own - out) * np.asarray(se)[:, None]) ** 2 + (p * own_se) ** 2
    return Groups(out, np.sqrt(variance.sum(axis=0)))
