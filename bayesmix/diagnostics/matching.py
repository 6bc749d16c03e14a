"""Which optimum each draw belongs to, and under which names: EM climbs from the draws themselves.

A draw is in an optimum's basin when EM, started from it, ends there; how far apart the two are in parameter
space says little. EM keeps the names of the components on its way, so the climb also says which component of
the draw is which component of the optimum. Optima met on the way that the census lacks join it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayesmix.em import batch, engine, kinds, modes, polish

MOST, LEAST = 100, 4  # draws per chain from which EM climbs
WORK = 3e9  # rows x components x features x iterations that all climbs together may cost
ROUGH = {"max_iter": 200, "tol": 1e-4}  # the first climb: enough where the optimum is known
FINE = {"stiffness": 1.0, "max_iter": 2000, "tol": 1e-7}
BELOW = 0.01  # nats below the top of a hill, and
NEAR = 0.03  # relative distance of the parameters from it, at which a climb need not go on
NEW = 6  # optima met on the way that are polished and weighed; further ones are only listed
FREELY = 2  # journeys in each direction from which two optima are one region


@dataclass(frozen=True)
class Matching:
    """The optimum and the permutation of each checkpoint.

    optima: the census, then what the climbs met; known: how many of them the census had.
    at: (checkpoints,) draws climbed from. home: (chain, checkpoint) index of the optimum, -1 where the climb
    collapsed. permutation: (chain, checkpoint, K), component k of the optimum is component permutation[k] of the
    draw, as drawn; for an order on exchangeable components the order is left out of the climb.
    """

    optima: tuple
    known: int
    at: np.ndarray
    home: np.ndarray
    permutation: np.ndarray

    @cached_property
    def occupancy(self):
        """Chain x optimum, a DataFrame: the share of checkpoints at which the chain was in it."""
        import pandas as pd

        share = [[(h == m).mean() for m in range(len(self.optima))] for h in self.home]
        frame = pd.DataFrame(share)
        frame.index.name, frame.columns.name = "chain", "mode"
        return frame

    @cached_property
    def moves(self):
        """(optimum, optimum): how often a chain went from one to the other between neighbouring checkpoints."""
        out = np.zeros((len(self.optima), len(self.optima)), dtype=int)
        for h in self.home:
            h = h[h >= 0]
            np.add.at(out, (h[:-1], h[1:]), 1)
        np.fill_diagonal(out, 0)
        return out

    @cached_property
    def regions(self):
        """(optimum,): optima between which chains moved freely, to and fro, have the same number.

        So have regions between which they did: where there are many small optima no two of them see many journeys.
        """
        region = np.arange(len(self.optima))
        while True:
            trips = journeys(np.append(region, -1)[self.home], len(region))
            freely = np.argwhere(np.minimum(trips, trips.T) >= FREELY)
            if not len(freely):
                return region
            for a, b in freely:
                first, other = sorted((region[a], region[b]))
                region[region == other] = first

    @cached_property
    def seats(self):
        """(chain,): the region in which each chain spent half of its checkpoints; -1 if it wanders, or collapsed."""
        often = [np.bincount(r[r >= 0], minlength=1) for r in self.region]
        return np.array([n.argmax() if 2 * n.max() >= self.home.shape[1] else -1 for n in often])

    @cached_property
    def region(self):
        """(chain, checkpoint): the region that each checkpoint is in, -1 where the climb collapsed."""
        return np.append(self.regions, -1)[self.home]

    @cached_property
    def visited(self):
        """Regions that some chain was in at a checkpoint, a set."""
        return {int(r) for r in np.unique(self.region) if r >= 0}

    @cached_property
    def switched(self):
        """(chain, checkpoint): whether the draw's names differ from the most frequent ones at its optimum."""
        out = np.zeros(self.home.shape, dtype=bool)
        for m in np.unique(self.home[self.home >= 0]):
            here = self.home == m
            codes = np.unique(self.permutation[here], axis=0, return_inverse=True)[1].ravel()
            out[here] = codes != np.bincount(codes).argmax()
        return out

    def of_kind(self, kind):
        """(chain, checkpoint): whether the optimum there is of a kind, "collapsed" for climbs that did."""
        return np.array([*(m.kind == kind for m in self.optima), kind == "collapsed"])[self.home]


