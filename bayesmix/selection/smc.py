"""The log evidence by sequential Monte Carlo: particles from the prior, cooled towards the posterior.

The likelihood enters by powers 0 = t_0 < t_1 < ... < t_T = 1, each as large as leaves the weights an effective size
of nine tenths of the particles, and

    log Z = sum_s log mean_i exp((t_s - t_(s-1)) log likelihood(theta_i)),    theta_i ~ p(theta) likelihood^t_(s-1).

Between two powers a few particles are resampled and moved by random walks in unconstrained coordinates, of all
coordinates or of one component's; all states of the walks are the next particles (waste-free). Nothing is fitted to
chains, no mode has to be found first: where bridge sampling and this agree, neither has missed a mode that the other
saw. It is the dearer of the two: some thousand particles serve a handful of parameters, and the standard error says
when they did not.

The target is the same under every relabelling, so exchangeable components are kept in order, which leaves the
evidence as it is and spares the walks the gaps between the copies.

References: Del Moral, Doucet & Jasra (2006), JRSS B 68:411-436, section 3; Dau & Chopin (2022), JRSS B 84:114-148,
algorithm 1 (waste-free SMC); Jasra, Stephens & Holmes (2007), Statistics and Computing 17:33-50, for mixtures.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.data.data import Data
from bayesmix.diagnostics.bridge import LARGEST_SE, LogEvidence
from bayesmix.em.layout import Layout
from bayesmix.errors import InputError
from bayesmix.seed import generator
from bayesmix.spec import many
from bayesmix.spec.priors import Flat
from bayesmix.spec.special import logsumexp

KEPT = 0.9  # effective size of the weights between two powers, as a share of the particles
SCALES = (1.0, 0.5, 0.2, 0.05)  # of the walks' steps, drawn anew for each, in units of 2.38 / sqrt(p) spreads
STEPS = 25  # states of each walk that become particles


def smc_evidence(model, data, *, particles=4000, runs=8, seed=None):
    """log p(data) with its standard error, by independent runs of waste-free sequential Monte Carlo.

    With constraints it is log p(data | the constraints hold), as in `bm.log_evidence`. The standard error is that
    of the mean of the runs' unbiased estimates of p(data).

    Args:
        model: a `Mixture` with proper priors. data: a `Data`.
        particles: of each run, a multiple of 25.
        runs: independent runs, at least 2.
        seed: any whole number; left out, a fresh one is drawn.

    Raises:
        InputError: a prior is Flat, a row weight is fractional, or an argument is not as said.
    """
    data = data if isinstance(data, Data) else Data(data)
    if particles % STEPS or particles < 4 * STEPS:
        raise InputError(f"smc_evidence(particles={particles!r}): expected a multiple of {STEPS}, at least 100.")
    if runs < 2:
        raise InputError(f"smc_evidence(runs={runs!r}): expected at least 2, from which the error is taken.")
    if data.weight is not None and (data.weight != np.round(data.weight)).any():
        raise InputError("smc_evidence: the row weights are fractional, so there is no likelihood to integrate.")
    target = Target.of(model.resolve(data), data)
    rngs = generator("smc_evidence", seed).spawn(runs)
    log_z = np.array([run(target, particles, rng) for rng in rngs])
    value = float(logsumexp(log_z) - np.log(runs))
    se = float(np.exp(log_z - value).std(ddof=1) / np.sqrt(runs))
    wide = not np.isfinite(value) or se > LARGEST_SE
    reason = f"the runs differ by {np.ptp(log_z):.1f} nats; take more particles." if wide else ""
    return LogEvidence(value, se, not wide, reason)


@dataclass(frozen=True)
class Target:
    """Prior and likelihood in unconstrained coordinates u."""

    mixture: object
    data: object
    like: dict  # a theta that gives shapes and Fixed fields
    sorted: tuple  # (field, positions, components) that are kept in increasing order of the field's first coordinate
    blocks: np.ndarray  # (blocks, p) of ones and zeros: the coordinates that a step moves, all or one component's

    @classmethod
    def of(cls, mixture, data):
        improper = [name for name, p in mixture.parameters.items() if isinstance(p.prior, Flat)]
        if improper:
            raise InputError(
                f"smc_evidence: the prior of {improper[0]!r} is Flat, which has no total mass, so the evidence is not "
                "defined; give it a proper prior."
            )
        kept = []
        for block in mixture.free_blocks(mixture.blocks(data)):
            for name, p in mixture.family.parameters.items():
                at = np.flatnonzero(np.isin(p.covers(mixture.components), block))
                if len(block) > 1 and p.free and not p.shared and len(at) == len(block):
                    kept.append((name, tuple(at), tuple(block)))
                    break
        like = mixture.draw_prior(np.random.default_rng(0), data.d)
        return cls(mixture, data, like, tuple(kept), _blocks(mixture, like))

    def draw(self, count, rng):
        """(count, p) particles from the prior, their components in order."""
        out = []
        for _ in range(count):
            theta = self.mixture.draw_prior(rng, self.data.d)
            perm = np.arange(self.mixture.components)
            for name, at, block in self.sorted:
                perm[list(block)] = np.array(block)[np.argsort(self._first(theta[name])[list(at)])]
            out.append(self.mixture.vector(self.mixture.permute(theta, perm)))
        return np.array(out)

    def densities(self, u):
        """(log prior with the Jacobian, log likelihood) at (m, p) points, -inf out of order and where not finite."""
        prior, likelihood = np.full(len(u), -np.inf), np.full(len(u), -np.inf)
        with np.errstate(all="ignore"):
            fields, slope = many.from_vectors(self.mixture, u, self.like)
            keep = np.ones(len(u), dtype=bool)
            for name, at, _ in self.sorted:
                first = fields[name].reshape(len(u), fields[name].shape[1], -1)[:, list(at), 0]
                keep &= (np.diff(first, axis=1) > 0).all(axis=1)
            inside = np.flatnonzero(keep)
            if len(inside):
                fields, label = many.some(fields, inside), self.mixture.log_label(self.data)
                prior[inside] = many.log_prior(self.mixture, fields) + slope[inside]
                for rows, _, terms in many.by_draws(self.mixture, self.data.x, fields, label):
                    likelihood[inside[rows]] = terms @ self.data.row_weight
        bad = ~(np.isfinite(prior) & np.isfinite(likelihood))
        prior[bad] = likelihood[bad] = -np.inf
        return prior, likelihood

    @staticmethod
    def _first(value):
        return value.reshape(len(value), -1)[:, 0]


def _blocks(mixture, like):
    """All coordinates, then those of each component: its weight's, if it has one, and its own parameters'."""
    p, head = len(mixture.vector(like)), 0 if mixture.is_constant("weight") else mixture.components - 1
    layout, out = Layout.of(mixture, like), [np.ones(p)]
    for k in range(mixture.components):
        one = np.zeros(p)
        one[head + layout.own(k)] = 1.0
        one[:head][k : k + 1] = 1.0
        out.append(one)
    return np.array([one for one in out if one.any()])


def run(target, particles, rng):
    """log Z of one run."""
    u, t, log_z = target.draw(particles, rng), 0.0, 0.0
    prior, likelihood = target.densities(u)
    while t < 1:
        step = next_step(likelihood, 1 - t)
        log_w = step * likelihood
        log_z += logsumexp(log_w) - np.log(particles)
        t = 1.0 if step >= 1 - t else t + step
        if t < 1:
            u, prior, likelihood = move(target, t, u, prior, likelihood, np.exp(log_w - logsumexp(log_w)), rng)
    return float(log_z)


def next_step(likelihood, left):
    """How far the power may rise until the weights' effective size is KEPT of the particles, at most `left`."""

    def share(step):
        w = np.exp(step * (likelihood - likelihood.max()))
        return w.sum() ** 2 / (w @ w) / len(w)

    if share(left) >= KEPT:
        return left
    low, high = 0.0, left
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if share(middle) >= KEPT else (low, middle)
    if low <= 0:
        raise InputError("smc_evidence: almost no draw of the prior gives the data a likelihood; take more particles.")
    return low


