"""Rows with missing cells: what a family says of some of its columns."""

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.missing import patterns


class Incomplete:
    """The part of `Family` that speaks of missing cells. One with `independent = True` need not write any of it."""

    independent = False  # whether the features are independent given the component
    expectation = None  # the field that is E[x] in each component, if there is one

    @property
    def marginalises(self):
        """Whether the density of some of the columns is known, so that cells may be missing."""
        return self.independent

    def marginal(self, columns):
        """The family of x[:, columns] alone (its densities; the priors stay those of all columns)."""
        return self

    def restrict(self, theta, columns):
        """theta of x[:, columns] alone: every feature axis indexed; NumPy and PyTensor alike."""
        out = {}
        for name, p in self.parameters.items():
            out[name] = theta[name]
            for axis, dim in enumerate(p.dims, start=1):
                if dim == "feature" and not p.isotropic:
                    out[name] = out[name][(slice(None),) * axis + (columns,)]
        return out

    def log_density(self, x, theta):
        """log f_k of the observed cells of each row, missing ones integrated out: (n, K); `logpdf` if none is NaN."""
        if not np.isnan(x).any():
            return self.logpdf(x, **theta)
        d, out = x.shape[1], 0.0
        if self.independent:
            groups = [(np.flatnonzero(~np.isnan(x[:, j])), np.array([j])) for j in range(d)]
        else:
            groups = patterns(x)
        for rows, columns in groups:
            if len(columns) and len(rows):
                part = self.marginal(columns).logpdf(x[np.ix_(rows, columns)], **self.restrict(theta, columns))
                out = out if np.ndim(out) else np.zeros((len(x), part.shape[1]))
                out[rows] += part
        return out if np.ndim(out) else np.zeros((len(x), 1))

    def expected_row(self, theta):
        """E[x] under each component: (K, d)."""
        if self.expectation is None:
            raise InputError(
                f"{type(self).__name__}(): the mean of a row is not known for this family, so a missing cell cannot be "
                'filled with it; leave out impute="mean" and do not call impute().'
            )
        return theta[self.expectation]

    def fill(self, x, theta):
        """x with E[missing cells | observed cells, component] in its gaps: (n, d) -> (K, n, d)."""
        return np.where(np.isnan(x), self.expected_row(theta)[:, None, :], x)

    def draw_missing(self, x, z, rng, theta):
        """x with a draw from p(missing cells | observed cells, z) in its gaps: (n, d)."""
        return np.where(np.isnan(x), self.draw(z, rng, **theta), x)
