"""How many components of an MCMC fit hold rows: the sparse finite mixture's answer to the number of clusters.

With more components than needed and a small Dirichlet concentration, superfluous components empty; the posterior of
the number of occupied ones is the answer. Given theta, a row is in component k with probability r_ik, rows apart, so

    P(only components of A are occupied | theta) = prod_i sum_{k in A} r_ik,

and inclusion and exclusion over the sets A gives the distribution of their number exactly. Its mean over the draws
is the estimate.

References: Malsiner-Walli, Fruehwirth-Schnatter & Gruen (2016), Statistics and Computing 26:303-324; Rousseau &
Mengersen (2011), JRSS B 73:689-710, for why superfluous components empty.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import many

MOST = 10  # components up to which all 2^K sets are summed over


@dataclass(frozen=True)
class Occupied:
    """p(number of occupied components | data).

    number: 1, ..., K. probability, se: (K,), with the Monte Carlo standard error. mean: the expected number.
    """

    number: np.ndarray
    probability: np.ndarray
    se: np.ndarray

    @property
    def mean(self):
        return float(self.number @ self.probability)

    @property
    def mode(self):
        """The number of highest probability."""
        return int(self.number[np.argmax(self.probability)])

    def summary(self):
        """One sentence."""
        at = self.mode - 1
        return (
            f"{self.mode} of {len(self.number)} components are occupied with probability {self.probability[at]:.3f} "
            f"(Monte Carlo error {self.se[at]:.3f}); {self.mean:.2f} on average."
        )

    def table(self):
        """A DataFrame: occupied, probability, se."""
        import pandas as pd

        found = {"probability": self.probability, "se": self.se}
        return pd.DataFrame(found, index=pd.Index(self.number, name="occupied"))


def occupied(mcmc):
    """The posterior of the number of components that hold at least one row, with Monte Carlo errors.

    Args:
        mcmc: an MCMC fit of at most 10 components, by either sampler; labels may be switched.

    Raises:
        InputError: not an MCMC fit, too many components, or row weights, which no allocation of a row stands for.
    """
    import arviz as az

    if getattr(mcmc, "engine", None) != "mcmc":
        raise InputError(f"occupied(mcmc): expected an MCMC fit, got {mcmc!r}.")
    K = mcmc.mixture.components
    if K > MOST:
        raise InputError(f"occupied(mcmc): expected at most {MOST} components, got {K}; use bm.telescope instead.")
    if mcmc.data.weight is not None:
        raise InputError("occupied(mcmc): rows with weights have no single allocation; repeat the rows instead.")
    fields = many.stack({name: mcmc.draws[name] for name in mcmc.mixture.parameters})
    label = mcmc.mixture.log_label(mcmc.data)
    p = np.empty((len(fields["weight"]), K))
    for run, r, _ in many.by_draws(mcmc.mixture, mcmc.data.x, fields, label):
        p[run] = occupation(r)
    p = p.reshape(*mcmc.shape, K)
    se = [float(az.mcse(p[..., m], method="mean")) if np.ptp(p[..., m]) > 1e-300 else 0.0 for m in range(K)]
    return Occupied(np.arange(1, K + 1), p.mean(axis=(0, 1)), np.array(se))


def occupation(r):
    """P(1, ..., K components are occupied) of independent rows: (draws, K, n) -> (draws, K)."""
    K = r.shape[1]
    within = np.zeros((K, len(r)))  # sum over the sets A of j components of P(only A is occupied)
    for j in range(1, K + 1):
        for A in combinations(range(K), j):
            within[j - 1] += np.prod(r[:, list(A)].sum(axis=1), axis=1)
    out = np.empty((len(r), K))
    for m in range(1, K + 1):
        out[:, m - 1] = sum((-1) ** (m - j) * comb(K - j, m - j) * within[j - 1] for j in range(1, m + 1))
    return np.clip(out, 0.0, 1.0)
