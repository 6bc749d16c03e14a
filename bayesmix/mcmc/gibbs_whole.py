"""Which problems the compiled Gibbs sweeps serve, and how their chains get in and out."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayesmix.em import kernel
from bayesmix.mcmc.gibbs_steps import DIRICHLET_TRIES, constraints_on, draw_family, exchange, sweep
from bayesmix.spec.families import Gaussian, MvGaussian
from bayesmix.spec.priors import ConjugateNormal, Fixed, spread

AT_ONCE = 1e7  # rows x components x features x sweeps between two looks at whether to stop: some hundredths of a second
FEW = 2000  # rows x components x features that cost as much as the rest of a sweep


@dataclass(frozen=True)
class Whole:
    """A problem that the compiled sweeps serve; `law` are the fields of `gibbs_gaussian.Law`."""

    problem: kernel.Problem
    scale: str  # the name of the scale field
    law: tuple

    @classmethod
    def of(cls, problem):
        """The problem as the sweeps take it; None where they do not serve: they want Gaussian components, conjugate
        priors without bounds, complete rows that count once, and no constraint but an order that sorting imposes
        and floors under the weights."""
        model = problem.mixture
        if not kernel.COMPILED or type(model.family) not in (Gaussian, MvGaussian):
            return None
        if problem.weight is not None or problem.parts is not None or constraints_on(problem, False):
            return None
        if not all(c.hard and c.symmetric for c in constraints_on(problem, True)):
            return None
        name = next(n for n in ("cov", "var", "sd") if n in model.family.parameters)
        law = priors(problem, name)
        return None if law is None else cls(problem, name, law)

    @cached_property
    def numbers(self):
        """The priors, as the compiled code takes them."""
        from bayesmix.mcmc.gibbs_gaussian import Law

        return Law(*self.law)

    @property
    def kind(self):
        """Which features the rows have."""
        from bayesmix.mcmc.gibbs_gaussian import DIAGONAL, FULL

        return FULL if self.scale == "cov" else DIAGONAL

    @property
    def rows(self):
        """The columns of x and the labels, as the compiled code takes them."""
        from bayesmix.em.fused import NONE_2D, fixed

        label = NONE_2D if self.problem.log_label is None else self.problem.log_label
        return fixed(self.problem.columns), fixed(label)

    def state(self, theta):
        """The State of a theta in centred coordinates."""
        return State.of(theta, self.scale)

    def chain(self, theta, rng, count, stop=None, tick=None, proposal=None):
        """(field -> (count, ...) after each sweep from theta, in centred coordinates; which marginal steps moved).

        Both are shorter once `stop` is set. proposal: as `proposal.marginal` gives it.
        """
        from bayesmix.em.fused import up2, up4
        from bayesmix.mcmc.gibbs_marginal import NO_PROPOSAL
        from bayesmix.mcmc.gibbs_sweeps import DONE, sweeps

        problem, law, state, rows = self.problem, self.numbers, self.state(theta), self.rows
        K, F = problem.mixture.components, problem.feature_count
        stats, accepted = np.empty((up2(K), up4(F))), np.zeros(count, dtype=bool)
        kept = tuple(np.empty((count, v.size)) for v in (state.weight, state.mean, state.scale))
        step = max(1, int(AT_ONCE / (len(problem.x) * K * F + FEW)))
        done = 0
        while done < count:
            if stop is not None and stop.is_set():
                break
            done, left = sweeps(
                self.kind, *rows, law, proposal or NO_PROPOSAL, rng, done, min(done + step, count), *state,
                stats.ravel(), kept, accepted,
            )  # fmt: skip
            if left != DONE:
                theta = self.finish(state.theta(self.scale), stats[:K, :F], left, rng)
                state = self.state(theta)
                for into, value in zip(kept, (state.weight, state.mean, state.scale), strict=True):
                    into[done] = value.ravel()
                done += 1
            if tick is not None:
                tick(done / count)
        names = ("weight", "mean", self.scale)
        draws = {n: flat[:done].reshape(done, *theta[n].shape) for n, flat in zip(names, kept, strict=True)}
        return draws, accepted[:done]

    def finish(self, theta, stats, left, rng):
        """theta after the sweep that the compiled code could not finish."""
        from bayesmix.mcmc.gibbs_sweeps import SWEEP, WEIGHT

        if left == SWEEP:
            return sweep(self.problem, theta, rng)
        if left == WEIGHT:
            a = stats[:, 0] + self.numbers.weight
            theta = theta | {"weight": exchange(a, theta["weight"], self.numbers.floor, rng)}
        return {"weight": theta["weight"], **draw_family(self.problem, stats, theta, rng)}


class State(NamedTuple):
    """theta as the compiled sweeps change it in place, with the inverses of full covariances."""

    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray  # (K or 1, d or 1, 1), or (K or 1, d, d) when full
    P: np.ndarray
    log_det: np.ndarray

    @classmethod
    def of(cls, theta, name):
        weight, mean, scale = (np.array(theta[n], dtype=np.float64, order="C") for n in ("weight", "mean", name))
        if name != "cov":
            return cls(weight, mean, scale[..., None], np.empty((0, 0, 0)), np.empty(0))
        P = np.array(np.linalg.inv(scale), order="C")
        return cls(weight, mean, scale, P, np.array(np.linalg.slogdet(scale)[1]))

    def theta(self, name):
        scale = self.scale if name == "cov" else self.scale[..., 0]
        return {"weight": self.weight.copy(), "mean": self.mean.copy(), name: scale.copy()}


def priors(problem, name):
    """The fields of `gibbs_gaussian.Law`, or None where a prior is not conjugate or has bounds."""
    from bayesmix.mcmc.gibbs_gaussian import CONJUGATE, FIXED, NORMAL

    model, d = problem.mixture, problem.x.shape[1]
    K, mean, prior = model.components, model.family.mean, model.family.parameters[name].prior
    free = not model.is_constant("weight")
    weight = model.weight.conjugate("dirichlet", (K,))[0] + 1 if free else 1.0
    floor = max((c.floor for c in constraints_on(problem, True)), default=0.0)

    if isinstance(mean, Fixed):
        kind, t, s = FIXED, 0.0, 0.0
    elif isinstance(mean, ConjugateNormal):
        kind, t, s = CONJUGATE, spread(mean.kappa, (K,))[:, None], spread(mean.mean, (K, d))
    elif mean.conjugate("normal", (K, d)) is None or np.isfinite(mean.interval).any():
        return None
    else:
        kind, (t, s) = NORMAL, mean.conjugate("normal", (K, d))

    shape = model.field_shape(name, d)
    box = shape if name == "cov" else (*shape, 1)
    known = isinstance(prior, Fixed)
    found = None if known else prior.conjugate("inverse wishart" if name == "cov" else "inverse gamma", shape)
    if known:
        a, b = 0.0, 0.0
    elif name == "sd" or found is None or (name == "var" and prior.interval != (-np.inf, np.inf)):
        return None
    elif name == "cov":
        a, b = np.reshape(found[0] - d - 1, (-1, 1, 1)), found[1]
    else:
        a, b = (np.broadcast_to(v, shape)[..., None] for v in (found[0] - 1, found[1]))

    def full(value, shape):
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), shape), order="C")

    return (
        free, full(weight, (K,)), float(floor), DIRICHLET_TRIES, kind, full(t, (K, d)), full(s, (K, d)),
        not known, name == "sd", full(a, box), full(b, box), problem.largest, kernel.TOLERANCE,
    )  # fmt: skip
