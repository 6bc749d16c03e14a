"""Whether Gibbs chains take a marginal step (`gibbs_marginal.py`), and the t distribution that they then propose from.

Asked before any chain begins, so that nothing adapts while draws are made. A pilot of PILOT plain sweeps from the
optimum says how far Gibbs comes on its own: with the largest lag-1 autocorrelation a of the coordinates, a sweep is
worth about (1 - a) / (1 + a) independent draws. Then q starts as the Laplace approximation with t tails and is fitted
to the posterior by adaptive importance sampling. From the weights w = p / q the acceptance rate follows, a = E min(w,
w') / E w; a chain that moves at this rate, independently, is worth a / (2 - a) draws a step (a little less, since
it stays where w is large). The weights do not see what q misses, and promise acceptance that a chain then does not
have; so what they recommend is tried in a second pilot, whose own acceptance rate is believed where it is lower. A
sweep with the step costs two passes over the rows instead of one: it is taken where it is worth TWICE as much.

References: Oh & Berger (1992), Journal of Statistical Computation and Simulation 41:143-168 (adaptive importance
sampling); Liu (1996), Statistics and Computing 6:113-119, for independence chains against importance sampling.
"""

import numpy as np

from bayesmix.errors import InputError

LARGEST = 20  # dimensions above which one t distribution is not near enough a posterior
PILOT = 400  # sweeps
QUICK = 0.2  # of a draw that a sweep is worth, from which on Gibbs needs no help
ROUNDS, PER_DIMENSION = 6, 100  # of importance sampling, and draws in each
DF, WIDER = 5.0, 1.5  # of the t distribution, and how much wider its scale^2 becomes: no tail is to be out of reach
TWICE = 2.0


def marginal(whole, optimum, rng, wanted=None):
    """(the Proposal, or None; a sentence on why) for chains of a `gibbs_whole.Whole`.

    optimum: the best optimum of the EM census, or None where there is none. wanted: None, where it pays; True, wherever
    it can be had; False, never.
    """
    if wanted is False:
        return None, "no: not wanted"
    reason = obstacle(whole, optimum)
    if reason:
        if wanted:
            raise InputError(f"fit_mcmc(marginal_steps=True): {reason}; leave it out.")
        return None, f"no: {reason}"
    start = first(whole.problem, optimum)
    alone = pilot(whole, optimum, start, rng)
    if alone > QUICK and not wanted:
        return None, f"no: a sweep of Gibbs alone is worth {alone:.2g} of a draw"
    proposal, rate = fitted(whole, optimum, start, rng)
    if rate / (2 - rate) >= TWICE * alone:
        rate = min(rate, moved(whole, optimum, proposal, rng))
    step = rate / (2 - rate)
    said = f"a step is worth {step:.2g} of a draw, a sweep of Gibbs alone {alone:.2g}"
    if not step >= TWICE * alone and not wanted:
        return None, f"no: {said}"
    return proposal, f"yes: {said}"


def obstacle(whole, optimum):
    """Why there can be no marginal step, or ""."""
    from bayesmix.spec.priors import Fixed

    if whole is None:
        return "the step is written for Gaussian components whose whole sweeps are compiled"
    blocks = whole.problem.blocks_of_components
    if isinstance(whole.problem.mixture.family.mean, Fixed) and max(map(len, blocks)) > 1:
        return "exchangeable components with known means have no order"
    if optimum is None:
        return "the step needs an EM optimum to begin from"
    if optimum.u is None:
        return "the best optimum has no Laplace approximation"
    if not 0 < len(optimum.u) <= LARGEST:
        return f"{len(optimum.u)} free parameters are more than the {LARGEST} that one t distribution serves"
    return ""


def first(problem, optimum):
    """The Proposal that the Laplace approximation gives, in the labelling of the optimum."""
    from bayesmix.mcmc.gibbs_marginal import Proposal

    inner = problem.inward(optimum.theta)
    apart = np.var(inner["mean"], axis=0) / np.maximum(np.var(problem.x, axis=0), 1e-300)
    feature = int(np.argmax(apart))
    blocks = [sorted(block, key=lambda k: inner["mean"][k, feature]) for block in problem.blocks_of_components]
    return Proposal(
        np.ascontiguousarray(optimum.u), np.linalg.cholesky(2 * optimum.cov_u), DF,
        np.concatenate(blocks).astype(np.int64), np.repeat(np.arange(len(blocks)), [len(b) for b in blocks]), feature,
    )  # fmt: skip


def pilot(whole, optimum, start, rng):
    """What a sweep of plain Gibbs is worth, in independent draws."""
    from bayesmix.mcmc.gibbs_marginal import read

    inner = whole.problem.inward(optimum.theta)
    draws, _ = whole.chain(inner, rng, PILOT)
    state, law = whole.state(inner), whole.numbers
    kept = tuple(np.ascontiguousarray(draws[n].reshape(PILOT, -1)) for n in ("weight", "mean", whole.scale))
    v = np.empty((PILOT, len(start.centre)))
    read(whole.kind, law, start, kept, state.mean, state.scale, v)
    v = (v - v.mean(axis=0))[:, v.std(axis=0) > 0]
    a = float(((v[1:] * v[:-1]).sum(axis=0) / (v**2).sum(axis=0)).max(initial=0.0))
    return (1 - a) / (1 + a)


def moved(whole, optimum, proposal, rng):
    """The share of PILOT marginal steps that a chain from the optimum accepts."""
    return float(whole.chain(whole.problem.inward(optimum.theta), rng, PILOT, proposal=proposal)[1].mean())


def fitted(whole, optimum, q, rng):
    """(the Proposal fitted to the posterior, its acceptance rate as the last round measured it).

    In each round q takes one EM step of a t distribution towards the weighted draws. While few of them carry the
    weight it is flattened to w^b, and the old scale counts as p draws, so that no round leaps.
    """
    from bayesmix.mcmc.gibbs_marginal import weigh

    state, p = whole.state(whole.problem.inward(optimum.theta)), len(q.centre)
    count = PER_DIMENSION * p
    v, log_p, log_q = np.empty((count, p)), np.empty(count), np.empty(count)
    for left in reversed(range(ROUNDS)):
        weigh(whole.kind, *whole.rows, whole.numbers, q, rng, *state, v, log_p, log_q)
        log_w = log_p - log_q
        if not np.isfinite(log_w).any():
            return q, 0.0
        log_w -= log_w.max()
        if left == 0:
            return q, acceptance(np.exp(log_w))
        flat = next((b for b in 0.8 ** np.arange(15) if carried(np.exp(b * log_w)) >= 10 * p), 0.8**14)
        w = np.exp(flat * log_w)
        share, w = p / (p + carried(w)), w / w.sum()
        g = (DF + p) / (DF + (np.linalg.solve(q.factor, (v - q.centre).T) ** 2).sum(axis=0))
        centre = (w * g) @ v / (w @ g)
        cov = ((w * g)[:, None] * (v - centre)).T @ (v - centre)
        cov = (1 - share) * cov + share * q.factor @ q.factor.T
        q = q._replace(centre=centre, factor=np.linalg.cholesky(cov * (WIDER if left == 1 else 1.0)))


def acceptance(w):
    """sum_ij min(w_i, w_j) / (n sum w): how often an independence chain with these importance weights moves."""
    n = len(w)
    return float(np.sort(w) @ (2 * (n - np.arange(n)) - 1) / (n * w.sum()))


def carried(w):
    """The number of equal weights that would be as good."""
    return w.sum() ** 2 / (w**2).sum()
