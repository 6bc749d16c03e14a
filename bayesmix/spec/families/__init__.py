"""The families: one file each. Importing the file registers the family everywhere."""

from bayesmix.spec.families.base import ExponentialFamily, Family, families, parameter
from bayesmix.spec.families.bernoulli import Bernoulli
from bayesmix.spec.families.categorical import Categorical
from bayesmix.spec.families.components import Components
from bayesmix.spec.families.exponential import ExponentialComponent
from bayesmix.spec.families.gamma import GammaComponent
from bayesmix.spec.families.gaussian import Gaussian
from bayesmix.spec.families.lognormal import LogNormalComponent
from bayesmix.spec.families.multinomial import Multinomial
from bayesmix.spec.families.mvgaussian import MvGaussian
from bayesmix.spec.families.mvstudentt import MvStudentT
from bayesmix.spec.families.negativebinomial import NegativeBinomial
from bayesmix.spec.families.point_mass import PointMass
from bayesmix.spec.families.poisson import Poisson
from bayesmix.spec.families.product import Product
from bayesmix.spec.families.studentt import StudentT
from bayesmix.spec.families.uniform import UniformComponent

__all__ = [
    "Bernoulli",
    "Categorical",
    "Components",
    "ExponentialComponent",
    "ExponentialFamily",
    "Family",
    "GammaComponent",
    "Gaussian",
    "LogNormalComponent",
    "Multinomial",
    "MvGaussian",
    "MvStudentT",
    "NegativeBinomial",
    "PointMass",
    "Poisson",
    "Product",
    "StudentT",
    "UniformComponent",
    "families",
    "parameter",
]
