"""Many climbs in step: one set of array operations for all of them.

At a few hundred rows NumPy's calls cost more than their sums, so M climbs are taken as one with M K components: the
scores are M products in one call, and the M-step, which treats components alike, is one M-step. Wherever a climb
needs care (a narrow component, a collapse, an objective that fell) it stops at its last good theta and
`engine.run` goes on with it. No climb's numbers depend on its company.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayesmix.em import kernel, plain, starts
from bayesmix.em.engine import CONVERGED, EXHAUSTED, Run, run
from bayesmix.em.limits import Limits
from bayesmix.errors import InputError
from bayesmix.spec.matrices import clearly_definite

SMALL = 1e6  # n K F up to which climbs go in step
ROOM = 2e6  # scores held at a time
FAILS = (ValueError, IndexError, TypeError, InputError, np.linalg.LinAlgError)


def suits(problem):
    """Whether climbs of this problem may go in step: few rows, an exponential family that takes components alike."""
    model = problem.mixture
    if not problem.exponential or problem.stream is not None or not np.isfinite(problem.x).all():
        return False
    if Limits.of(problem) is None:
        return False
    if len(problem.x) * model.components * problem.feature_count > SMALL:
        return False
    return Together(problem).agrees


@dataclass(frozen=True)
class Together:
    """Climbs of one problem in step. Fields of theta have a leading axis of climbs, (M, K, ...)."""

    problem: kernel.Problem

    @cached_property
    def limits(self):
        """The constraints."""
        return Limits.of(self.problem)

    def flat(self, theta):
        """The family's part of M thetas as one of M K components."""
        return {n: theta[n].reshape(-1, *theta[n].shape[2:]) for n in self.problem.mixture.family.parameters}

    def natural(self, theta):
        """W, log weights added, (M, K, F); and the guard's bound for each component, (M, K)."""
        M, K = theta["weight"].shape
        W = self.problem.mixture.family.natural(np, **self.flat(theta)).reshape(M, K, -1)
        rough = self.problem.rough(W)
        W[..., 0] += np.maximum(np.log(theta["weight"]), -1e30)
        return W, rough

    def log_prior(self, theta):
        """(M,) the log prior, its constraints obeyed."""
        model = self.problem.mixture
        M, own = len(theta["weight"]), self.flat(theta)
        out = np.zeros(M) if model.is_constant("weight") else model.weight.logp(theta["weight"], theta)
        for name, p in model.family.parameters.items():
            if p.free:
                events = own[name].shape[: own[name].ndim - p.support.event_ndim]
                term = np.broadcast_to(p.prior.logp(own[name], model.family.scope(name, own)), events)
                out = out + term.reshape(M, -1).sum(axis=1)
        return out

    def e_step(self, theta, beta):
        """Objective, log likelihood (M,) and statistics (M, K, F); NaN for climbs that need care."""
        problem = self.problem
        W, rough = self.natural(theta)
        phi, out = problem.features, []
        step = max(1, int(ROOM / (W.shape[1] * phi.shape[1])))
        for at in range(0, len(W), step):
            joint = W[at : at + step] @ phi
            if problem.log_label is not None:
                joint += np.maximum(problem.log_label.T, -1e30)
            row, soft = plain.soften_in_place(joint, beta, problem.weight)
            sums = [(a if problem.weight is None else a * problem.weight).sum(axis=-1) for a in (row, soft)]
            out.append((*sums, joint @ phi.T))
        objective, log_likelihood, stats = (np.concatenate(part) for part in zip(*out, strict=True))
        objective = np.where(rough.any(axis=1), np.nan, objective)
        return objective + problem.base_total, log_likelihood + problem.base_total, stats

    def m_step(self, stats, theta):
        """The thetas after one M-step, and which of them are sound, (M,)."""
        new, sound = self.unordered(stats, theta)
        new, ordered = self.limits.arrange(new)
        return new, sound & ordered

    def unordered(self, stats, theta):
        """`m_step` before the components are put in order."""
        model = self.problem.mixture
        M, K = theta["weight"].shape
        own = model.family.mode(stats.reshape(M * K, -1), **self.flat(theta))
        new = {name: value.reshape(M, K, *value.shape[1:]) for name, value in own.items()}
        new["weight"], sound = theta["weight"], np.ones(M, dtype=bool)
        if not model.is_constant("weight"):
            (a,) = model.weight.conjugate("dirichlet", (K,))
            new["weight"] = self.limits.weights(stats[..., 0] + a)
        for name, p in model.family.parameters.items():
            value = new[name].reshape(M, -1)
            sound &= np.isfinite(value).all(axis=1)
            if p.support.name == "positive definite":
                sound &= definite(new[name])
            elif p.free and p.own in ("var", "sd"):
                sound &= (value > 0).all(axis=1)
        if not model.family.resolved(own):
            sound &= [model.family.resolved({n: v[i] for n, v in new.items() if n != "weight"}) for i in range(M)]
        return new, sound

    @property
    def agrees(self):
        """Whether the family does take components alike: two thetas in step as one by one, on made-up statistics."""
        problem, model = self.problem, self.problem.mixture
        K, theta, free = model.components, self.problem.central, replace(model, constraints=())
        if any(len(theta[name]) != K for name in model.family.parameters):
            return False  # a shared field pools what is not to be pooled
        both = {name: np.array([value, value]) for name, value in theta.items()}
        r = np.random.default_rng(0).dirichlet(np.ones(2 * K), size=len(problem.x)).T.reshape(2, K, -1)
        stats = r @ problem.features.T
        try:
            with np.errstate(all="ignore"):
                new, _ = self.unordered(stats, both)
                alone = [model.family.mode(s, **model.own(theta)) for s in stats]
                W, prior = self.natural(new)[0], self.log_prior(new)
                for i in range(2):
                    one = {"weight": new["weight"][i], **alone[i]}
                    wanted = model.family.natural(np, **alone[i])
                    wanted[:, 0] += problem.log_weight(one)
                    same = all(close(new[name][i], alone[i][name]) for name in alone[i]) and close(W[i], wanted)
                    if not same or not close(prior[i], sum(free.log_prior(one).values())):
                        return False
        except FAILS:
            return False  # its arrays are tied to K components
        return True

    def starts(self, start, children):
        """`starts.draw` for each child seed."""
        return [starts.draw(start, self.problem, np.random.default_rng(child)) for child in children]

    def climb(self, thetas, *, stiffness=1.0, max_iter=2000, tol=1e-8, into=None, progress=None):
        """The runs from several thetas (coordinates of the data), as `engine.run` gives them one by one."""
        runs = [] if into is None else into
        step = max(1, int(4 * ROOM / (len(self.problem.x) * self.problem.mixture.components)))
        for at in range(0, len(thetas), step):
            with np.errstate(all="ignore"):
                runs += self._climb(thetas[at : at + step], stiffness, max_iter, tol)
            if progress is not None:
                progress(len(runs))
        return runs

    def _climb(self, thetas, stiffness, max_iter, tol):
        problem, betas = self.problem, np.atleast_1d(np.asarray(stiffness, dtype=np.float64))
        inward = [problem.inward(theta) for theta in thetas]
        theta = {name: np.array([t[name] for t in inward], dtype=np.float64) for name in problem.mixture.parameters}
        here, stats, active, sound = theta, None, np.arange(len(thetas)), np.ones(len(thetas), dtype=bool)
        history, runs = [], [None] * len(thetas)  # one line (climbs, 2) per iteration
        options = {"stiffness": stiffness, "max_iter": max_iter, "tol": tol}
        for i in range(max_iter + 1):
            beta, before = float(betas[min(i, len(betas) - 1)]), float(betas[min(max(i - 1, 0), len(betas) - 1)])
            try:
                if i:
                    here, sound = self.m_step(stats, theta)
                objective, log_likelihood, there = self.e_step(here, beta)
                prior = self.log_prior(here)
            except np.linalg.LinAlgError:  # some climb's matrix: all of them go on alone
                here, there, sound = theta, stats, np.zeros(len(active), dtype=bool)
                objective = log_likelihood = prior = np.full(len(active), np.nan)
            value = objective + prior
            size = np.maximum(1.0, np.abs(value))
            rise = value - history[-1][active, 0] if i else np.zeros(len(active))
            good = sound & np.isfinite(value) & ~((rise < -1e-11 * size) & (beta == before))
            still = good & (i >= len(betas)) & (rise <= max(tol * tol, 4e-16) * size * 16)
            if still.any():
                still &= self.change(theta, here) <= tol
            ended = still | (good & (i == max_iter))
            if np.isinf(beta) and ended.any():
                log_likelihood = np.where(ended, self.e_step(here, 1.0)[1], log_likelihood)
            history.append(np.full((len(thetas), 2), np.nan))
            history[-1][active] = np.stack([value, log_likelihood + prior], axis=1)
            for a in np.flatnonzero(ended | ~good):
                j = active[a]
                trace = np.array([line[j] for line in history])
                if ended[a]:
                    end = problem.outward({name: v[a].copy() for name, v in here.items()})
                    runs[j] = Run(end, trace[-1, 1], float(log_likelihood[a]), there[a, :, 0].copy(), trace,
                                  CONVERGED if still[a] else EXHAUSTED)  # fmt: skip
                else:  # its last good E-step is taken again, with care
                    begin = problem.outward({name: v[a].copy() for name, v in theta.items()}) if i else thetas[j]
                    runs[j] = run(problem, begin, before=trace[: max(i - 1, 0)], **options)
            go = good & ~ended
            active = active[go]
            if not len(active):
                break
            theta, stats = {name: v[go] for name, v in here.items()}, there[go]
        return runs

    def change(self, old, new):
        """`engine.change` of each climb, (M,)."""
        worst = 0.0
        for name, value in new.items():
            axes = tuple(range(1, value.ndim))
            size = np.maximum(np.abs(value).max(axis=axes), self.problem.sizes.get(name, 0.0))
            step = np.abs(value - old[name]).max(axis=axes)
            worst = np.maximum(worst, np.where(size > 0, step / np.where(size > 0, size, 1.0), 0.0))
        return worst


def definite(cov):
    """Whether all covariances (M, K, d, d) of a climb are positive definite to 1e-13 relative, (M,)."""
    diagonal = np.einsum("mkii->mki", cov)
    if clearly_definite(cov, diagonal):
        return np.ones(len(cov), dtype=bool)
    unit = np.sqrt(diagonal)
    scaled = cov / (unit[..., :, None] * unit[..., None, :])
    fine = np.isfinite(scaled).all(axis=(1, 2, 3)) & (unit > 0).all(axis=(1, 2))
    smallest = np.linalg.eigvalsh(np.where(fine[:, None, None, None], scaled, np.eye(cov.shape[-1]))).min(axis=(1, 2))
    return fine & (smallest >= 1e-13)


def close(a, b):
    """Equal to rounding."""
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-10, atol=1e-12 * np.abs(b).max(initial=1.0))
