"""What every family is: `Family`, `ExponentialFamily`, and how their parameters are declared."""

from bayesmix.spec.families.base.exponential import ExponentialFamily
from bayesmix.spec.families.base.family import Family, families
from bayesmix.spec.families.base.parameter import Parameter, parameter

__all__ = ["ExponentialFamily", "Family", "Parameter", "families", "parameter"]
