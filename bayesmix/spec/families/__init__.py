"""The families: one file each. Importing the file registers the family everywhere."""

from bayesmix.spec.families.base import ExponentialFamily, Family, families, parameter
from bayesmix.spec.families.bernoulli import Bernoulli
from bayesmix.spec.families.gaussian import Gaussian
from bayesmix.spec.families.mvgaussian import MvGaussian
from bayesmix.spec.families.poisson import Poisson

__all__ = [
    "Bernoulli",
    "ExponentialFamily",
    "Family",
    "Gaussian",
    "MvGaussian",
    "Poisson",
    "families",
    "parameter",
]
