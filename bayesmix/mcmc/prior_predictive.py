"""Prior and prior predictive draws that obey the constraints, which PyMC's forward sampling does not."""

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.mcmc.allocations import draw_allocations
from bayesmix.seed import generator
from bayesmix.tree import dataset


def sample_prior_predictive(model, data, draws=500, seed=None):
    """A DataTree with the groups `prior`, `prior_predictive` and `observed_data`, as ArviZ plots read them.

    theta ~ prior given the constraints, by sorting where components are exchangeable and by rejection
    elsewhere (a soft constraint accepts with its probability); then z_i ~ p(z_i | weight, label_i) and
    x_i ~ f(x | theta_{z_i}). Fields with a Flat prior are drawn from its data-scaled stand-in.

    Args:
        model: a `Mixture`. data: a `Data`; its number of rows, names and labels are used, its x for
            priors that were left out and as `observed_data`.
        draws: number of draws; the groups have one chain.
        seed: any whole number.

    Raises:
        InputError: an argument is wrong, or prior and constraints contradict each other.
    """
    import xarray as xr

    data = data if isinstance(data, Data) else Data(data)
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise InputError(f"sample_prior_predictive(draws=...): expected a whole number of at least 1, got {draws!r}.")
    model = model.resolve(data)
    rng, labels = generator("sample_prior_predictive", seed), model.log_label(data)
    thetas, x = [], np.empty((1, draws, data.n, data.d))
    for s in range(draws):
        theta = model.draw_prior(rng, data.d)
        with np.errstate(divide="ignore"):
            log_p = np.broadcast_to(np.log(theta["weight"]), (data.n, model.components))
        z = draw_allocations(log_p if labels is None else log_p + labels, rng)
        x[0, s] = model.family.draw(z, rng, **model.own(theta))
        thetas.append(theta)

    coords, rows, lead = model.coords(data), ("obs", "feature"), ("chain", "draw")
    of_rows = {dim: coords[dim] for dim in rows}
    counted = of_rows | {"chain": [0], "draw": np.arange(draws)}
    groups = {
        "prior": dataset(model, data, {n: np.stack([t[n] for t in thetas])[None] for n in model.parameters}, lead),
        "prior_predictive": xr.Dataset({"x": ((*lead, *rows), x)}, coords=counted),
        "observed_data": xr.Dataset({"x": (rows, data.x)}, coords=of_rows),
    }
    return xr.DataTree.from_dict(groups)
