"""The variational lower bound: the E-step makes it tight, the M-step raises it.

    log posterior(theta) = B(q, theta) + KL(q || p(z | x, theta)),
    B(q, theta) = sum_i sum_k q_ik log[w_k f_k(x_i)] - sum_i sum_k q_ik log q_ik + log prior

Old Faithful, K = 2, full covariance, from a poor start so that the steps can be seen.

Sources: all the lecture notes derive it; Neal and Hinton (1998); Bishop (2006), section 9.4.

What to look for: after every E-step the bound touches the log posterior (KL = 0); after every M-step both are
higher, and a gap has opened between them.
"""

import numpy as np

import bayesmix as bm
from bayesmix.report import dynamics

title = "The bound"
data = bm.datasets.old_faithful().standardised()
model = bm.Mixture(bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat()), 2, weight=bm.Flat())
start = {"weight": [0.5, 0.5], "mean": [[-1.1, 1], [1, -1]], "cov": [np.eye(2)] * 2}
settings = {"engine": "em", "seed": 1, "em": {"start": start, "keep_trace": True}}


def story(em, mcmc, quick):
    frame = bm.bound_trace(em).set_index("iteration")
    after_e, after_m = frame[frame["step"] == "E"], frame[frame["step"] == "M"]
    first = ", ".join(f"{v:.7f}" for v in after_e["log_posterior"].iloc[:4])
    stairs = (
        "Left: an M-step raises the bound and leaves the log posterior above it; an E-step closes the gap. Right: the "
        "gap is the divergence of q from the posterior of z."
    )
    parts = "The two parts of the bound: expected log joint density (energy) and entropy of q, after every E-step."
    yield bm.section(
        "The bound, half-step by half-step",
        f"After an E-step the gap is at most {after_e['kl'].abs().max():.1g}; after an M-step it was up to "
        f"{after_m['kl'].max():.3f}. The bound never falls but for rounding: its least rise over a half-step is "
        f"{np.diff(frame['bound']).min():.1g}.",
        f"Log likelihood by iteration: {first}, ... to {em.log_likelihood:.7f}.",
        (dynamics.staircase(bm.bound_trace(em)), stairs),
        (dynamics.curves(after_e[["energy", "entropy"]], "nats"), parts),
        (frame.head(12), "The first half-steps."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
