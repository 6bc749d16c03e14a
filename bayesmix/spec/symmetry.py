"""Which components may change places: decided here, once, for sorting, relabelling, the census and the evidence."""

from dataclasses import replace
from functools import cached_property
from math import factorial, prod

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError


class Symmetry:
    """The part of `Mixture` that relabels components."""

    def permute(self, theta, perm):
        """theta with new component k holding old component perm[k]; shared fields stay.

        perm: (K,); or (..., K), one for each theta of arrays that have the same axes in front (chain, draw).
        """
        perm, out = np.asarray(perm), {}
        theta = {name: np.asarray(value) for name, value in theta.items()}
        for name, value in theta.items():
            names, owners = self._pool(name)
            place = np.full(self.components, -1)
            place[owners] = np.arange(len(owners))
            index = place[perm[..., self.parameters[name].covers(self.components)]]
            if (index < 0).any():
                raise InputError(
                    f"permute(perm={perm.tolist()}): components of unlike members cannot change places; permute within "
                    "the members."
                )
            if self.parameters[name].shared:
                out[name] = value
            elif perm.ndim == 1:
                out[name] = np.concatenate([theta[n] for n in names])[index] if len(names) > 1 else value[index]
            else:
                lead = perm.ndim - 1
                pool = np.concatenate([theta[n] for n in names], axis=lead)
                index = index.reshape(index.shape + (1,) * (value.ndim - perm.ndim))
                out[name] = np.take_along_axis(pool, index, axis=lead)
        return out

    def _pool(self, name):
        """The fields that hold one parameter of components that are alike, and the components that they cover."""
        if name == "weight":
            return (name,), np.arange(self.components)
        return self.family.pool(name, self.components)

    def prior_blocks(self, d):
        """Components whose exchange leaves the unconstrained prior unchanged, as tuples of indices."""
        if d not in self._blocks_of:
            self._blocks_of[d] = self.blocks_given(d, None)
        return self._blocks_of[d]

    @cached_property
    def _blocks_of(self):
        """`prior_blocks` by d, kept because every prior draw under an order asks for them."""
        return {}

    def blocks(self, data):
        """Exchangeable blocks: members alike, same priors, same columns of log_label; as tuples of indices."""
        data = data if isinstance(data, Data) else Data(data)
        return self.blocks_given(data.d, self.log_label(data))

    def blocks_given(self, d, log_label):
        """`blocks` for d features and a given log_label."""
        rng = np.random.default_rng(0)
        draws = [self.draw_unconstrained(rng, d) for _ in range(3)]
        blocks = []
        for k in range(self.components):
            for block in blocks:
                if self._exchangeable(block[0], k, draws, log_label):
                    block.append(k)
                    break
            else:
                blocks.append([k])
        return tuple(tuple(b) for b in blocks)

    def _exchangeable(self, j, k, draws, log_label):
        member = self.family.member_of(self.components)
        if member[j] != member[k]:
            return False
        if log_label is not None and not np.array_equal(log_label[:, j], log_label[:, k]):
            return False
        swap = np.arange(self.components)
        swap[[j, k]] = k, j
        free = replace(self, constraints=())
        for theta in draws:
            other = self.permute(theta, swap)
            fixed = [n for n, p in self.parameters.items() if not p.free]
            if not all(np.array_equal(theta[n], other[n]) for n in fixed):
                return False
            a, b = sum(free.log_prior(theta).values()), sum(free.log_prior(other).values())
            if not abs(a - b) <= 1e-10 * max(1.0, abs(a)):
                return False
        return True

    def free_blocks(self, blocks):
        """The blocks with those that an order breaks taken apart: what may be relabelled."""
        ordered = {
            int(k)
            for c in self.constraints
            if not c.symmetric
            for k in self.parameters[c.field].covers(self.components)
        }
        out = []
        for block in blocks:
            out += [(k,) for k in block if k in ordered]
            out += [rest] if (rest := tuple(k for k in block if k not in ordered)) else []
        return tuple(out)

    def relabelings(self, data):
        """Number of relabelings that leave the posterior unchanged: prod |block|!, ordered blocks left out."""
        return self.relabelings_given(self.blocks(data))

    def relabelings_given(self, blocks):
        """`relabelings` for given blocks."""
        return prod(factorial(len(b)) for b in self.free_blocks(blocks))

    def sorting(self, constraint, theta, blocks):
        """The permutation that puts exchangeable components into the order of a constraint.

        The identity if it orders nothing, or components that are not exchangeable (`blocks`).
        """
        perm = np.arange(self.components)
        if not constraint.symmetric:
            at = self.parameters[constraint.field].covers(self.components)
            if any(set(at.tolist()) <= set(block) for block in blocks):
                perm[at] = at[np.argsort(constraint.coordinate(theta), kind="stable")]
        return perm

    def apart(self, theta, j, k):
        """How far the parameters of two components differ, relative to their field's size; weights aside.

        Infinite for components of unlike members, or without parameters of their own.
        """
        gaps = []
        for name, p in self.family.parameters.items():
            names, owners = self._pool(name)
            if not p.shared and j in p.covers(self.components) and k in owners:
                pool = np.concatenate([theta[n] for n in names])
                size = np.abs(pool).max()
                gap = np.abs(pool[owners == j] - pool[owners == k]).max()
                gaps.append(gap / size if size > 0 else 0.0)
        return max(gaps, default=np.inf)
