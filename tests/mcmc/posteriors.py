"""Posteriors that are known, from enumeration or from long independent runs, and how draws are held against them."""

import numpy as np

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.chains import Job
from bayesmix.mcmc.gibbs import chain, refuse


def gibbs_draws(model, data, draws, chains=4, tune=500, seed=5):
    """field -> (chain, draw, ...) by Gibbs from prior draws, without what `fit_mcmc` adds."""
    model, rng = model.resolve(data), np.random.default_rng(seed)
    problem, parts = Problem.of(model, data), []
    refuse(problem)
    for one in range(chains):
        start = model.draw_prior(rng, data.d)
        job = Job(model, data, [start], np.array([one]), draws, tune, 0.9, 1, model.components * data.n)
        drawn = chain(problem, start, 1000 * seed + one, job).draws
        known = {n: np.broadcast_to(v, (draws, *v.shape)) for n, v in start.items() if n not in drawn}
        parts.append(drawn | known)
    return {name: np.stack([p[name] for p in parts]) for name in parts[0]}


def mcse(value, batches=25):
    """Monte Carlo standard error of the mean of (chain, draw, ...), by batch means."""
    chains, draws = value.shape[:2]
    size = draws // batches
    means = value[:, : size * batches].reshape(chains * batches, size, *value.shape[2:]).mean(axis=1)
    return means.std(axis=0, ddof=1) / np.sqrt(chains * batches)


def near(value, truth, what, error=0.0, limit=None):
    """|mean - truth| <= 5 combined standard errors, of all entries; with `limit`, the MCSE is at most that."""
    value, truth = np.asarray(value), np.asarray(truth)
    own = mcse(value)
    if limit is not None:
        assert (own <= limit).all(), f"{what}: MCSE {own} is more than {limit}"
    away = abs(value.mean(axis=(0, 1)) - truth)
    bad = ~(away <= 5 * np.hypot(own, error) + 1e-9 * (1 + abs(truth)))
    assert not bad.any(), f"{what}: {value.mean(axis=(0, 1))} against {truth}, MCSE {own}, {error}"


def rare(value, truth, least=100):
    """A standard error where batch means give none: of values in [0, 1] whose mean rests on few of the draws.

    How many of them it rests on is counted as for importance weights, (sum v)^2 / sum v^2; from `least` on the MCSE
    is trusted and this is 0. Values in [0, 1] with the mean p have a variance of at most p (1 - p), which
    bounds the error of about independent draws.
    """
    if value.sum() ** 2 >= least * (value**2).sum():
        return 0.0
    return np.sqrt(truth * (1 - truth) / value.size)


def thinned(fields, step):
    """Every `step`-th draw."""
    return {name: value[:, ::step] for name, value in fields.items()}


def responsibilities(model, data, fields):
    """r (chain, draw, n, K) and the row terms (chain, draw, n), labels included."""
    model = model.resolve(data)
    label, (chains, draws) = model.log_label(data), fields["weight"].shape[:2]
    joint = np.empty((chains, draws, data.n, model.components))
    for c, s in np.ndindex(chains, draws):
        joint[c, s] = model.log_joint(data.x, {name: value[c, s] for name, value in fields.items()}, label)
    top = joint.max(axis=-1, keepdims=True)
    total = np.exp(joint - top).sum(axis=-1, keepdims=True)
    return np.exp(joint - top) / total, (top + np.log(total))[..., 0]


