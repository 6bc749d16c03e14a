"""What an E-step yields, and how scores become responsibilities.

References: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, for the bound on the
rounding error of a product.
"""

from dataclasses import dataclass

import numpy as np

from bayesmix.em.plain import LOG_TINY

EPS = float(np.finfo(float).eps)
TOLERANCE = 1e-10  # largest rounding error of a component's log density before `logpdf` takes over


@dataclass(frozen=True)
class Pass:
    """What one E-step yields.

    objective: sum_i weight_i (1/beta) log sum_k exp(beta l_ik); log_likelihood: the same at beta = 1, which hard
    assignments do not need: NaN where beta is infinite.
    counts: (K,) sum_i weight_i r_ik. stats: (K, F) r^T Phi, or the responsibilities (n, K) themselves
    for a family that is not exponential (both weighted by the rows). origin: (K, d) or None; row k of stats is
    taken of Phi(x - origin_k), which keeps the moments of a narrow component exact.
    """

    objective: float
    log_likelihood: float
    counts: np.ndarray
    stats: np.ndarray
    origin: np.ndarray | None = None


def soften(joint, beta):
    """Responsibilities r ~ exp(beta l), the row terms (1/beta) log sum exp(beta l), and those at beta = 1.

    The last are NaN where beta is infinite: hard assignments need no exp.
    """
    top = joint.max(axis=0)
    if np.isinf(beta):
        hard = np.zeros_like(joint)
        hard[joint.argmax(axis=0), np.arange(joint.shape[1])] = 1.0
        return hard, top, np.full(len(top), np.nan)
    e = np.exp(np.maximum(joint - top, LOG_TINY))
    total = e.sum(axis=0)
    soft = top + np.log(total)
    if beta == 1.0:
        return e / total, soft, soft
    e = np.exp(np.maximum(beta * (joint - top), LOG_TINY))
    total = e.sum(axis=0)
    return e / total, top + np.log(total) / beta, soft
