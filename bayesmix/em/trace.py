"""What a run looked like on its way: the responsibilities at every theta that was kept."""

from dataclasses import replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.special import softmax

DEFAULT = 256  # MiB


def memory(keep_trace):
    """The MiB that `fit_em(keep_trace=...)` grants, 0 when nothing is kept."""
    if isinstance(keep_trace, bool | np.bool_):
        return DEFAULT if keep_trace else 0
    if not isinstance(keep_trace, int | float | np.number) or not keep_trace >= 0:
        raise InputError(f"fit_em(keep_trace={keep_trace!r}): expected True, False or a positive number of MiB.")
    return keep_trace


def with_responsibilities(problem, runs, betas, mebibytes):
    """The runs with `responsibilities` (m, n, K) at the iterations `kept` (m,), within this memory together.

    They are those of the iteration's stiffness: r_ik ~ exp(beta l_ik), one-hot at infinity.
    """
    cells, K = len(problem.x) * problem.mixture.components, problem.mixture.components
    room = int(mebibytes * 2**20 / 8 / cells)
    total = sum(len(r.thetas) for r in runs)
    stride = max(1, -(-total // max(room, 1)))
    out = []
    for run in runs:
        last = len(run.thetas) - 1
        kept = sorted({*range(0, last, stride), last})
        if room < len(runs):
            kept = []  # not even the last of each
        r = np.empty((len(kept), len(problem.x), K))
        for row, i in enumerate(kept):
            joint = problem.mixture.log_joint(problem.x, problem.inward(run.thetas[i]), problem.log_label)
            beta = betas[min(i, len(betas) - 1)]
            if np.isinf(beta):
                r[row] = np.eye(K)[joint.argmax(axis=1)]
            else:
                r[row] = softmax(beta * joint, axis=1)
        out.append(replace(run, responsibilities=r, kept=tuple(kept)))
    return out