def journeys(where, count):
    """(count, count): how often a chain that was in one place came to another, whatever it met on the way.

    where: (chain, checkpoint) numbers of places below count, -1 for none.
    """
    out = np.zeros((count, count), dtype=int)
    met = np.unique(where[where >= 0])
    for h in where:
        for i, a in enumerate(met):
            for b in met[:i]:
                first = h[(h == a) | (h == b)] == a
                out[a, b] += np.count_nonzero(first[:-1] & ~first[1:])
                out[b, a] += np.count_nonzero(~first[:-1] & first[1:])
    return out


def match_draws(problem, fit, progress=None, most=MOST):
    """The Matching of an MCMC fit's draws to its census, by climbs from at most `most` draws of each chain."""
    chains, draws = fit.shape
    free = unordered(problem)
    at = np.unique(np.linspace(0, draws - 1, min(checkpoints(free, chains), most, draws)).astype(int))
    thetas = [fit.theta(c, s, relabelled=False) for c in range(chains) for s in at]
    optima = list(fit.optima)
    home, permutation = climb_to_optima(free, thetas, optima, progress)
    names = np.log(problem.relabelings / free.relabelings)  # an order leaves one of the relabelings of each optimum
    optima[len(fit.optima) :] = [replace(m, log_mass=m.log_mass + names) for m in optima[len(fit.optima) :]]
    if len(optima) > len(fit.optima):
        optima = weighed_once(free, optima)
    shape = (chains, len(at))
    return Matching(tuple(optima), len(fit.optima), at, home.reshape(shape), permutation.reshape(*shape, -1))


def checkpoints(problem, chains):
    """How many draws of each chain are climbed from: MOST where EM is compiled, fewer where that would take long."""
    cost = 1.0 if batch.suits(problem) else 8.0  # array by array, and Python's own work
    features = problem.feature_count if problem.exponential else 10 * problem.x.shape[1]
    passes = WORK / cost / (len(problem.x) * problem.mixture.components * features + 2e4)
    return int(np.clip(passes / 100 / chains, LEAST, MOST))


def unordered(problem):
    """The problem without the orders that only choose among relabelings: there, every climb is the free one."""
    blocks = problem.blocks_of_components
    kept = tuple(c for c in problem.mixture.constraints if not only_names(problem.mixture, c, blocks))
    if len(kept) == len(problem.mixture.constraints):
        return problem
    return replace(problem, mixture=replace(problem.mixture, constraints=kept))


def only_names(mixture, constraint, blocks):
    """Whether a constraint does no more than choose among the relabelings of exchangeable components."""
    if constraint.symmetric or not constraint.hard:
        return False
    at = set(mixture.parameters[constraint.field].covers(mixture.components).tolist())
    return any(at <= set(block) for block in blocks)


def climb_to_optima(problem, thetas, optima, progress=None, join=True):
    """(home (m,), permutation (m, K)) of the optima to which EM climbs from each theta.

    join: new optima are appended to the list `optima`; otherwise a climb that ends at one has home -1.
    """
    step = progress or (lambda done, total: None)
    home, permutation = np.full(len(thetas), -1), np.tile(np.arange(problem.mixture.components), (len(thetas), 1))
    runs = climbs(problem, thetas, ROUGH, lambda done: step(done, len(thetas)))
    tops = [Top(problem, m) for m in optima]
    for i, run in enumerate(runs):
        home[i], permutation[i] = settle_at(run, tops, permutation[i])
    left = [i for i, run in enumerate(runs) if home[i] < 0 and not lost(run)]
    for i, run in zip(left, climbs(problem, [runs[i].theta for i in left], FINE), strict=True):
        runs[i] = run
        home[i], permutation[i] = settle_at(run, tops, permutation[i])
    left = sorted((i for i in left if home[i] < 0 and not lost(runs[i])), key=lambda i: -runs[i].log_posterior)
    met = 0
    while left and join:
        first = left[0]
        mode = newcomer(problem, runs[first], polished=met < NEW)
        met += 1
        same = next((j for j, top in enumerate(tops) if top.is_mode(mode)), None)
        if same is None:
            optima.append(mode)
            tops.append(Top(problem, mode))
            same = len(tops) - 1
        for i in left:
            where, perm = settle_at(runs[i], tops, permutation[i])
            if where >= 0:
                home[i], permutation[i] = where, perm
        if home[first] < 0:  # the polish went on from where the climb had stopped
            home[first], permutation[first] = same, tops[same].names(runs[first].theta)
        left = [i for i in left if home[i] < 0]
    return home, permutation


