"""The log marginal likelihood of a mixture by bridge sampling, its label symmetry treated exactly.

With p*(u) = likelihood x prior x |d theta / d u| in unconstrained coordinates and a normalised proposal q(u),

    Z = integral of p* = E_q[p* h] / E_p[q h],    h = 1 / (s1 p* + s2 Z q),

iterated to its fixed point (Meng & Wong's optimal bridge). A mixture's posterior has prod |block|! copies of every
mode, one per relabelling, and a sampler need not visit them all: the estimate would then be wrong by a factor of up
to K!. So q is the average of one proposal over all relabelings, which makes p* and q both symmetric: whichever copy
a draw lies in, both are the same number there, and no draw has to be moved.

Importance sampling from the same proposal, Z = E_q[p* / q], does without the shares that the chains gave to the
regions of the posterior. So it must agree, and where chains moved between regions too seldom for these shares to be
trusted, it is the estimate; where too few draws carry its weight, the bridge is, and the share s of the draws outside
the main region counts as known to itself only, an error of log(1 + s).

References: Meng & Wong (1996), Statistica Sinica 6:831-860, equation 4.1; Fruehwirth-Schnatter (2004), The
Econometrics Journal 7:143-167, for mixtures and the error (section 4); Gronau et al. (2017), J. Math. Psych. 81:80-97.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em import engine
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.seed import generator
from bayesmix.spec import many
from bayesmix.spec.families import MvGaussian
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.normaliser import log_normaliser
from bayesmix.spec.priors import Flat
from bayesmix.spec.special import logsumexp

PARTS = (1, 2, 4)  # Gaussians in the proposal; BIC chooses
WIDE, SHARE = 4.0, 0.1  # a tenth of the proposal has four times the covariance, for the tails
MOST = 5040  # relabelings that are averaged over
BRIDGED = 4000  # draws of each half that are used, evenly spaced
EFFECTIVE = 100  # importance weights from which their own spread is known
LARGEST_SE = 0.5  # nats; beyond, the estimate is no estimate
APART = 5.0  # standard errors between the two halves' estimates from which they contradict each other
UNUSABLE = ("several modes", "not converged")  # verdicts under which draws are not from the whole posterior


@dataclass(frozen=True)
class LogEvidence:
    """log p(data) of a mixture model.

    value: the estimate. se: its standard error, Monte Carlo only. ok: whether it can be used; `reason` says why not.
    """

    value: float
    se: float
    ok: bool
    reason: str = ""

    def __repr__(self):
        text = f"log evidence {self.value:.3f} (standard error {self.se:.3f})"
        return text if self.ok else f"{text}, not to be used: {self.reason}"


def log_evidence(mcmc, *, diagnosis=None, seed=0):
    """The LogEvidence of the model that was sampled: log of the integral of likelihood x prior over theta.

    Under constraints it is p(data | constraints hold): their prior mass is divided out (`log_normaliser`), so that an
    `Order` of exchangeable components, which only picks one of equal copies, leaves the evidence unchanged.

    Args:
        mcmc: an MCMC `Fit`. Each half of every chain is the sample for a proposal made from the other half.
        diagnosis: what `bm.diagnose` said of the fit; left out, it is called here.
        seed: of the draws from the proposal.

    Returns:
        a LogEvidence. `ok` is False when chains are in different regions or have not converged, when a half of the
        draws contradicts the other, or importance sampling contradicts the bridge, by more than 5 standard errors, or
        when the standard error exceeds 0.5.

    Raises:
        InputError: not an MCMC fit, a prior is improper (Flat), or row weights are fractional.
    """
    _check(mcmc)
    if diagnosis is None:
        from bayesmix.diagnostics.diagnose import diagnose

        diagnosis = diagnose(mcmc)
    rng, space = generator("log_evidence", seed), Space.of(mcmc)
    chains, draws = mcmc.shape
    half, starts = draws // 2, draws * np.arange(chains)[:, None]
    some = np.unique(np.linspace(0, half - 1, min(half, max(BRIDGED // chains, 1))).astype(int))
    early, late = (starts + some).ravel(), (starts + draws - 1 - some[::-1]).ravel()
    halves = [_bridge(space, a, b, rng) for a, b in ((early, late), (late, early))]
    bridge, importance = ([pair[i] for pair in halves] for i in (0, 1))
    unlike = max(_apart(*pair) for pair in halves)
    gap = _apart(*bridge)
    seldom = any(f.name == "several modes" and f.verdict == "undecided" for f in getattr(diagnosis, "findings", ()))
    used = importance if seldom and np.isfinite([h[1] for h in importance]).all() else bridge
    value = float(np.mean([h[0] for h in used]))
    se = float(np.sqrt(sum(h[1] ** 2 for h in used)) / 2)
    if seldom and used is bridge:
        region = diagnosis.evidence.matching.region
        se = float(np.hypot(se, np.log1p(1 - np.bincount(region[region >= 0]).max() / region.size)))
    mass, mass_se = log_normaliser(mcmc.mixture, mcmc.data.d, seed)
    found = [v for v in diagnosis.verdicts if v in UNUSABLE]
    total = float(np.hypot(se, mass_se))
    if found:
        reason = f"the verdict on the chains is {found[0]!r}, so their draws do not stand for the whole posterior."
    elif not np.isfinite(value) or total > LARGEST_SE:
        reason = f"the standard error is {total:.2f} nats, more than {LARGEST_SE:g}; draw more."
    elif gap > APART:
        reason = f"the two halves of the draws give estimates {gap:.1f} standard errors apart; run longer chains."
    elif unlike > APART:
        reason = (
            f"importance sampling, which does without the shares of the chains, gives an estimate {unlike:.1f} "
            "standard errors from that of the bridge; run longer chains."
        )
    else:
        reason = ""
    return LogEvidence(value - mass, total, not reason, reason)


def _check(mcmc):
    if getattr(mcmc, "engine", None) != "mcmc":
        raise InputError(f"log_evidence(mcmc): expected an MCMC fit, got {mcmc!r}.")
    improper = [name for name, p in mcmc.mixture.parameters.items() if isinstance(p.prior, Flat)]
    if improper:
        raise InputError(
            f"log_evidence(mcmc): the prior of {improper[0]!r} is Flat, which has no total mass, so the evidence is "
            "not defined; give it a proper prior."
        )
    weight = mcmc.data.weight
    if weight is not None and (weight != np.round(weight)).any():
        raise InputError("log_evidence(mcmc): the row weights are fractional, so there is no likelihood to integrate.")


@dataclass(frozen=True)
class Space:
    """The unconstrained coordinates of one model and data set, and the target there."""

    mixture: object
    data: object
    like: dict  # a theta that gives shapes and Fixed fields
    u: np.ndarray  # (draws, p) of the relabelled draws
    log_p: np.ndarray  # (draws,) of p*
    shape: tuple  # (chains, draws)
    relabelings: tuple  # of (weights' permutation, positions of the family's coordinates)

    @classmethod
    def of(cls, mcmc):
        """The space of a fit."""
        model, like, fields = mcmc.mixture, mcmc.theta(0, 0), many.stack(mcmc.relabelled)
        u = many.to_vectors(model, fields)
        jacobian = many.from_vectors(model, u, like)[1]
        blocks = model.free_blocks(model.blocks(mcmc.data))
        return cls(model, mcmc.data, like, u, mcmc.log_posteriors.ravel() + jacobian, mcmc.shape,
                   _relabelings(model, like, blocks))  # fmt: skip

    def target(self, u):
        """log p* at (m, p) points."""
        with np.errstate(all="ignore"):
            fields, out = many.from_vectors(self.mixture, u, self.like)
            out += many.log_prior(self.mixture, fields)
            for run, _, rows in many.by_draws(self.mixture, self.data.x, fields, self.mixture.log_label(self.data)):
                out[run] += rows @ self.data.row_weight
        return np.where(np.isfinite(out), out, -np.inf)

    def images(self, u):
        """The copies of (m, p) points under every relabelling, one (m, p) array after the other."""
        head = 0 if self.mixture.is_constant("weight") else self.mixture.components - 1
        log_w = np.concatenate([u[:, :head], np.zeros((len(u), 1))], axis=1)
        for perm, positions in self.relabelings:
            first = log_w[:, perm] if head else log_w[:, :0]
            yield np.concatenate([(first[:, :-1] - first[:, -1:]), u[:, head:][:, positions]], axis=1)


def _relabelings(model, like, blocks):
    """Every permutation within the blocks, as (permutation of components, positions of the family's coordinates)."""
    count = int(np.prod([np.prod(np.arange(1, len(b) + 1)) for b in blocks], dtype=float))
    if count > MOST:
        raise InputError(
            f"log_evidence(mcmc): the model has {count} relabelings, more than the {MOST} that are averaged over; "
            'order the components (bm.Order("mean")), which leaves the evidence unchanged.'
        )
    probe = np.random.default_rng(0).normal(size=len(model.vector(like)))
    theta = model.from_vector(probe, like)
    head = 0 if model.is_constant("weight") else model.components - 1
    own = model.vector(theta)[head:]
    out = []
    for parts in product(*(permutations(b) for b in blocks)):
        perm = np.arange(model.components)
        for block, part in zip(blocks, parts, strict=True):
            perm[list(block)] = part
        moved = model.vector(model.permute(theta, perm))[head:]
        out.append((perm, np.abs(moved[:, None] - own[None, :]).argmin(axis=1)))
    return tuple(out)


def _bridge(space, fitted, used, rng):
    """(log Z, its standard error) by bridge and by importance sampling, the proposal from the draws `fitted`, the
    sample the draws `used`.
    """
    proposal = Proposal.of(space.u[fitted], rng)
    other = proposal.draw(len(used), rng)
    l1 = space.log_p[used] - _symmetric(space, proposal, space.u[used])
    l2 = space.target(other) - _symmetric(space, proposal, other)
    return solve(l1.reshape(space.shape[0], -1), l2), weighed(l2)


def _symmetric(space, proposal, u):
    """log of the proposal averaged over all relabelings."""
    total = np.full(len(u), -np.inf)
    for image in space.images(u):
        total = np.logaddexp(total, proposal.logpdf(image))
    return total - np.log(len(space.relabelings))


def solve(l1, l2):
    """(log Z, standard error) from log p*/q at posterior draws (chain, draw) and at independent proposal draws (m,).

    The error is Fruehwirth-Schnatter's: relative variances of both means, the posterior's divided by its effective
    sample size.
    """
    import arviz as az

    flat, finite = l1.ravel(), np.isfinite(l2)
    if not finite.any():
        return -np.inf, np.inf
    centre = np.median(flat)
    n1, n2 = effective(l1, az), len(l2)
    s1, s2 = n1 / (n1 + n2), n2 / (n1 + n2)
    log_z = 0.0
    for _ in range(1000):
        below = np.logaddexp(np.log(s1) + l2 - centre, np.log(s2) + log_z)
        above = np.logaddexp(np.log(s1) + flat - centre, np.log(s2) + log_z)
        new = (logsumexp(l2 - centre - below) - np.log(n2)) - (logsumexp(-above) - np.log(len(flat)))
        done, log_z = abs(new - log_z) < 1e-10, new
        if done:
            break
    z = centre + log_z
    f1 = np.exp(l2 - z - np.logaddexp(np.log(s1) + l2 - z, np.log(s2)))
    f2 = np.exp(-np.logaddexp(np.log(s1) + l1 - z, np.log(s2)))
    relative = f1.var() / f1.mean() ** 2 / n2 + f2.var() / f2.mean() ** 2 / effective(f2, az)
    return float(z), float(np.sqrt(relative))


def weighed(l2):
    """(log Z, standard error) by importance sampling, from log p*/q at independent proposal draws (m,).

    The error is infinite where fewer than EFFECTIVE draws carry the weight: there it would be a guess.
    """
    if not np.isfinite(l2).any():
        return -np.inf, np.inf
    w = np.exp(l2 - l2.max())
    se = float(w.std(ddof=1) / w.mean() / np.sqrt(len(w)))
    return float(np.log(w.mean()) + l2.max()), se if w.sum() ** 2 / (w @ w) >= EFFECTIVE else np.inf


def _apart(a, b):
    """How many standard errors two estimates (log Z, standard error) differ by; 0 where one has none."""
    se = np.hypot(a[1], b[1])
    return float(abs(a[0] - b[0]) / se) if 0 < se < np.inf else 0.0


def effective(value, az):
    """Effective sample size of the mean of (chain, draw) values, at most their number."""
    if np.ptp(value) == 0:
        return float(value.size)
    return float(min(az.ess(value, method="mean"), value.size))


@dataclass(frozen=True)
class Proposal:
    """A mixture of Gaussians fitted to draws, a tenth of it with four times the covariance."""

    mixture: Mixture
    theta: dict

    @classmethod
    def of(cls, u, rng):
        """The proposal for (m, p) draws; the number of Gaussians by BIC, at least 20 draws for each parameter."""
        best, data = (np.inf, None), Data(u)
        for parts in PARTS:
            model = Mixture(MvGaussian(), parts).resolve(data)
            if parts > 1 and len(u) < 20 * model.df(u.shape[1]):
                break
            run = engine.run(Problem.of(model, data), spread_out(u, parts, rng), max_iter=200, tol=1e-4)
            bic = model.df(u.shape[1]) * np.log(len(u)) - 2 * run.log_likelihood
            best = min(best, (bic, run.theta), key=lambda pair: pair[0])
        theta = best[1]
        doubled = {
            "weight": np.concatenate([(1 - SHARE) * theta["weight"], SHARE * theta["weight"]]),
            "mean": np.concatenate([theta["mean"]] * 2),
            "cov": np.concatenate([theta["cov"], WIDE * theta["cov"]]),
        }
        return cls(Mixture(MvGaussian(), 2 * len(theta["weight"])), doubled)

    def logpdf(self, u):
        """log q at (m, p) points."""
        return logsumexp(self.mixture.log_joint(u, self.theta), axis=1)

    def draw(self, count, rng):
        """(count, p) independent draws."""
        z = rng.choice(self.mixture.components, size=count, p=self.theta["weight"])
        return self.mixture.family.draw(z, rng, mean=self.theta["mean"], cov=self.theta["cov"])


def spread_out(u, parts, rng):
    """A start for EM: Gaussians of the whole covariance about draws that lie far apart, by k-means++ of whitened draws.

    References: Arthur & Vassilvitskii (2007), SODA, for the choice with probability proportional to squared distance.
    """
    cov = np.atleast_2d(np.cov(u.T))
    z = np.linalg.solve(np.linalg.cholesky(cov + 1e-10 * np.diag(np.diag(cov))), u.T).T
    some = [int(rng.integers(len(u)))]
    for _ in range(parts - 1):
        near = np.min([((z - z[i]) ** 2).sum(axis=1) for i in some], axis=0)
        some.append(int(rng.choice(len(u), p=near / near.sum())))
    mean = u[some] if parts > 1 else u.mean(axis=0, keepdims=True)
    return {"weight": np.full(parts, 1 / parts), "mean": mean, "cov": np.array([cov] * parts)}
