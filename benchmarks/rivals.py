"""Hand-written PyMC models of the problems of `bench_mcmc.py`: what a user writes without bayesmix.

The priors are the very random variables of our own model, so that both sides have the same posterior; the tests
compare the log densities.
"""

import numpy as np


def priors(task):
    """The free random variables of our own model: inside a `with pm.Model(coords=...)`."""
    mixture, theta = task.model.resolve(task.data), {}
    theta["weight"] = mixture.weight.rv("weight", theta, mixture.dims("weight"))
    for name in mixture.family.order:
        prior = mixture.family.parameters[name].prior
        theta[name] = prior.rv(name, mixture.family.scope(name, theta), mixture.dims(name))
    return theta


def hand_written(task, form):
    """A `pm.Model` as a user would write it: form "mixture" (or the 1-D NormalMixture), "batched" or "explicit"."""
    import pymc as pm
    import pytensor.tensor as pt

    mixture, x = task.model.resolve(task.data), task.data.x
    K, d = mixture.components, task.data.d
    coords = mixture.coords(task.data)
    with pm.Model(coords={dim: coords[dim] for dim in ("component", "feature", "feature2") if dim in coords}) as model:
        theta = priors(task)
        weight = theta["weight"]
        if form == "explicit":
            z = pm.Categorical("z", weight, shape=len(x))
        if d == 1:
            mean, sd = theta["mean"][:, 0], pt.sqrt(theta["var"][:, 0])
            if form == "explicit":
                pm.Normal("x", mean[z], sd[z], observed=x[:, 0])
            else:
                pm.NormalMixture("x", weight, mean, sd, observed=x[:, 0])
        elif form == "batched":
            pm.Mixture("x", weight, pm.MvNormal.dist(theta["mean"], chol=pt.linalg.cholesky(theta["cov"])), observed=x)
        elif form == "mixture":
            parts = [pm.MvNormal.dist(theta["mean"][k], chol=pt.linalg.cholesky(theta["cov"][k])) for k in range(K)]
            pm.Mixture("x", weight, parts, observed=x)
        else:
            pm.MvNormal("x", theta["mean"][z], chol=pt.linalg.cholesky(theta["cov"])[z], observed=x)
    return model


def under_numpyro(model, chains, tune, draws):
    """seed -> (field -> (chain, draw, ...)) by NumPyro's NUTS on a PyMC model, the chains side by side in one loop.

    The first call compiles. The chains start where PyMC starts its own: U(-1, 1) about the initial point.
    """
    import jax
    from numpyro.infer import MCMC, NUTS

    from bayesmix.mcmc.numpyro import potential_of
    from bayesmix.mcmc.samplers import flat, natural_function

    kernel = NUTS(potential_fn=potential_of(model))
    run = MCMC(kernel, num_warmup=tune, num_samples=draws, num_chains=chains, chain_method="vectorized",
               progress_bar=False)  # fmt: skip
    initial, natural = model.initial_point(0), natural_function(model)
    centre = flat({v.name: initial[v.name] for v in model.value_vars})

    def sample(seed):
        jitter = np.random.default_rng(seed).uniform(-1, 1, (chains, len(centre)))
        run.run(jax.random.PRNGKey(seed), init_params=jax.numpy.asarray(centre + jitter))
        found = [natural(u) for u in np.asarray(run.get_samples(group_by_chain=True))]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}

    return sample