def lost(run):
    return run.status in (engine.COLLAPSED, engine.FALL) or not np.isfinite(run.log_posterior)


def climbs(problem, thetas, options, step=lambda done: None):
    """The runs of EM from each theta."""
    if not thetas:
        return []
    if batch.suits(problem):
        return batch.Batch.of(problem).climb(thetas, progress=step, **options)
    fast, out = polish.before(problem, {"stiffness": 1.0, **options}), []
    for theta in thetas:
        run = engine.run(problem, theta, **fast)
        out.append(polish.finish(problem, run, {"stiffness": 1.0, **options}))
        step(len(out))
    return out


@dataclass(frozen=True)
class Top:
    """An optimum ready to be recognised by the climbs that end at it."""

    problem: object
    mode: object

    @cached_property
    def theta(self):
        return self.problem.inward(self.mode.theta)

    @cached_property
    def r(self):
        return self.problem.responsibilities(self.theta)[0]

    @cached_property
    def idle(self):
        return self.r.sum(axis=0) < polish.EMPTY

    def names(self, theta):
        """The permutation of theta's components that fits this optimum best."""
        r = self.problem.responsibilities(self.problem.inward(theta))[0]
        return modes.assign(self.problem, self.r, r)

    def holds(self, run):
        """The permutation under which a climb has come to the top of this hill, or None."""
        gap = self.mode.log_posterior - run.log_posterior
        rounding = modes.SAME_VALUE * (1 + abs(run.log_posterior) / 1000)
        if self.mode.kind == "collapsed" or not -rounding <= gap <= BELOW + rounding:
            return None
        inner = self.problem.inward(run.theta)
        r = self.problem.responsibilities(inner)[0]
        perm = modes.assign(self.problem, self.r, r)
        there = self.problem.mixture.permute(inner, perm)
        idle = self.idle & (r.sum(axis=0)[perm] < polish.EMPTY)  # what an empty component is like does not count
        if idle.any():
            there = {
                n: np.where(idle.reshape(-1, *(1,) * (v.ndim - 1)), self.theta[n], v) if len(v) == len(idle) else v
                for n, v in there.items()
            }
        if engine.change(self.theta, there, self.problem.sizes) < NEAR:
            return perm
        if not self.mode.definite and self.mode.kind in ("twin components", "empty component"):
            kind = kinds.kind_of(self.problem, inner, r.sum(axis=0))
            ridge = kind == self.mode.kind or kinds.indistinct(self.problem, inner)
            if ridge and gap <= modes.RIDGE * (1 + abs(run.log_posterior) / 1000):
                return perm
        return None

    def is_mode(self, other):
        """Whether another optimum is this one."""
        return modes.same(self.problem, self.mode, other) or modes.one_ridge(self.mode, other)


def settle_at(run, tops, names):
    """(index, permutation) of the hill on whose top a climb ended, the nearest in height; (-1, names) if none."""
    if lost(run):
        return -1, names
    for j in sorted(range(len(tops)), key=lambda j: abs(tops[j].mode.log_posterior - run.log_posterior)):
        perm = tops[j].holds(run)
        if perm is not None:
            return j, perm
    return -1, names


def newcomer(problem, run, polished):
    """The optimum above a climb that ended at none of the known ones."""
    if polished:
        found = modes.census(problem, [run])
        if found:
            return replace(found[0], times_reached=0, share=0.0, restarts=(), differs="met by a chain, not by EM")
    inner = problem.inward(run.theta)
    kind = kinds.kind_of(problem, inner, problem.e_step(inner).counts)
    return modes.Mode(
        run.theta, run.log_posterior, run.log_likelihood, 0, 0.0, kind, np.nan, False, np.nan,
        f"more than {NEW} optima were met by the chains and it was not polished", "met by a chain, not by EM",
    )  # fmt: skip


def weighed_once(problem, optima):
    """The same optima; of those that are one in unconstrained coordinates only the best has a mass."""
    order = sorted(range(len(optima)), key=lambda i: -optima[i].log_posterior)
    out = list(optima)
    for i, mode in zip(order, modes.weigh_once(problem, [optima[i] for i in order], order), strict=True):
        out[i] = mode
    return out
