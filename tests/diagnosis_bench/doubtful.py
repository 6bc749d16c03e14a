"""Evidence that is ambiguous by construction."""

from diagnosis_bench.chains import around, gibbs, packed
from diagnosis_bench.register import case, fitted


@case(
    "few draws",
    "undecided",
    True,
    gaussian={"K": 2},
    mvgaussian={"kind": "mvgaussian", "K": 3, "n": 200},
    poisson={"kind": "poisson", "K": 2},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return gibbs(em, seed, draws=60), em


@case(
    "few draws, made up",
    "undecided",
    False,
    K2={"K": 2},
    K4={"K": 4, "n": 200},
)
def _(rng, seed, **how):
    em = fitted(rng, seed, **how)
    return packed(em, [around(em, 0, 70, rng) for _ in range(4)]), em


@case(
    "overlapping",
    ("undecided", "degenerate", "not converged"),
    True,
    gaussian={"apart": 1.5},
    gaussian_K3={"apart": 1.3, "K": 3},
    poisson={"kind": "poisson", "apart": 1.2},
    two_columns={"kind": "gaussian 2", "apart": 0.3, "var": (200, 199)},
)
def _(rng, seed, kind="gaussian", **how):
    """Groups so close that few rows tell them apart: which component is which is no question with an answer.

    In two columns the variances are all but known. Else chance gives one of them to one component and one to the other,
    and by these they are told apart although the groups are not.
    """
    em = fitted(rng, seed, kind=kind, n=120, **how)
    return gibbs(em, seed, draws=1500, tune=300), em
