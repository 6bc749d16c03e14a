"""What the checks look at, computed once: invariants, R-hat and ESS, and which optimum each chain is in."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from bayesmix.em import engine, modes
from bayesmix.em.kernel import Problem
from bayesmix.fit import Fit
from bayesmix.spec.missing import column_means, column_sd
from bayesmix.store import scalars

CLIMBS = 10  # draws per chain from which EM climbs to find the optimum the chain is in
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the data along their first principal direction


@dataclass(frozen=True)
class Evidence:
    """An MCMC fit (or an EM fit alone) and the EM census beside it."""

    fit: Fit
    em: Fit | None

    @property
    def sampled(self):
        """Whether there are MCMC draws."""
        return self.fit.engine == "mcmc"

    @cached_property
    def problem(self):
        return Problem.of(self.fit.mixture, self.fit.data)

    @cached_property
    def invariants(self):
        """Label-invariant quantities, name -> (chain, draw): few and named.

        The log posterior, the log likelihood, the sorted weights, and the density at five rows that
        sit at quantiles of the data along their first principal direction.
        """
        fit, x = self.fit, self.fit.data.x
        out = {"log posterior": fit.log_posteriors}
        if "log_likelihood" in fit.groups:
            out["log likelihood"] = fit.groups["log_likelihood"]["x"].values.sum(axis=-1)
        weights = np.sort(fit.draws["weight"], axis=-1)
        if not fit.mixture.is_constant("weight"):
            for k in range(fit.mixture.components - 1):
                out[f"weight, {_ordinal(k)} smallest"] = weights[..., k]
        at = quantile_rows(x)
        if "log_likelihood" in fit.groups and fit.data.weight is None and not fit.data.is_labelled:
            density = fit.groups["log_likelihood"]["x"].values[..., at]
        else:
            density = np.empty((*fit.shape, len(at)))
            for c, s in np.ndindex(*fit.shape):
                density[c, s] = logsumexp(fit.mixture.log_joint(x[at], fit.theta(c, s, relabelled=False)), axis=1)
        for j, q in enumerate(QUANTILES):
            out[f"log density at the {q:.0%} row"] = density[..., j]
        return out

    @cached_property
    def relabelled(self):
        """Scalar parameters after relabelling, name -> (chain, draw)."""
        return scalars(self.fit.mixture, self.fit.data, self.fit.relabelled)

    @cached_property
    def raw(self):
        """Scalar parameters as drawn, name -> (chain, draw)."""
        return scalars(self.fit.mixture, self.fit.data, self.fit.draws)

    @cached_property
    def table(self):
        """R-hat, ESS and MCSE: invariants first, relabelled parameters second, raw ones last."""
        import arviz as az
        import pandas as pd

        rows = []
        kinds = {"invariant": self.invariants, "relabelled": self.relabelled, "raw": self.raw}
        for kind, quantities in kinds.items() if self.sampled else ():
            for name, value in quantities.items():
                rows.append(
                    {
                        "quantity": name,
                        "kind": kind,
                        "r_hat": _number(az.rhat, value),
                        "ess_bulk": _number(az.ess, value),
                        "ess_tail": _number(az.ess, value, method="tail", prob=(0.05, 0.95)),
                        "mcse": _number(az.mcse, value),
                    }
                )
        columns = ["quantity", "kind", "r_hat", "ess_bulk", "ess_tail", "mcse"]
        return pd.DataFrame(rows, columns=columns).set_index("quantity")

    def chain_mcse(self, value):
        """MCSE of each chain's own mean, (chain,)."""
        import arviz as az

        return np.array([_number(az.mcse, v[None]) for v in value])

    @cached_property
    def climbs(self):
        """Every optimum known, and the (chain, checkpoint) index of the one EM reaches from that draw.

        Optima met on the way join the census; -1 marks a climb that collapsed.
        """
        optima = list(self.fit.optima)
        chains, draws = self.fit.shape
        at = np.unique(np.linspace(0, draws - 1, min(CLIMBS, draws)).astype(int))
        home = np.full((chains, len(at)), -1)
        for c in range(chains):
            for j, s in enumerate(at):
                run = engine.run(self.problem, self.fit.theta(c, s), max_iter=1000, tol=1e-6)
                home[c, j] = self._home(run, optima)
        return tuple(optima), home

    def _home(self, run, optima):
        if run.status == engine.COLLAPSED:
            return -1
        near = [
            (abs(m.log_posterior - run.log_posterior), i)
            for i, m in enumerate(optima)
            if m.kind != "collapsed" and modes.alike(self.problem, m, run)
        ]
        if near:
            return min(near)[1]
        found = modes.census(self.problem, [run])
        optima.append(found[0])
        return len(optima) - 1

    @cached_property
    def occupancy(self):
        """Chain x optimum: the share of checkpoints at which the chain was in it."""
        import pandas as pd

        optima, home = self.climbs
        share = [[(home[c] == m).mean() for m in range(len(optima))] for c in range(len(home))]
        frame = pd.DataFrame(share)
        frame.index.name, frame.columns.name = "chain", "mode"
        return frame

    @cached_property
    def regions(self):
        """Region number of each optimum: optima that chains moved between at least twice are one region."""
        optima, home = self.climbs
        region = np.arange(len(optima))
        for a in range(len(optima)):
            for b in range(a):
                moves = sum(
                    int(((h[:-1] == a) & (h[1:] == b)).sum() + ((h[:-1] == b) & (h[1:] == a)).sum()) for h in home
                )
                if moves >= 2:
                    region[region == region[a]] = region[b]
        return region

    @cached_property
    def chain_regions(self):
        """The region in which each chain spent most checkpoints, (chain,); -1 if it collapsed throughout."""
        _, home = self.climbs
        out = []
        for h in home:
            known = h[h >= 0]
            out.append(np.bincount(self.regions[known]).argmax() if len(known) else -1)
        return np.array(out)

    @cached_property
    def shares(self):
        """Laplace share of the mass of each optimum; NaN where it has no Laplace mass."""
        optima = self.climbs[0] if self.sampled else self.fit.optima
        mass = np.array([m.log_mass for m in optima])
        known = np.isfinite(mass)
        out = np.full(len(mass), np.nan)
        if known.any():
            w = np.exp(mass[known] - mass[known].max())
            out[known] = w / w.sum()
        return out

    @cached_property
    def ambiguous(self):
        """Share of draws whose best relabelling has probability below 0.9.

        Under a Gaussian fitted to the relabelled draws in unconstrained coordinates, the probability
        of the draw's own permutation among all within the exchangeable blocks (all swaps of two
        components when there are more than 720).
        """
        if self.problem.relabelings == 1:
            return 0.0
        model, permutations = self.fit.mixture, _permutations(self.problem)
        total = int(np.prod(self.fit.shape))
        kept = np.unique(np.linspace(0, total - 1, min(500, total)).astype(int))
        thetas = [self.fit.theta(*divmod(int(i), self.fit.shape[1])) for i in kept]
        with np.errstate(all="ignore"):
            u = np.array([[model.vector(model.permute(t, p)) for p in permutations] for t in thetas])
        own = u[:, 0]
        if not np.isfinite(own).all():
            return float("nan")
        cov = np.atleast_2d(np.cov(own.T)) + 1e-12 * np.diag(own.var(axis=0) + 1e-300)
        try:
            factor = np.linalg.cholesky(cov)
        except np.linalg.LinAlgError:
            return float("nan")
        z = np.linalg.solve(factor, np.moveaxis(u - own.mean(axis=0), -1, 0).reshape(len(cov), -1))
        log_p = -0.5 * (z**2).sum(axis=0).reshape(u.shape[:2])
        best = np.exp(log_p[:, 0] - logsumexp(log_p, axis=1))
        return float((best < 0.9).mean())


