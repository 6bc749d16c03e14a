"""NumPyro's NUTS on the PyMC model, all chains in one vectorised run (`pip install 'bayesmix[jax]'`)."""

from importlib.util import find_spec

import numpy as np

from bayesmix.errors import InputError

STATISTICS = {  # NumPyro's name of each statistic -> nutpie's
    "diverging": "diverging",
    "num_steps": "n_steps",
    "accept_prob": "mean_tree_accept",
    "energy": "energy",
    "adapt_state.step_size": "step_size",
}


def numpyro_chains(job, progress):
    """Posterior draws and statistics of each chain; started exactly where asked, as every sampler here."""
    if find_spec("numpyro") is None or find_spec("jax") is None:
        raise InputError(
            'fit_mcmc(sampler="numpyro"): NumPyro is not installed; run pip install "bayesmix[jax]", or choose '
            'sampler="nutpie".'
        )
    import jax
    from numpyro.infer import MCMC, NUTS

    from bayesmix.mcmc.samplers import natural, unconstrained_start

    potential = potential_of(job.model)
    start = np.stack([unconstrained_start(job.model, theta) for theta in job.starts])
    kernel = NUTS(potential_fn=potential, target_accept_prob=job.target_accept)
    sampler = MCMC(
        kernel, num_warmup=job.tune, num_samples=job.draws, num_chains=len(start), chain_method="vectorized",
        progress_bar=False,
    )  # fmt: skip
    keys = jax.numpy.stack([jax.random.PRNGKey(int(seed)) for seed in job.seeds])
    sampler.run(keys if len(start) > 1 else keys[0], init_params=start if len(start) > 1 else start[0],
                extra_fields=tuple(STATISTICS))  # fmt: skip
    progress(len(start), len(start))
    u = np.asarray(sampler.get_samples(group_by_chain=True))
    found = sampler.get_extra_fields(group_by_chain=True)
    together = natural(job.model, u.reshape(-1, u.shape[-1]))
    posterior = [{n: v.reshape(*u.shape[:2], *v.shape[1:])[c] for n, v in together.items()} for c in range(len(start))]
    stats = [{ours: np.asarray(found[name])[c] for name, ours in STATISTICS.items()} for c in range(len(start))]
    return posterior, stats, "numpyro", False


def potential_of(pymc_model):
    """-log posterior of the flat unconstrained coordinates, (p,) -> a number, as a JAX function."""
    from pymc.sampling.jax import get_jaxified_logp

    from bayesmix.mcmc import jax_forms  # noqa: F401, registers the Ops

    shapes, pieces, at = pymc_model.eval_rv_shapes(), [], 0
    for v in pymc_model.value_vars:
        size = int(np.prod(shapes[v.name]))
        pieces.append((slice(at, at + size), shapes[v.name]))
        at += size
    logp = get_jaxified_logp(pymc_model, negative_logp=True)
    return lambda u: -logp([u[where].reshape(shape) for where, shape in pieces])