def move(target, t, u, prior, likelihood, w, rng):
    """The next particles: all states of random walks at power t from particles resampled by the weights w."""
    p, walks = u.shape[1], len(u) // STEPS
    mean = w @ u
    cov = (u - mean).T @ (w[:, None] * (u - mean))
    factor = np.linalg.cholesky(cov + 1e-10 * np.diag(np.diag(cov)) + 1e-300 * np.eye(p)) * 2.38 / np.sqrt(p)
    at = np.searchsorted(np.cumsum(w) / w.sum(), (np.arange(walks) + rng.random()) / walks)
    at = np.minimum(at, len(u) - 1)
    state = u[at], prior[at], likelihood[at]
    out = [state]
    for _ in range(STEPS - 1):
        size = rng.choice(SCALES, size=(walks, 1))
        some = target.blocks[rng.integers(len(target.blocks), size=walks)]
        new = state[0] + size * some * (rng.standard_normal((walks, p)) @ factor.T)
        there = target.densities(new)
        with np.errstate(invalid="ignore"):
            gain = there[0] - state[1] + t * (there[1] - state[2])
        yes = np.log(rng.random(walks)) < gain
        state = tuple(
            np.where(yes.reshape(-1, *[1] * (old.ndim - 1)), fresh, old)
            for fresh, old in zip((new, *there), state, strict=True)
        )
        out.append(state)
    return tuple(np.concatenate([s[i] for s in out]) for i in range(3))