def _permutations(problem):
    """Permutations within the exchangeable blocks, the identity first."""
    from itertools import permutations, product

    K = problem.mixture.components
    if problem.relabelings <= 720:
        out = []
        for parts in product(*(permutations(b) for b in problem.free_blocks)):
            perm = np.arange(K)
            for block, part in zip(problem.free_blocks, parts, strict=True):
                perm[list(block)] = part
            out.append(perm)
        return out
    out = [np.arange(K)]
    for block in problem.free_blocks:
        for i, a in enumerate(block):
            for b in block[:i]:
                swap = np.arange(K)
                swap[[a, b]] = b, a
                out.append(swap)
    return out


def quantile_rows(x):
    """Indices of the rows at QUANTILES of the data along their first principal direction."""
    sd = column_sd(x)
    y = np.nan_to_num((x - column_means(x)) / np.where(sd > 0, sd, 1.0))  # a missing cell counts as average
    direction = np.linalg.svd(y, full_matrices=False)[2][0]
    along = np.argsort(y @ direction, kind="stable")
    return along[np.round(np.array(QUANTILES) * (len(x) - 1)).astype(int)]


def _number(f, value, **options):
    """One diagnostic of a (chain, draw) array; NaN for a constant."""
    if np.ptp(value) == 0:
        return float("nan")
    return float(f(np.asarray(value, dtype=np.float64), **options))


def _ordinal(k):
    return ("", "2nd ", "3rd ")[k].strip() if 0 < k < 3 else ("the" if k == 0 else f"{k + 1}th")
