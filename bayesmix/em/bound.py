"""The variational lower bound of a climb, half-step by half-step."""

import numpy as np

from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.spec.special import softmax, xlogy


def bound_trace(fit, run=0):
    """A DataFrame of the bound B(q, theta) after every half-step of one restart, E-steps and M-steps apart.

    With joint_ik = log w_k + log f_k(x_i) + log_label_ik and q the responsibilities,

        log posterior(theta) = B(q, theta) + KL(q || r(theta)),
        B = energy + entropy + log prior,
        energy = sum_i weight_i sum_k q_ik joint_ik,   entropy = - sum_i weight_i sum_k q_ik log q_ik.

    The E-step sets q = r(theta): KL = 0, the bound is tight. The M-step raises B in theta, and KL opens again.

    Args:
        fit: an EM fit at stiffness 1 with `keep_trace=True`.
        run: which of its restarts.

    Returns:
        one row per half-step; columns `iteration`, `step` ("E" or "M"), `bound`, `energy`, `entropy`,
        `log_prior`, `log_posterior`, `kl`.

    Raises:
        InputError: the fit is not by EM, kept no trace, was annealed, or has no such restart.

    References: Neal & Hinton (1998); Bishop (2006), equations 9.70-9.72.
    """
    import pandas as pd

    if fit.engine != "em" or not 0 <= run < len(fit.runs):
        raise InputError(f"bound_trace(fit, run={run!r}): expected an EM fit and one of its {len(fit.runs)} restarts.")
    if not fit.runs[run].thetas:
        raise InputError("bound_trace(fit): the fit kept no trace; run fit_em with keep_trace=True.")
    if fit.settings["stiffness"] != "1.0":
        raise InputError(f"bound_trace(fit): expected stiffness 1, got {fit.settings['stiffness']}.")
    problem, weight, rows = Problem.of(fit.mixture, fit.data), fit.data.row_weight, []

    def add(iteration, step, q, joint, log_prior):
        r = softmax(joint, axis=1)
        with np.errstate(invalid="ignore"):
            energy = weight @ np.where(q > 0, q * joint, 0.0).sum(axis=1)
        entropy = -(weight @ xlogy(q, q).sum(axis=1))
        kl = weight @ (xlogy(q, q) - xlogy(q, r)).sum(axis=1)
        total = energy + entropy + log_prior
        rows.append((iteration, step, total, energy, entropy, log_prior, total + kl, kl))

    q = None
    for i, theta in enumerate(fit.runs[run].thetas):
        inner = problem.inward(theta)
        joint = problem.mixture.log_joint(problem.x, inner, problem.log_label)
        log_prior = sum(fit.mixture.log_prior(theta).values())
        if q is not None:
            add(i, "M", q, joint, log_prior)
        q = softmax(joint, axis=1)
        add(i, "E", q, joint, log_prior)
    names = ["iteration", "step", "bound", "energy", "entropy", "log_prior", "log_posterior", "kl"]
    return pd.DataFrame(rows, columns=names)
