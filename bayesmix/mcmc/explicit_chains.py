"""Chains of the model with explicit allocations, and what they cost."""

from time import perf_counter

import numpy as np

from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Chain, Sampler
from bayesmix.mcmc.samplers import pymc_sampler


def refuse_weights(data):
    """Raise InputError where rows are weighted: a row has one z, whatever its weight."""
    if data.weight is not None and (data.weight != 1).any():
        raise InputError(
            "Data(weight=...): with explicit allocations a row of weight m would be m rows that share one z, which is "
            'another model; repeat the rows instead, or sum z out (latent="marginal", any other sampler).'
        )


def explicit_sampler(job):
    """PyMC's NUTS for theta beside its Gibbs-Metropolis steps for z, on the explicit model; z is not kept.

    The statistic `seconds` is the time of the chain, warm-up included, in equal parts for its draws.
    """
    plain = pymc_sampler(job)

    def one(number, stop, tick):
        began = perf_counter()
        chain = plain.one(number, stop, tick)
        each = np.full(len(chain), (perf_counter() - began) / max(len(chain), 1))
        return Chain({n: v for n, v in chain.draws.items() if n != "z"}, chain.stats | {"seconds": each})

    return Sampler(one, plain.how | {"latent": "explicit"})


def cost(fit):
    """One sentence on what explicit allocations cost: effective draws of the log posterior for the time spent."""
    import arviz as az

    seconds = float(fit.groups["sample_stats"]["seconds"].sum())
    effective = float(az.ess(fit.log_posteriors))
    return (
        f"The allocations were explicit: {seconds:.0f} s of sampling, warm-up included, gave {effective:.0f} effective "
        f"draws of the log posterior, {effective / seconds:.2g} a second. The other samplers draw from the same "
        "posterior of the parameters with the allocations summed out."
    )
