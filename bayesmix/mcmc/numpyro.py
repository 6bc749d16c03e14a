"""NumPyro's NUTS on the PyMC model (`pip install 'bayesmix[jax]'`)."""

from importlib.util import find_spec

import numpy as np

from bayesmix.errors import InputError
from bayesmix.mcmc.chains import Chain, Sampler

STATISTICS = {  # NumPyro's name of each statistic -> nutpie's
    "diverging": "diverging",
    "num_steps": "n_steps",
    "accept_prob": "mean_tree_accept",
    "energy": "energy",
    "adapt_state.step_size": "step_size",
}


def require_numpyro(data=None):
    """Raise InputError where NumPyro is not installed."""
    if find_spec("numpyro") is None or find_spec("jax") is None:
        raise InputError(
            'fit_mcmc(sampler="numpyro"): NumPyro is not installed; run pip install "bayesmix[jax]", or choose '
            'sampler="nutpie".'
        )


def numpyro_sampler(job):
    """NumPyro's NUTS, started exactly where asked; one compilation serves all chains."""
    import jax
    from numpyro.infer import MCMC, NUTS

    from bayesmix.mcmc.samplers import CAREFUL, inside, natural_function, unconstrained_start

    accept = job.target_accept or CAREFUL
    kernel = NUTS(potential_fn=potential_of(job.model), target_accept_prob=accept)
    run = MCMC(kernel, num_warmup=job.tune, num_samples=job.draws, num_chains=1, progress_bar=False)
    natural = natural_function(job.model)

    def one(number, stop, tick):
        point = unconstrained_start(job.model, job.starts[number])
        inside(job.model, point)
        key = jax.random.PRNGKey(int(job.seeds[number]))
        run.run(key, init_params=jax.numpy.asarray(point), extra_fields=tuple(STATISTICS))
        found = run.get_extra_fields()
        stats = {ours: np.asarray(found[name]) for name, ours in STATISTICS.items()}
        return Chain(natural(np.asarray(run.get_samples())), stats)

    return Sampler(one, {"adaptation": "diagonal", "target_accept": accept})


def potential_of(pymc_model):
    """-log posterior of the flat unconstrained coordinates, (p,) -> a number, as a JAX function."""
    from pymc.sampling.jax import get_jaxified_logp

    from bayesmix.mcmc.jax_forms import register

    register()
    shapes, pieces, at = pymc_model.eval_rv_shapes(), [], 0
    for v in pymc_model.value_vars:
        size = int(np.prod(shapes[v.name]))
        pieces.append((slice(at, at + size), shapes[v.name]))
        at += size
    logp = get_jaxified_logp(pymc_model, negative_logp=True)
    return lambda u: -logp([u[where].reshape(shape) for where, shape in pieces])
