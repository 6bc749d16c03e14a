"""NUTS compiled once, on one data set after another of the same form."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Job
from bayesmix.mcmc.samplers import Compiled, nutpie_sampler

MODEL = bm.Mixture(
    bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2, constraints=(bm.Order("mean"), bm.MinWeight(0.1))
).resolve(bm.Data([0.0, 1.0]))


def data(seed, n=30):
    """Some rows with a label, one with a weight, and no two data sets with the same."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) + 3.0 * seed + 2.0 * (np.arange(n) % 2)
    label = np.where(np.arange(n) % 7 == seed, np.arange(n) % 2, -1)
    return bm.Data(x, label=label, weight=np.where(np.arange(n) == seed, 2.0, 1.0))


def chain(compiled, x, start):
    job = Job(MODEL.to_pymc(x), x, [start], np.array([5]), 40, 60, None, 1, 60)
    if compiled is not None:
        compiled.read(job.model)
    return nutpie_sampler(job, compiled).one(0, None, None)


@pytest.mark.certify
def test_the_draws_are_those_of_a_model_compiled_for_its_data():
    start = MODEL.draw_prior(np.random.default_rng(0), 1)
    compiled = Compiled.of(MODEL.to_pymc(data(1)), start)
    first = chain(compiled, data(1), start)
    for one in (data(2), data(1)):
        again, fresh = chain(compiled, one, start), chain(None, one, start)
        for name, value in fresh.draws.items():
            np.testing.assert_array_equal(again.draws[name], value)
        for name, value in fresh.stats.items():
            np.testing.assert_array_equal(again.stats[name], value)
    np.testing.assert_array_equal(first.draws["mean"], again.draws["mean"])
    assert not np.array_equal(chain(compiled, data(2), start).draws["mean"], first.draws["mean"])
    with pytest.raises(InputError, match=r"of the shape \(3, 30\), not \(3, 31\)"):
        compiled.read(MODEL.to_pymc(data(1, n=31)))
