"""What a relabelling method sees and gives back, and the register of methods."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmix.diagnostics.relabelling.assignment import assign, cost_of
from bayesmix.diagnostics.relabelling.membership import Membership, one_hot

METHODS = {}


@dataclass(frozen=True, eq=False)
class Material:
    """What is known of T draws of K components, as plain arrays; None where it is not.

    blocks: the components that may exchange names, as tuples of indices.
    allocations: (T, n) component 0..K-1 of each row. probabilities: `Membership`, P(z_i = k | theta, x).
    parameters: (T, K, p) all parameters of each component; NaN where it has no such parameter.
    coordinate: (T, K) what the components are ordered by. log_posterior: (T,). data: (n, d), NaN where missing.
    references: the responsibilities (n, K) at each optimum, the best one first.
    """

    K: int
    T: int
    blocks: tuple
    allocations: np.ndarray | None = None
    probabilities: Membership | None = None
    parameters: np.ndarray | None = None
    coordinate: np.ndarray | None = None
    log_posterior: np.ndarray | None = None
    data: np.ndarray | None = None
    references: tuple | None = None

    @cached_property
    def groups(self):
        """The allocations as a `Membership`."""
        return one_hot(self.allocations, self.K)

    @property
    def pivot(self):
        """The draw of highest log posterior; the first where none is known."""
        return 0 if self.log_posterior is None else int(np.nanargmax(self.log_posterior))

    def thinned(self, count):
        """The same with at most `count` evenly spaced draws of allocations and probabilities."""
        if count >= self.T:
            return self
        draws = np.linspace(0, self.T - 1, count).astype(int)
        few = {} if self.allocations is None else {"allocations": self.allocations[draws]}
        few |= {} if self.probabilities is None else {"probabilities": self.probabilities.take(draws)}
        return Material(self.K, count, self.blocks, **few)

    def near(self, membership, target):
        """The permutations (T, K) that agree best with target (n, K), cost C[k, l] = -sum_i target_ik m_il."""
        return assign(-membership.against(target), self.blocks)


@dataclass(frozen=True, eq=False)
class Solution:
    """The answer of a method: new component k of draw t is the old component permutation[t, k].

    cost: (T, K, K), C[k, l] of calling the old component l by the new name k; permutation is its cheapest
    assignment. trace: the total cost after each round.
    """

    permutation: np.ndarray
    cost: np.ndarray
    trace: tuple

    @property
    def objective(self):
        """The total cost of all draws, which the method makes small."""
        return self.trace[-1]


def assigned(material, cost):
    """The Solution of one round of assignment."""
    permutation = assign(cost, material.blocks)
    return Solution(permutation, cost, (float(cost_of(cost, permutation).sum()),))


@dataclass(frozen=True)
class Method:
    """A registered method: what it needs of the `Material` (names of its fields), and the function itself."""

    name: str
    needs: tuple
    run: Callable


def method(*names, needs):
    """Register a function of the `Material` that returns a `Solution`, under one or more names."""

    def register(function):
        for name in names:
            METHODS[name] = Method(name, needs, function)
        return function

    return register
