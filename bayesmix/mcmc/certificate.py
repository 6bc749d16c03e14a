"""`certificate`: every reading of the log posterior on prior draws, term by term."""

import numpy as np

from bayesmix.agreement import compare
from bayesmix.data.data import Data
from bayesmix.em.fit_em import oracle
from bayesmix.em.kernel import Problem
from bayesmix.seed import seed_of
from bayesmix.spec.missing import filled


def certificate(model, data, draws=200, seed=0, mode=None):
    """The largest disagreement, per named term, between all readings of the log posterior.

    Readings: NumPy `logp` and `logpdf` (the reference); the EM kernel; the PyMC model that NUTS
    climbs, through its transforms but without their Jacobians; PyMC's own distributions for x.

    Args:
        model: a `Mixture`. data: a `Data`, or anything that `Data(x)` takes.
        draws: number of prior draws that obey the constraints (Flat fields: a data-scaled prior).
        seed: of the prior draws.
        mode: PyTensor mode that evaluates the PyMC readings; left out, the graphs are evaluated as they are written,
            since what runs once is worth neither rewriting nor a C compiler.

    Returns:
        Certificate, with `.max_error`, `.terms`, `.ok`.
    """
    data = data if isinstance(data, Data) else Data(data)
    model = model.resolve(data)
    seed = seed_of("certificate", seed)
    rng = np.random.default_rng(seed)
    thetas = [model.draw_prior(rng, data.d) for _ in range(draws)]
    return compare(readings(model, data, thetas, mode), seed)


def readings(model, data, thetas, mode=None):
    """{reading: [named terms of each theta]} for a resolved model."""
    problem = Problem.of(model, data)
    own, fast = [], []
    for theta in thetas:
        inner = problem.inward(theta)
        with np.errstate(all="ignore"):
            own.append({**model.log_prior(theta), "x": oracle(problem, inner)})
            fast.append({"x": problem.e_step(inner).log_likelihood})
    import pytensor

    with pytensor.config.change_flags(cxx="", traceback__limit=0):  # no trace either of the lines that wrote it
        terms, by_dist = pymc_terms(model, data, thetas, mode)
    return {
        "NumPy logpdf": own,
        "EM kernel": fast,
        "PyMC model": [{n: float(v[i]) for n, v in terms.items()} for i in range(len(thetas))],
        "PyMC dist": [{"x": float(v)} for v in by_dist],
    }


def pymc_terms(model, data, thetas, mode=None):
    """The named terms of the PyMC model, and the x term by `Family.dist`, at each theta: (draws,) arrays.

    Natural values go through the transforms and back, without Jacobians; one vectorised graph
    evaluates all draws at once.
    """
    import pytensor
    import pytensor.tensor as pt
    from pytensor.compile.mode import Mode
    from pytensor.graph.replace import graph_replace, vectorize_graph

    from bayesmix.mcmc import missing
    from bayesmix.mcmc.pymc_model import dist_logp, to_pymc

    pymc_model = to_pymc(model, data)
    variables = [*pymc_model.free_RVs, *pymc_model.observed_RVs, *pymc_model.potentials]
    terms = pymc_model.logp(vars=variables, jacobian=False, sum=False)
    inputs, swap = {}, {}
    for rv in pymc_model.free_RVs:
        inputs[rv.name] = value = rv.type(name=rv.name)
        transform = pymc_model.rvs_to_transforms[rv]
        swap[pymc_model.rvs_to_values[rv]] = value if transform is None else transform.forward(value, *rv.owner.inputs)
    swapped = graph_replace([t.sum() for t in terms], swap, strict=False)

    theta = {n: pt.as_tensor(v) for n, v in thetas[0].items()} | inputs
    own = {n: pt.specify_shape(theta[n], model.field_shape(n, data.d)) for n in model.family.parameters}
    log_label = model.log_label(data)
    x, seen = pt.as_tensor(filled(data.x)), ~np.isnan(data.x)
    joint = missing.dist_logp(model.family, x, seen, own, model.components, dist_logp) + pt.log(theta["weight"])
    if log_label is not None:
        joint = joint + np.maximum(log_label, -1e30)
    by_dist = pt.dot(pt.as_tensor(data.row_weight), pt.logsumexp(joint, axis=1))

    batch = {n: pt.tensor(n, dtype=v.dtype, shape=(None, *v.type.shape)) for n, v in inputs.items()}
    vectorised = vectorize_graph([*swapped, by_dist], {v: batch[n] for n, v in inputs.items()})
    mode = mode or Mode("py", optimizer=None)
    evaluate = pytensor.function(list(batch.values()), vectorised, mode=mode, on_unused_input="ignore")
    found = [np.broadcast_to(v, len(thetas)) for v in evaluate(*[np.array([t[n] for t in thetas]) for n in batch])]
    return dict(zip([v.name for v in variables], found, strict=False)), found[-1]
