"""What the checks look at, computed once and only when a check asks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.diagnostics import components, convergence, masses, matching
from bayesmix.diagnostics.invariants import invariants, quantile_rows
from bayesmix.diagnostics.relabelling.certainty import SURE
from bayesmix.diagnostics.spec_draws import certainties
from bayesmix.em.kernel import Problem
from bayesmix.fit import Fit
from bayesmix.tree import scalars

RARE = 0.05  # share of the checkpoints from which an optimum has draws of its own
NAMED = 500  # draws whose names are questioned
LEAST = 10  # draws from which their spread says anything


@dataclass(frozen=True)
class Evidence:
    """An MCMC fit (or an EM fit alone) and the EM census beside it.

    A check reads only what is listed here and says nothing (returns None) where that is None, so that the same
    checks serve draws without a specification:

    sampled: whether there are MCMC draws. shape: (chains, draws).
    invariants, relabelled, raw: name -> (chain, draw). table: their R-hat, ESS and MCSE.
    permutation: (chain, draw, K), relabelled component k is component permutation[k] of the draw; relabelings:
    how many names the components may have (1: none may be exchanged). ambiguous: share of draws whose names are
    in doubt.
    settled: (chain,) whether each chain has ended its climb. regions_of_chains: (chain,) the region that each
    stays in, -1 where it stays in none.
    sample_stats: name -> (chain, draw).
    components: `Components` of the draws looked at, or None without responsibilities.
    no_census: why EM found no optimum, or "". climbs: draws of each chain from which EM climbs, at most.
    fit, em, problem, matching, masses: the fits, the centred problem, the climbs from the draws and the mass
    table; None without a specification.
    """

    fit: Fit
    em: Fit | None = None
    progress: object = None
    no_census: str = ""
    climbs: int = matching.MOST

    @property
    def sampled(self):
        return self.fit.engine == "mcmc"

    @property
    def shape(self):
        return self.fit.shape

    @cached_property
    def problem(self):
        return Problem.of(self.fit.mixture, self.fit.data)

    @cached_property
    def invariants(self):
        return invariants(self.fit)

    @cached_property
    def relabelled(self):
        return scalars(self.fit.mixture, self.fit.data, self.fit.relabelled)

    @cached_property
    def raw(self):
        return scalars(self.fit.mixture, self.fit.data, self.fit.draws)

    @cached_property
    def table(self):
        kinds = {"invariant": self.invariants, "relabelled": self.relabelled, "raw": self.raw} if self.sampled else {}
        return convergence.table(kinds)

    @property
    def permutation(self):
        return self.fit.permutation if self.sampled else None

    @property
    def relabelings(self):
        return self.problem.relabelings

    @property
    def sample_stats(self):
        stats = self.fit.groups.get("sample_stats") if self.sampled else None
        return {} if stats is None else {name: stats[name].values for name in stats}

    @cached_property
    def matching(self):
        return matching.match_draws(self.problem, self.fit, self.progress, self.climbs) if self.sampled else None

    @cached_property
    def settled(self):
        return convergence.settled(self.invariants, self.shape) if self.sampled else None

    @property
    def regions_of_chains(self):
        return np.where(self.settled, self.matching.seats, -1) if self.sampled else None

    @cached_property
    def masses(self):
        rng = np.random.default_rng(0)  # a fixed stream: the same fit gets the same diagnosis
        free = matching.unordered(self.problem)
        return masses.mass_table(free, self.matching, rng) if self.sampled else None

    @cached_property
    def shares(self):
        """Share of the mass of each optimum, NaN where there is no estimate."""
        return self.masses["share"].to_numpy() if self.sampled else masses.laplace_shares(self.fit.optima)

    @cached_property
    def some(self):
        """Evenly spaced (chain, draw) pairs: `components.DRAWS`, or fewer where there are many rows."""
        total, cells = int(np.prod(self.shape)), self.problem.x.shape[0] * self.fit.mixture.components
        most = int(np.clip(components.CELLS / cells, components.LEAST, components.DRAWS))
        return [divmod(int(i), self.shape[1]) for i in spaced(total, most)]

    @cached_property
    def components(self):
        problem = self.problem
        weight = np.ones(len(problem.x)) if problem.weight is None else problem.weight
        thetas = (problem.inward(self.fit.theta(c, s, relabelled=False)) for c, s in self.some)
        rows = (problem.responsibilities(theta)[0] * weight[:, None] for theta in thetas)
        return components.components_of(rows, [c for c, _ in self.some])

    @cached_property
    def ambiguous(self):
        """Share of the draws whose names have a probability below 0.9 (`relabelling.certainty`).

        Where the chains were in one optimum under one order of names, of evenly spaced draws; else of the checkpoints,
        optimum by optimum, under the names that the climbs gave them.
        """
        if not self.sampled:
            return None
        matched, free = self.matching, matching.unordered(self.problem)
        if free.relabelings == 1:
            return 0.0
        known = np.bincount(matched.home[matched.home >= 0], minlength=1) / matched.home.size
        if (known > RARE).sum() <= 1 and free.relabelings == self.relabelings:
            total = int(np.prod(self.shape))
            groups = [[self.fit.theta(*divmod(int(i), self.shape[1])) for i in spaced(total, NAMED)]]
        else:
            groups = self.checkpoints_of(np.flatnonzero(known > RARE))
        sure = [certainties(self.fit.mixture, thetas, free.free_blocks) for thetas in groups if len(thetas) >= LEAST]
        return float((np.concatenate(sure) < SURE).mean()) if sure else float("nan")

    def checkpoints_of(self, optima):
        """The draws at the checkpoints of each optimum, named as its climbs ended."""
        matched, model = self.matching, self.fit.mixture
        return [
            [
                model.permute(self.fit.theta(c, matched.at[j], relabelled=False), matched.permutation[c, j])
                for c, j in np.argwhere(matched.home == m)
            ]
            for m in optima
        ]


def spaced(total, most):
    """At most `most` evenly spaced whole numbers of 0..total-1."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))


__all__ = ["Evidence", "quantile_rows"]
