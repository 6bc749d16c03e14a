"""The families: one file each. Importing the file registers the family everywhere."""

from bayesmix.spec.families.base import ExponentialFamily, Family, families, parameter
from bayesmix.spec.families.bernoulli import Bernoulli
from bayesmix.spec.families.components import Components
from bayesmix.spec.families.gaussian import Gaussian
from bayesmix.spec.families.mvgaussian import MvGaussian
from bayesmix.spec.families.point_mass import PointMass
from bayesmix.spec.families.poisson import Poisson
from bayesmix.spec.families.product import Product
from bayesmix.spec.families.uniform import UniformComponent

__all__ = [
    "Bernoulli",
    "Components",
    "ExponentialFamily",
    "Family",
    "Gaussian",
    "MvGaussian",
    "PointMass",
    "Poisson",
    "Product",
    "UniformComponent",
    "families",
    "parameter",
]
