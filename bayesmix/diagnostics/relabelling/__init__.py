"""The relabelling methods, one file each; importing it registers it. Plain arrays only."""

from bayesmix.diagnostics.relabelling import (  # noqa: F401
    data_based,
    ecr,
    ecr_iterative,
    order,
    pivot,
    stephens,
    to_map,
)
from bayesmix.diagnostics.relabelling.register import METHODS, Material, Method, Solution, method

__all__ = ["METHODS", "Material", "Method", "Solution", "method"]
