"""The one pass over the rows: log likelihood and the additive statistics r^T Phi.

With W = natural(theta) the E-step is one product W Phi^T and the M-step's statistics are one
product r^T Phi, for every exponential family. Rows are taken in blocks, so nothing of size n x K
is ever stored. Data are centred once, the specification with them: differences of large numbers
never meet.

The pass is written three times: to be read (`Problem.plain_step`, the oracle of the tests, which alone serves
families and components that need care), in NumPy for speed (`em/plain.py`), and compiled (`em/fused.py`).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec

import numpy as np

from bayesmix.em import missing, patterns, plain
from bayesmix.em.passes import EPS, TOLERANCE, Pass, soften
from bayesmix.spec.missing import column_means, column_sd
from bayesmix.spec.missing import patterns as patterns_of

COMPILED = find_spec("numba") is not None
BLOCK = 4096  # rows per block: large enough for BLAS, small enough for the cache
WORTH = 50_000  # n K F from which a compiled pass saves more than NumPy's calls cost
KEEP = 30e6  # bytes of features that are kept from one pass to the next


@dataclass(frozen=True)
class Problem:
    """A resolved mixture and its data, centred: all that an EM run needs."""

    mixture: object  # the Mixture in centred coordinates
    x: np.ndarray  # (n, d), centred
    log_label: np.ndarray | None  # (n, K), the family's mask included
    weight: np.ndarray | None  # (n,) row weights
    origin: np.ndarray  # (d,), what was subtracted
    constants: dict = field(default_factory=dict)  # Fixed fields that move with x, as they were (data coordinates)
    impute: str | None = None  # "mean": missing cells count as observed at their conditional mean (not EM)
    whole: bool = False  # a part of another problem, whose gaps its family reads itself
    added: bool = False  # its statistics are added to those of other problems, so all are about the same origin
    stream: object = None  # where the rows are read in chunks (em/chunks.py), x being a sample of them

    @classmethod
    def of(cls, mixture, data, impute=None):
        """The problem of a resolved mixture and its data."""
        origin = np.where(mixture.family.movable(data.d), column_means(data.x, data.weight), 0.0)
        moved = mixture.moved(-origin)
        if moved is None:
            moved, origin = mixture, np.zeros(data.d)
        moving = [n for n, p in mixture.family.parameters.items() if p.moves and not p.free]
        given = mixture.draw_unconstrained(np.random.default_rng(0), data.d) if moving else {}
        constants = {name: given[name] for name in moving}
        columns = np.empty((data.d, data.n))  # each column of x contiguous, as the compiled pass reads it
        np.subtract(data.x.T, origin[:, None], out=columns)
        allowed = mixture.log_allowed(data)
        allowed = None if allowed is None else np.ascontiguousarray(allowed)
        return cls(moved, columns.T, allowed, data.weight, origin, constants, impute)

    def thinned(self, count):
        """The same problem on some `count` of its rows, evenly spaced, or itself if it has no more."""
        step = len(self.x) // count
        if step < 2:
            return self
        label, weight = (None if a is None else np.ascontiguousarray(a[::step]) for a in (self.log_label, self.weight))
        return replace(self, x=np.ascontiguousarray(self.x[::step].T).T, log_label=label, weight=weight)

    def inward(self, theta):
        """theta in centred coordinates."""
        return self.mixture.family.shift(theta, -self.origin)

    def outward(self, theta):
        """theta in the coordinates of the data."""
        return {**self.mixture.family.shift(theta, self.origin), **self.constants}

    @cached_property
    def central(self):
        """A central theta (centred coordinates), from which the first M-step starts."""
        model, d = self.mixture, self.x.shape[1]
        weight = np.full(model.components, 1 / model.components)
        if model.is_constant("weight"):
            weight = model.draw_unconstrained(np.random.default_rng(0), d)["weight"]
        theta = {"weight": weight, **model.family.start(model.components, d)}
        for c in model.constraints:
            theta = c.project(theta, np.ones(model.components))
        return theta

    @cached_property
    def units(self):
        """The natural size of each unconstrained coordinate, (p,): numeric steps are taken in these."""
        return self.mixture.units(self.central, self.column_sd)

    @cached_property
    def column_sd(self):
        """Standard deviation of the observed cells of each column, (d,), 1 for a constant one."""
        sd = column_sd(self.x) if self.stream is None else self.stream.sd
        return np.where(sd > 0, sd, 1.0)

    @cached_property
    def softly(self):
        """The same problem under its soft constraints alone: what is maximised where hard ones stand beside."""
        soft = tuple(c for c in self.mixture.constraints if not c.hard)
        return replace(self, mixture=replace(self.mixture, constraints=soft))

    @cached_property
    def sizes(self):
        """field -> the least size that a change of it is measured by: the spread of x for one in units of x."""
        d, fields = self.x.shape[1], self.mixture.family.parameters
        return {name: float(self.column_sd[p.features(d)].max()) if p.moves else 0.0 for name, p in fields.items()}

    @cached_property
    def exponential(self):
        return self.mixture.family.exponential

    @cached_property
    def blocks_of_components(self):
        """Exchangeable blocks of components, priors and labels considered."""
        return self.mixture.blocks_given(self.x.shape[1], self.log_label)

    @property
    def exchangeable(self):
        """Whether any two components may be exchanged."""
        return len(self.blocks_of_components) == 1

    @property
    def free_blocks(self):
        """The exchangeable blocks that no order breaks: what may be relabelled."""
        return self.mixture.free_blocks(self.blocks_of_components)

    @property
    def relabelings(self):
        """Number of relabelings that leave the posterior unchanged."""
        return self.mixture.relabelings_given(self.blocks_of_components)

    @cached_property
    def parts(self):
        """Where cells are missing, the rows grouped by what can be read together (`em/missing.py`); else None."""
        return missing.parts(self) if not self.whole and np.isnan(self.x).any() else None

    @cached_property
    def columns(self):
        """x^T, (d, n), C-contiguous."""
        return np.ascontiguousarray(self.x.T)

    @cached_property
    def sorted(self):
        """Where cells are missing and the family reads all patterns at once, the rows so sorted; else None."""
        if self.parts is None or not hasattr(self.mixture.family, "pattern_weights"):
            return None
        return patterns.Sorted.of(self, patterns_of(self.x))

    @cached_property
    def features(self):
        """Phi^T, (F, n)."""
        return np.ascontiguousarray(self.mixture.family.sufficient(self.x).T)

    @cached_property
    def feature_count(self):
        return self.mixture.family.sufficient(self.x[:1]).shape[1]

    @cached_property
    def leading(self):
        """How many features an M-step asks for: all, but not the squares of x where the scale is Fixed."""
        fields, squares = self.mixture.family.parameters.values(), self.mixture.family.features in ("diagonal", "full")
        known = squares and all(not p.free for p in fields if p.own in ("var", "sd", "cov"))
        return 1 + self.x.shape[1] if known else self.feature_count

    @cached_property
    def totals(self):
        """sum_i weight_i Phi_i of the features that are not `leading`."""
        parts = [self.feature_rows(rows)[self.leading :] for rows in self.blocks()]
        if self.weight is None:
            return sum(part.sum(axis=1) for part in parts)
        return sum(part @ self.weight[rows] for part, rows in zip(parts, self.blocks(), strict=True))

    @cached_property
    def keeps_features(self):
        """Whether Phi is little enough to stay in memory."""
        return self.feature_count * len(self.x) * 8 <= KEEP

    def feature_rows(self, rows):
        """Phi^T of a block of rows, (F, rows): kept in memory only where that is little."""
        if self.keeps_features:
            return self.features[:, rows]
        return np.ascontiguousarray(self.mixture.family.sufficient(self.x[rows]).T)

    @cached_property
    def base(self):
        return self.mixture.family.base(self.x) if self.exponential else np.zeros(len(self.x))

    @cached_property
    def base_total(self):
        """sum_i weight_i base_i."""
        return float(self.base.sum() if self.weight is None else self.weight @ self.base)

    @cached_property
    def largest(self):
        """Largest absolute value of each feature, (F,): bounds the rounding error of W Phi^T."""
        return np.max([np.abs(self.feature_rows(rows)).max(axis=1) for rows in self.blocks()], axis=0)

    def blocks(self):
        n = len(self.x)
        return [slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)]

    def log_weight(self, theta):
        """log w, (K,), with -1e30 for log 0."""
        weight = theta["weight"]
        if weight.all():
            return np.log(weight)
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(weight), -1e30)

    def rough(self, W):
        """(K,): components whose W Phi^T may be off by more than 1e-10, so that `logpdf` must take over."""
        return np.abs(W) @ self.largest > TOLERANCE / EPS

    def log_joint(self, theta, rows, W=None):
        """log w_k + log f_k(x_i) - base_i + log_label_ik for a block of rows: (K, rows)."""
        family = self.mixture.family
        if self.exponential:
            W = family.natural(np, **self.mixture.own(theta)) if W is None else W
            out = W @ self.feature_rows(rows)
            rough = self.rough(W)
            if rough.any():
                exact = family.logpdf(self.x[rows], **self.mixture.own(theta)).T - self.base[rows]
                out[rough] = exact[rough]
        else:
            out = family.logpdf(self.x[rows], **self.mixture.own(theta)).T
        out = out + self.log_weight(theta)[:, None]
        if self.log_label is not None:
            out += np.maximum(self.log_label[rows].T, -1e30)
        return out

    def e_step(self, theta, beta=1.0, about_zero=False):
        """One pass over all rows at stiffness beta (math.inf for hard assignments).

        about_zero: keep the moments of narrow components about the common origin too (`Pass.origin` is None).
        """
        if self.stream is not None:
            return self.stream.e_step(self, theta, beta)
        if self.parts is not None:
            return missing.e_step(self, theta, beta)
        if self.exponential:
            W = self.mixture.family.natural(np, **self.mixture.own(theta))
            if not self.rough(W).any():
                worth = len(self.x) * self.mixture.components * self.feature_count >= WORTH
                return (self.compiled_step if COMPILED and worth else self.numpy_step)(theta, W, beta)
        return self.plain_step(theta, beta, about_zero)

    def numpy_step(self, theta, W, beta=1.0):
        """`plain_step` for W = natural(theta) whose rounding is harmless, in place and in threads."""
        W = np.array(W)
        W[:, 0] += self.log_weight(theta)
        objective, log_likelihood, stats = plain.step(self, W, beta)
        base = self.base_total
        return Pass(float(objective + base), float(log_likelihood + base), stats[:, 0].copy(), stats)

    def log_likelihood(self, theta):
        """The log likelihood alone: `e_step(theta).log_likelihood`, without the statistics where they cost a lot."""
        if COMPILED and self.exponential and self.stream is None and self.parts is None:
            family = self.mixture.family
            W = family.natural(np, **self.mixture.own(theta))
            if family.features is not None and not self.rough(W).any():
                W = W.copy()
                W[:, 0] += self.log_weight(theta)
                return float(self.scan(W, collecting=False)[1] + self.base_total)
        return self.e_step(theta).log_likelihood

    def compiled_step(self, theta, W, beta=1.0):
        """`plain_step` by the compiled kernel, for W = natural(theta) whose rounding is harmless."""
        from bayesmix.em import fused

        W = W.copy()
        W[:, 0] += self.log_weight(theta)
        if self.mixture.family.features is not None:
            objective, log_likelihood, stats = self.scan(W, float(beta))
        else:
            objective, log_likelihood, stats = 0.0, 0.0, np.zeros(W.shape)
            for rows in self.blocks() if not self.keeps_features else [slice(None)]:
                label = None if self.log_label is None else self.log_label[rows]
                weight = None if self.weight is None else self.weight[rows]
                part = fused.scan(None, self.feature_rows(rows), W, label, weight, float(beta))
                objective, log_likelihood, stats = objective + part[0], log_likelihood + part[1], stats + part[2]
        base = self.base_total
        return Pass(float(objective + base), float(log_likelihood + base), stats[:, 0].copy(), stats)

    def scan(self, W, beta=1.0, collecting=True):
        """`fused.scan` of features that it builds itself.

        Squares of x that weigh the same in every component, with a Fixed scale, move no responsibility and enter no
        M-step: the pass is over the others, and of these the sum is known (split here by the components' rows).
        """
        from bayesmix.em import fused

        kind, lead, rows = self.mixture.family.features, self.leading, (self.log_label, self.weight)
        if lead == W.shape[1] or not (W[:, lead:] == W[0, lead:]).all():
            return fused.scan(kind, self.columns, W, *rows, beta, collecting)
        objective, log_likelihood, stats = fused.scan("linear", self.columns, W[:, :lead], *rows, beta, collecting)
        same = W[0, lead:] @ self.totals
        if collecting:
            share = stats[:, :1] / stats[:, 0].sum()
            stats = np.concatenate([stats, share * self.totals], axis=1)
        return objective + same, log_likelihood + same, stats

    def plain_step(self, theta, beta=1.0, about_zero=False):
        """One pass over all rows, in NumPy."""
        K, family = self.mixture.components, self.mixture.family
        W = family.natural(np, **self.mixture.own(theta)) if self.exponential else None
        origin = self.origins(theta, self.rough(W)) if self.exponential and not about_zero else None
        stats = np.zeros((K, self.feature_count)) if self.exponential else np.empty((len(self.x), K))
        counts, objective, log_likelihood = np.zeros(K), 0.0, 0.0
        for rows in self.blocks():
            joint = self.log_joint(theta, rows, W)
            weight = None if self.weight is None else self.weight[rows]
            r, row, soft = soften(joint, beta)
            if weight is not None:
                r, row, soft = r * weight, row * weight, soft * weight
            objective += row.sum()
            log_likelihood += soft.sum()
            counts += r.sum(axis=1)
            if self.exponential:
                stats += self.moments(r, rows, origin)
            else:
                stats[rows] = r.T
        base = self.base_total
        return Pass(float(objective + base), float(log_likelihood + base), counts, stats, origin)

    def origins(self, theta, rough):
        """Where each component's moments are taken about: (K, d), its location where it is rough, else 0.

        None where no component is rough, or where the family cannot move its origin.
        """
        location = self.mixture.family.location
        if self.added or not rough.any() or not isinstance(location, str) or not np.isfinite(theta[location]).all():
            return None
        if self.mixture.family.moved(-theta[location]) is None:
            return None
        return np.where(rough[:, None], theta[location], 0.0)

    def moments(self, r, rows, origin):
        """r Phi for responsibilities r (K, rows): (K, F), row k about origin_k."""
        if origin is None:
            return r @ self.feature_rows(rows).T
        out = np.empty((len(r), self.feature_count))
        still = (origin == 0).all(axis=1)
        out[still] = r[still] @ self.feature_rows(rows).T
        for k in np.flatnonzero(~still):
            out[k] = r[k] @ self.mixture.family.sufficient(self.x[rows] - origin[k])
        return out

    def responsibilities(self, theta):
        """r (n, K) at stiffness 1 and the row terms (n,)."""
        if self.parts is not None:
            return missing.responsibilities(self, theta)
        r, row = np.empty((len(self.x), self.mixture.components)), np.empty(len(self.x))
        for rows in self.blocks():
            with np.errstate(divide="ignore", invalid="ignore"):  # a rate or probability of exactly zero
                part, term, _ = soften(self.log_joint(theta, rows), 1.0)
            r[rows], row[rows] = part.T, term + self.base[rows]
        return r, row

    def statistics(self, r, origin=None, theta=None):
        """The statistics (about origin) of given responsibilities, weighted by the rows, and their counts.

        r: (n, K), or (n,) whole numbers: the component of each row.
        theta: where cells are missing, the theta given which the statistics are completed.
        """
        if self.parts is not None:
            return missing.statistics(self, np.eye(self.mixture.components)[r] if r.ndim == 1 else r, theta)
        if not self.exponential:
            r = np.eye(self.mixture.components)[r] if r.ndim == 1 else r
            r = r if self.weight is None else r * self.weight[:, None]
            return r, r.sum(axis=0)
        stats = np.zeros((self.mixture.components, self.feature_count))
        for rows in self.blocks():
            part = np.eye(self.mixture.components)[r[rows]] if r.ndim == 1 else r[rows]
            part = part.T if self.weight is None else part.T * self.weight[rows]
            stats += self.moments(part, rows, origin)
        return stats, stats[:, 0].copy()
