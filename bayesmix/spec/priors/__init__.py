"""Priors: one small class each, with a NumPy reading (`logp`), a PyMC reading (`rv`) and draws.

How hyperparameters broadcast, and which kernels are conjugate, is said at the top of `base.py`.
To add a prior, write it beside its like, or in a file of its own, and name it in the imports below.
"""

from bayesmix.spec.priors.base import KERNELS, LOG_2PI, Prior, dim_shape, hyper, plus, spread, xlogy
from bayesmix.spec.priors.constant import Fixed, Flat, FromData
from bayesmix.spec.priors.interval import Beta, Uniform
from bayesmix.spec.priors.matrix import InverseWishart, draw_inverse_wishart
from bayesmix.spec.priors.normal import ConjugateNormal, Normal
from bayesmix.spec.priors.positive import Exponential, Gamma, HalfNormal, InverseGamma, LogNormal
from bayesmix.spec.priors.simplex import Dirichlet

__all__ = [
    "KERNELS",
    "LOG_2PI",
    "Beta",
    "ConjugateNormal",
    "Dirichlet",
    "Exponential",
    "Fixed",
    "Flat",
    "FromData",
    "Gamma",
    "HalfNormal",
    "InverseGamma",
    "InverseWishart",
    "LogNormal",
    "Normal",
    "Prior",
    "Uniform",
    "dim_shape",
    "draw_inverse_wishart",
    "hyper",
    "plus",
    "spread",
    "xlogy",
]