def case(golden, letter):
    """The case of exact_tiny.json with this letter, its model and its data."""
    c = next(c for c in golden("exact_tiny") if c["name"].startswith(letter))
    y, weight = np.array(c.get("y", c.get("X", [])), dtype=float), bm.Dirichlet(c.get("dirichlet_alpha", 1.0))
    label = c.get("labels")
    if letter in "AS":
        mean = bm.Normal(np.reshape(c["m0"], (-1, 1)), c["s0"])
        family = bm.Gaussian(mean=mean, sd=bm.Fixed(c["sigma_known"]))
    elif letter == "B":
        mean = bm.ConjugateNormal(c["m0"], c["kappa0"])
        family = bm.Gaussian(mean=mean, var=bm.InverseGamma(c["a0"], c["b0"]))
    elif letter == "C":
        family = bm.Bernoulli(prob=bm.Beta(c["beta_a"], c["beta_b"]))
    elif letter == "D":
        family = bm.Poisson(rate=bm.Gamma(c["gamma_shape"], c["gamma_rate"]))
    else:  # any positive counts with this sum have the same posterior
        rest = c["n"] - c["n_zero"]
        y = np.append(np.zeros(c["n_zero"]), np.bincount(np.arange(c["sum"]) % rest, minlength=rest))
        family = bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(c["gamma_shape"], c["gamma_rate"])))
        return c, bm.Mixture(family, weight=bm.Dirichlet([c["beta_a"], c["beta_b"]])), bm.Data(y)
    return c, bm.Mixture(family, c["K"], weight=weight), bm.Data(y, label=label)


def exact(model, data, fields, c, step):
    """Draws (chain, draw, ...) against everything that a case of exact_tiny.json says of its posterior.

    What needs the rows is read from every `step`-th draw. p(number of occupied components) and the co-clustering
    matrix are averaged over z given theta, which is exact.
    """
    w = fields["weight"]
    if "ordered_mean_posterior_mean" in c:
        sd = np.array(c["ordered_mean_posterior_sd"])
        near(np.sort(fields["mean"][..., 0]), c["ordered_mean_posterior_mean"], "ordered means", limit=0.02 * sd)
    scalars = {
        "E_sum_w2": lambda: w**2,
        "E_sum_w_mu": lambda: w * fields["mean"][..., 0],
        "E_sum_w_sigma2": lambda: w * fields["var"][..., 0],
        "E_sum_w_lambda": lambda: w * fields["rate"][..., 0],
    }
    for name, value in scalars.items():
        if name in c:
            near(value().sum(axis=-1), c[name], name, limit=0.02 * value().sum(axis=-1).std())
    if "mu_mean" in c:
        near(fields["mean"][..., 0], c["mu_mean"], "means", limit=0.02 * np.array(c["mu_sd"]))
        near(w, c["w_mean"], "weights", limit=0.02 * np.array(c["w_sd"]))
    if "E_psi" in c:
        near(w[..., 0], c["E_psi"], "psi", limit=0.02 * c["sd_psi"])
        near(fields["rate"][..., 0, 0], c["E_lambda"], "lambda", limit=0.02 * c["sd_lambda"])

    some = thinned(fields, step)
    r, _ = responsibilities(model, data, some)
    if "P_structural_given_zero" in c:
        near(r[:, :, 0, 0], c["P_structural_given_zero"], "a zero's own component")
    if "p_z" in c:
        near(r, c["p_z"], "allocations")
    if "coclustering" in c:
        i, j = np.triu_indices(data.n, 1)
        near((r[:, :, i] * r[:, :, j]).sum(axis=-1), np.array(c["coclustering"])[i, j], "co-clustering")
    if "p_occupied" in c:
        alone = r.prod(axis=2).sum(axis=-1)  # K = 2: all rows in one component
        near(alone, c["p_occupied"][0], "one component occupied", error=rare(alone, c["p_occupied"][0]))
    for points, density in (
        ("grid", "posterior_predictive_density"), ("patterns", "posterior_predictive_pmf"),
        (None, "posterior_predictive_pmf_0_20"),
    ):  # fmt: skip
        if density in c:
            at = np.arange(21.0) if points is None else np.array(c[points], dtype=float)
            _, rows = responsibilities(bm.Mixture(model.family, 2), bm.Data(at), some)
            near(np.exp(rows), c[density], "predictive density")
