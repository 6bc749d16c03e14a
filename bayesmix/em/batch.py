"""All restarts of a small problem at once: which problems qualify, and how they get in and out."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.em import kernel, plain, starts
from bayesmix.em.engine import CONVERGED, EXHAUSTED, Run, run
from bayesmix.em.limits import Limits
from bayesmix.spec.families import Gaussian, MvGaussian
from bayesmix.spec.priors import ConjugateNormal, Fixed, spread

SMALL = 2e6  # n K F up to which a pass is too short to be worth Python's own work around it
TOGETHER = 64  # climbs between two reports of progress
SETTLED, CARE = 0, 2  # how a climb ended, as in `loop`


def suits(problem):
    """Whether the compiled loop serves this problem: few rows, Gaussian, conjugate or flat priors, plain constraints.

    It looks at the problem alone, so that neither restarts nor workers change which loop is run.
    """
    model = problem.mixture
    if not kernel.COMPILED or problem.stream is not None or Limits.of(problem) is None:
        return False
    if type(model.family) not in (Gaussian, MvGaussian):
        return False
    if len(problem.x) * model.components * problem.feature_count > SMALL or not np.isfinite(problem.x).all():
        return False
    return _belief(problem) is not None


def _belief(problem):
    """The priors as the fields of `belief.Belief` up to `constant`, or None without closed form."""
    from bayesmix.em.belief import CONJUGATE, FIXED, INVERSE, NORMAL, NOWHERE, ON_MEAN, ON_SCALE, ON_WEIGHT, SD

    model, d = problem.mixture, problem.x.shape[1]
    K, family = model.components, model.family
    weight_free = not model.is_constant("weight")
    (exponents,) = model.weight.conjugate("dirichlet", (K,)) if weight_free else (np.zeros(K),)

    mean, shape = family.mean, (K, d)
    if np.isfinite(mean.interval).any():
        return None
    if isinstance(mean, Fixed):
        mean_kind, t, s = FIXED, 0.0, 0.0
    elif isinstance(mean, ConjugateNormal):
        mean_kind, t, s = CONJUGATE, spread(mean.kappa, (K,))[:, None], spread(mean.mean, shape)
    elif mean.conjugate("normal", shape) is not None:
        mean_kind, (t, s) = NORMAL, mean.conjugate("normal", shape)
    else:
        return None

    name = scale_name(family)
    prior, shape = family.parameters[name].prior, model.field_shape(name, d)
    named = {"cov": "inverse wishart", "var": "inverse gamma", "sd": "scale"}[name]
    kernel_of = None if isinstance(prior, Fixed) else prior.conjugate(named, shape)
    if isinstance(prior, Fixed):
        # a known sd is told from a known variance by the sign of c
        scale_kind, (a, b, c) = FIXED, (0.0, 0.0, -1.0 if name == "sd" else 0.0)
    elif kernel_of is None or (name != "cov" and prior.interval != (-np.inf, np.inf)):
        return None
    else:
        scale_kind, (a, b, c) = (SD, kernel_of) if name == "sd" else (INVERSE, (*kernel_of, 0.0))
        a = np.reshape(a, (-1, 1, 1)) if name == "cov" else a

    def full(v, shape):
        v = np.asarray(v, dtype=np.float64)
        return np.array(np.broadcast_to(v, shape), dtype=np.float64, order="C")

    def box(v):
        return full(v, shape) if name == "cov" else full(v, shape)[:, :, None]

    flat, limits, order, by = not (np.any(t) or np.any(s)), Limits.of(problem), NOWHERE, 0
    if limits.order is not None:
        order = {"weight": ON_WEIGHT, "mean": ON_MEAN, name: ON_SCALE}[limits.order.field]
        by = limits.order.by or 0
    return (
        weight_free, full(exponents, (K,)), mean_kind, full(t, (K, d)), full(s, (K, d)), flat, scale_kind,
        np.ascontiguousarray(box(a)), np.ascontiguousarray(box(b)), np.ascontiguousarray(box(c)),
        limits.floor, order, by, limits.sorts,
    )  # fmt: skip


def scale_name(family):
    """The family's scale field."""
    return next(name for name in ("cov", "var", "sd") if name in family.parameters)


