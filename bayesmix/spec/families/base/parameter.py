"""One parameter of a family: how it is declared, and what an instance knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bayesmix.spec import supports
from bayesmix.spec.priors import Fixed, FromData, Prior


def parameter(*dims, support=supports.real, optional=False, pooled=False, constant=False):
    """A dataclass field for one parameter.

    `dims` are the axes after the component axis ("feature", or "feature", "feature" for a matrix).
    `optional` parameters are absent unless given; a left-out one is otherwise derived from the data.
    An axis that is not a feature gets its length from the family's `sizes`.
    `pooled` marks the fields to which a family's `shared` and `isotropic` switches apply; a name stands
    for another switch of the family by which all components share this field. `constant` marks
    those that are known and never estimated, for which a number stands for `Fixed`.
    """
    metadata = {"dims": dims, "support": support, "pooled": pooled, "constant": constant}
    return field(default=None if optional else FromData(), metadata=metadata)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family instance: its prior, its axes, where it lives, and what it covers.

    `own` is its name within its own family, `name` its name in theta: they differ in a composite
    family, whose parameters cover some of the components (`owners`) or of the columns (`columns`;
    None for all), with axes named after the member (`axis`) and the part (`part`).
    """

    name: str
    prior: Prior
    dims: tuple
    support: supports.Support
    shared: bool
    isotropic: bool
    sizes: Mapping = field(default_factory=dict)  # lengths of the axes that are not features
    own: str = ""
    moves: bool = False  # whether it moves with the origin of x
    expectation: bool = False  # whether it is E[x] in each component
    owners: tuple | None = None
    columns: tuple | None = None
    axis: str = ""
    part: str = ""

    def covers(self, K):
        """(m,) the components that it belongs to, an increasing run."""
        return np.arange(K) if self.owners is None else np.array(self.owners)

    def features(self, d):
        """(m,) the columns of x that its feature axis stands for."""
        return np.arange(d) if self.columns is None else np.array(self.columns)

    def shape(self, K, d):
        """Full shape, component axis first; a shared or isotropic axis has length 1."""
        K = K if self.owners is None else len(self.owners)
        d = d if self.columns is None else len(self.columns)
        return (1 if self.shared else K, *(self.sizes.get(dim, 1 if self.isotropic else d) for dim in self.dims))

    def axes(self):
        """Names of its axes; an axis that is shared, or that is a member's own, has a name of its own."""
        first = "component_all" if self.shared else f"component_{self.axis}" if self.axis else "component"
        part = f"_{self.part}" if self.part else ""
        ends = "_all" if self.isotropic else part
        features = (f"feature{'' if i == 0 else i + 1}{ends}" for i in range(len(self.dims)))
        return (first, *(f"{dim}{part}" if dim in self.sizes else next(features) for dim in self.dims))

    @property
    def free(self):
        return not isinstance(self.prior, Fixed)

    def free_count(self, K, d):
        """Number of unconstrained coordinates."""
        return int(np.prod(self.support.free(self.shape(K, d)))) if self.free else 0
