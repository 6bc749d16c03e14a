"""`relabel`: one name for one component in all draws of a posterior. xarray at the door, plain arrays inside."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayesmix.diagnostics.posterior import Draws
from bayesmix.diagnostics.relabelling import METHODS
from bayesmix.diagnostics.relabelling.agreement import agreement
from bayesmix.diagnostics.relabelling.assignment import gaps
from bayesmix.diagnostics.relabelling.certainty import SURE, certainty
from bayesmix.diagnostics.spec_draws import SpecDraws
from bayesmix.errors import InputError
from bayesmix.fit import Fit

WHERE = {
    "allocations": "allocations=..., the component of each row, dims (chain, draw, obs), or probabilities=...",
    "probabilities": "probabilities=..., P(z_i = k | theta, x_i), dims (chain, draw, obs, component)",
    "log_posterior": "log_posterior=..., dims (chain, draw)",
    "parameters": "a posterior with at least one parameter per component",
    "coordinate": "by=..., the variable to order by, such as by='mu' or by=('mu', 0)",
    "data": "data=..., the rows (n, d)",
    "references": "a bayesmix MCMC fit with an EM census (bm.fit_mcmc(model, data, start=em))",
}


@dataclass(frozen=True, eq=False, repr=False)
class Relabelled:
    """A posterior in which each component keeps one name.

    posterior: as it came (Dataset or DataTree; a Dataset for a Fit), every variable with the component dimension
    relabelled. permutation: DataArray (chain, draw, component), new component k is the old permutation[k].
    gap: DataArray (chain, draw), how much dearer the second-best permutation of a draw is, in the units of the
    method's cost; infinite where nothing may be exchanged. objective: the total cost. allocations: DataArray of
    the relabelled allocations that were given, or None. agreement: DataFrame, the share of draws that two methods
    relabel alike, up to one renaming. fit: for a Fit, the same fit with this permutation, else None.
    """

    method: str
    posterior: object
    permutation: object
    gap: object
    objective: float
    agreement: object
    allocations: object = None
    fit: Fit | None = None
    parameters: np.ndarray | None = None  # (T, K, p) as drawn
    blocks: tuple = ()

    @cached_property
    def certainty(self):
        """The probability (chain, draw) of each draw's permutation under Gaussians fitted to the relabelled draws.

        See `bayesmix.diagnostics.relabelling.certainty`; None where the posterior has no parameter per component.
        """
        if self.parameters is None:
            return None
        flat = self.permutation.values.reshape(-1, self.permutation.shape[-1])
        return self.gap.copy(data=certainty(self.parameters, flat, self.blocks).reshape(self.gap.shape))

    @property
    def ambiguous(self):
        """The share of draws whose permutation has a probability below 0.9; NaN without parameters to judge by."""
        return float("nan") if self.certainty is None else float((self.certainty < SURE).mean())

    @property
    def moved(self):
        """The share of draws that got other names than they were drawn with."""
        own = np.arange(self.permutation.shape[-1])
        return float((self.permutation.values != own).any(axis=-1).mean())

    def __repr__(self):
        chains, draws, K = self.permutation.shape
        return f"Relabelled({self.method!r}, K = {K}, {chains} chains x {draws} draws, {self.moved:.1%} moved)"

    def summary(self):
        """One or two sentences."""
        text = f"Relabelled by {self.method!r}: {self.moved:.1%} of the draws changed names"
        if np.isfinite(self.ambiguous):
            text += f", {self.ambiguous:.1%} are ambiguous (probability below {SURE})"
        others = [
            f"{name} {self.agreement.loc[self.method, name]:.1%}" for name in self.agreement if name != self.method
        ]
        return text + "." + (f" Agreement with {', '.join(others)}." if others else "")


def relabel(
    posterior,
    dim="component",
    method=None,
    allocations=None,
    probabilities=None,
    data=None,
    log_posterior=None,
    *,
    by=None,
    blocks=None,
):
    """The posterior with one name for each component in all draws, as a `Relabelled`.

    Every draw gets the permutation of its components that costs least, sum_k C[k, pi(k)], by linear assignment;
    the methods differ in C (`bayesmix/diagnostics/relabelling/`, one file each):

    * "map": agree with the responsibilities at the nearest EM optimum, all named after the best (a Fit only);
    * "ecr": agree with the allocations of the draw of highest log posterior;
    * "ecr-iterative" (or "ecr-iterative-1"), "ecr-iterative-2": agree with a pivot made of all relabelled
      allocations, or of all relabelled probabilities;
    * "stephens": least Kullback-Leibler divergence of the probabilities from their mean;
    * "pivot": nearest in parameters to the draw of highest log posterior (PRA);
    * "data": rows near the average centre of their component;
    * "order": sorted by the coordinate `by`.

    Every variable with the component dimension moves with its draw, along each such dimension that it has;
    nothing is dropped, and what does not depend on the names stays as it was.

    Args:
        posterior: a bayesmix MCMC `Fit`, an ArviZ DataTree (its group `posterior` is relabelled, the others
            stay as they are), or an xarray Dataset, from whatever program; variables have dims `chain` and `draw`.
        dim: the dimension that numbers the components. Several where variables name it differently
            (`dim=("mu_dim_0", "sigma_dim_0")`) or a matrix has it twice (`dim=("component", "component_to")`); a
            further dimension of that length with a name like `component_to` or `component2` must be listed.
        method: one of the above, or several: the first one relabels, and `agreement` compares them all. By
            default "map" for a Fit with an EM census, else "ecr".
        allocations: (chain, draw, obs) component of each row, as an array, a DataArray or the name of a variable
            of the posterior, whose values are then renamed too; 0, ..., K-1, or Stan's 1, ..., K. Left out, each
            row's most probable component, if probabilities are given.
        probabilities: (chain, draw, obs, component) P(z_i = k | theta, x_i); likewise.
        data: (n, d) or (n,) rows, for "data", or the name of a variable of the group `observed_data`; by default
            the only one there.
        log_posterior: (chain, draw); by default `log_posterior`, `lp` or `logp` of the group `sample_stats`.
        by: what "order" sorts by: a variable with one number per component, or a tuple of the variable and the
            positions (or labels) on its further axes, as ("mu", "eruptions"). For a Fit, by default the first
            feature of the field that is the component's expectation.
        blocks: the components that may exchange names, as [(0, 1), (2, 3)]; by default all. A Fit knows its
            own: components tied to labels, or ordered by a constraint, do not move.

    Raises:
        InputError: something does not fit, or the method needs what was not given.

    References: Papastamoulis (2016), label.switching: an R package for dealing with the label switching problem,
    Journal of Statistical Software 69(1); each method's own in its file.

    >>> import bayesmix as bm, xarray as xr
    >>> mu = xr.DataArray([[[0.1, 5.0], [5.1, 0.0], [0.2, 4.9]]], dims=("chain", "draw", "component"))
    >>> out = bm.relabel(xr.Dataset({"mu": mu}), method="order", by="mu")
    >>> out.posterior["mu"].values.tolist()
    [[[0.1, 5.0], [0.0, 5.1], [0.2, 4.9]]]
    >>> out.permutation.values.tolist()
    [[[0, 1], [1, 0], [0, 1]]]
    """
    given = {"allocations": allocations, "probabilities": probabilities, "log_posterior": log_posterior}
    names = () if method is None else tuple(method) if isinstance(method, tuple | list) else (method,)
    for name in names:
        if not isinstance(name, str) or name not in METHODS:
            raise InputError(f"relabel(method={name!r}): expected one or several of {tuple(METHODS)}.")
    if method is not None and not names:
        raise InputError(f"relabel(method={method!r}): expected at least one method.")
    if isinstance(posterior, Fit):
        census = posterior.optima and posterior.optima[0].kind != "collapsed"
        names = names or ("map" if census else "ecr",)
        needs = {need for name in names for need in METHODS[name].needs}
        source = SpecDraws.of(posterior, given, data, by, blocks, needs)
    else:
        names = names or ("ecr",)
        source = Draws.of(posterior, dim, given, data, by, blocks)
    for name in names:
        missing = [need for need in METHODS[name].needs if getattr(source.material, need) is None]
        if missing:
            wanted = "; and ".join(WHERE[need] for need in missing)
            raise InputError(f"relabel(method={name!r}): this method needs {wanted}.")
    solutions = {name: METHODS[name].run(source.material) for name in dict.fromkeys(names)}
    return result(source, names[0], solutions)


def result(source, name, solutions):
    """The Relabelled of the solution of one method, beside the others."""
    import pandas as pd
    import xarray as xr

    material, own = source.material, solutions[name]
    table = [[agreement(a.permutation, b.permutation) for b in solutions.values()] for a in solutions.values()]
    coords = {"chain": source.coords["chain"], "draw": source.coords["draw"]}
    permutation = own.permutation.reshape(*source.shape, material.K)
    gap = gaps(own.cost, own.permutation, material.blocks).reshape(source.shape)
    out = Relabelled(
        method=name,
        posterior=None,
        permutation=xr.DataArray(
            permutation, dims=("chain", "draw", source.dim), coords=coords | {source.dim: source.coords[source.dim]}
        ),
        gap=xr.DataArray(gap, dims=("chain", "draw"), coords=coords),
        objective=own.objective,
        agreement=pd.DataFrame(table, index=list(solutions), columns=list(solutions)),
        parameters=material.parameters,
        blocks=material.blocks,
    )
    return replace(out, **source.relabelled(permutation))