@dataclass(frozen=True)
class Batch:
    """A problem that `suits`, as the compiled loop takes it."""

    problem: kernel.Problem
    kind: int
    scale: str  # the name of the scale field
    rows: tuple  # x (d, n), log_label, row weights
    belief: tuple

    @classmethod
    def of(cls, problem):
        """The batch of a problem."""
        from bayesmix.em import fused
        from bayesmix.em.belief import Belief

        family = problem.mixture.family
        kind, name = fused.KINDS[family.features], scale_name(family)
        label = fused.NONE_2D if problem.log_label is None else problem.log_label
        weight = fused.NONE if problem.weight is None else problem.weight
        rows = tuple(fused.fixed(a) for a in (problem.columns, label, weight))
        belief = Belief(*_belief(problem), problem.largest, kernel.TOLERANCE, problem.sizes["mean"])
        return cls(problem, kind, name, rows, belief)

    def starts(self, start, children):
        """`starts.draw` for each child seed: compiled for k-means++ without labels, which is the default."""
        plain_case = self.problem.log_label is None and not self.problem.mixture.idle
        if not (isinstance(start, str) and start == "kmeans++" and plain_case):
            return [starts.draw(start, self.problem, np.random.default_rng(child)) for child in children]
        from bayesmix.em.begin import Starts

        problem, K = self.problem, self.problem.mixture.components
        n, count, every = len(problem.x), len(children), np.arange(K)
        orders, firsts, us = np.empty((count, K), dtype=np.int64), np.empty(count, dtype=np.int64), np.empty((count, K))
        for i, child in enumerate(children):
            rng = np.random.default_rng(child)
            orders[i], firsts[i], us[i, 1:] = rng.permutation(every), rng.integers(n), rng.random(K - 1)
        weight, mean, scale = (np.repeat(a, count, axis=0) for a in self._stacked([problem.outward(problem.central)]))
        _, _, ends = self._compiled(
            Starts(problem.column_sd, orders, firsts, us), (weight, mean, scale), np.ones(1), 0, 0.0
        )
        return [
            starts.draw(start, problem, np.random.default_rng(child)) if end == CARE else theta
            for theta, end, child in zip(self._thetas(weight, mean, scale), ends[:, 0], children, strict=True)
        ]

    def _stacked(self, thetas):
        """weight, mean and scale of thetas (coordinates of the data), one line each, as the loop takes them."""
        weight, mean, scale = (np.array([t[n] for t in thetas], dtype=np.float64) for n in self._names)
        return weight, self.problem.inward({"mean": mean})["mean"], scale if self.scale == "cov" else scale[..., None]

    def _thetas(self, weight, mean, scale):
        """The lines of such arrays as thetas in the coordinates of the data."""
        lines = self.problem.mixture.family.shift({"mean": mean}, self.problem.origin)
        lines |= {"weight": weight, self.scale: scale if self.scale == "cov" else scale[..., 0]}
        for i in range(len(weight)):
            theta = {name: lines[name][i].copy() for name in self.problem.mixture.parameters}
            yield {**theta, **self.problem.constants}

    @cached_property
    def centre(self):
        """weight, mean and scale of a theta in the middle, and its log prior."""
        problem = self.problem
        weight, mean, scale = (a[0] for a in self._stacked([problem.outward(problem.central)]))
        return weight, mean, scale, float(sum(problem.mixture.log_prior(problem.central).values()))

    @property
    def _names(self):
        return "weight", "mean", self.scale

    def climb(self, thetas, *, stiffness=1.0, max_iter=2000, tol=1e-8, into=None, progress=None):
        """The runs from several thetas (coordinates of the data), as `engine.run` gives them one by one.

        They are appended to `into` as they come, so that an interruption leaves what is done.
        """
        options = {"stiffness": stiffness, "max_iter": max_iter, "tol": tol}
        betas = np.atleast_1d(np.asarray(stiffness, dtype=np.float64))
        runs = [] if into is None else into
        for at in range(0, len(thetas), TOGETHER):
            part = thetas[at : at + TOGETHER]
            for begin, (theta, path, counts, (how, _, log_likelihood)) in zip(
                part, self._together(part, betas, max_iter, tol), strict=True
            ):
                if how == CARE:
                    begin = theta if len(path) > 1 else begin
                    runs.append(run(self.problem, begin, before=path[:-1], **options))
                else:
                    status = CONVERGED if how == SETTLED else EXHAUSTED
                    runs.append(Run(theta, path[-1, 1], log_likelihood, counts, path, status))
                if progress is not None:
                    progress(len(runs))
        return runs

    def _together(self, thetas, betas, max_iter, tol):
        """(theta, trace, counts, end) of each climb."""
        from bayesmix.em.begin import NONE

        weight, mean, scale = self._stacked(thetas)
        trace, counts, ends = self._compiled(NONE, (weight, mean, scale), betas, max_iter, tol)
        for i, theta in enumerate(self._thetas(weight, mean, scale)):
            yield theta, trace[i, : int(ends[i, 1]) + 1].copy(), counts[i], ends[i]

    def _compiled(self, begin, theta, betas, max_iter, tol):
        """`loop.climbs` on all threads, theta in place: (trace, counts, ends) of each climb."""
        from bayesmix.em import fused, loop

        count, max_iter = len(theta[0]), int(max_iter)
        trace, counts, ends = np.empty((count, max_iter + 1, 2)), np.empty(theta[0].shape), np.empty((count, 3))
        step = min(fused.threads(), count)

        def work(first):
            memory = loop.Memory.of(len(self.problem.x), *theta[1].shape[1:], self.problem.feature_count)
            loop.climbs(self.kind, *self.rows, self.belief, self.centre, begin, betas, max_iter, float(tol), first,
                        step, *theta, trace, counts, ends, memory)  # fmt: skip

        rest = [plain.pool(os.getpid()).submit(work, first) for first in range(1, step)]
        work(0)
        for one in rest:
            one.result()
        return trace, counts, ends
