"""NUTS by nutpie or by PyMC: each chain started exactly where asked, without jitter."""

import warnings
from threading import Lock

import numpy as np

from bayesmix.errors import InputError
from bayesmix.mcmc.callback import density
from bayesmix.mcmc.chains import Chain, Job, Sampler, run_chains  # noqa: F401  (Job, run_chains: part of this door)
from bayesmix.mcmc.whiten import whitening

LARGE = 20  # dimensions above which a diagonal metric is not enough
CAREFUL, ROUND = 0.9, 0.8  # target acceptance rates: in general, and in whitened coordinates
NAP = 0.05  # seconds between two looks at whether a running chain should stop


def unconstrained_start(pymc_model, theta):
    """The start in PyMC's unconstrained coordinates, one flat array; exactly there, without jitter."""
    from pymc.initial_point import make_initial_point_fn

    own = {rv.name: theta[rv.name] for rv in pymc_model.free_RVs if rv.name in theta}
    point = make_initial_point_fn(model=pymc_model, overrides=own, jitter_rvs=set(), return_transformed=True)(0)
    return np.concatenate([np.ravel(point[v.name]) for v in pymc_model.value_vars]).astype(np.float64)


def unconstrained_function(pymc_model):
    """The function from theta to name -> value in PyMC's unconstrained coordinates: `unconstrained_start` for many.

    theta must hold every free variable of the model.
    """
    import pytensor
    from pytensor.graph.replace import graph_replace

    natural, values = {rv: rv.type(name=rv.name) for rv in pymc_model.free_RVs}, []
    for rv, value in natural.items():
        transform = pymc_model.rvs_to_transforms[rv]
        values.append(value if transform is None else transform.forward(value, *rv.owner.inputs))
    values = graph_replace(values, natural, strict=False)  # a transform may read other fields
    evaluate = pytensor.function(list(natural.values()), values, mode="FAST_COMPILE", on_unused_input="ignore")
    names = [v.name for v in pymc_model.value_vars]

    def unconstrained(theta):
        with np.errstate(all="ignore"):
            return dict(zip(names, evaluate(*(theta[rv.name] for rv in natural)), strict=True))

    return unconstrained


def flat(point):
    """The values of a point as one array (p,)."""
    return np.concatenate([np.ravel(value) for value in point.values()]).astype(np.float64)


def inside(pymc_model, point):
    """Raise InputError where a start lies on the edge of a support, infinitely far out for NUTS."""
    if np.isfinite(point).all():
        return
    shapes, at = pymc_model.eval_rv_shapes(), 0
    for rv, value in zip(pymc_model.free_RVs, pymc_model.value_vars, strict=True):
        size = int(np.prod(shapes[value.name]))
        if not np.isfinite(point[at : at + size]).all():
            raise InputError(f"the start lies on the edge of the support of `{rv.name}`; move it inside")
        at += size


def natural_function(pymc_model, shapes=None):
    """The function from unconstrained draws u (draws, p) to field -> (draws, ...) natural values.

    shapes: name -> shape of the unconstrained values, where they are known; to find them takes a compilation.
    """
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph.replace import vectorize_graph

    values, fields, shapes = pymc_model.value_vars, [], shapes or pymc_model.eval_rv_shapes()
    for rv in pymc_model.free_RVs:
        transform, value = pymc_model.rvs_to_transforms[rv], pymc_model.rvs_to_values[rv]
        fields.append(value if transform is None else transform.backward(value, *rv.owner.inputs))
    batch = [pt.tensor(v.name, shape=(None, *v.type.shape)) for v in values]
    evaluate = pytensor.function(
        batch, vectorize_graph(fields, dict(zip(values, batch, strict=True))), mode="FAST_COMPILE"
    )
    ends = np.cumsum([int(np.prod(shapes[v.name])) for v in values])
    turn = Lock()  # a PyTensor function keeps its values in one place: one thread at a time

    def natural(u):
        pieces = np.split(u, ends[:-1], axis=1)
        pieces = [part.reshape(len(u), *shapes[v.name]) for part, v in zip(pieces, values, strict=True)]
        with turn:
            return dict(zip([rv.name for rv in pymc_model.free_RVs], evaluate(*pieces), strict=True))

    return natural


def natural(pymc_model, u):
    """field -> (draws, ...) natural values of unconstrained draws u, (draws, p)."""
    return natural_function(pymc_model)(u)


def nutpie_sampler(job):
    """nutpie's NUTS on PyTensor's compiled function.

    Above LARGE dimensions each chain is whitened by the Laplace approximation at the optimum that it starts near;
    without one it uses nutpie's low-rank metric.
    """
    with warnings.catch_warnings():
        hush()
        import nutpie
        import pytensor

        with pytensor.config.change_flags(cxx=""):  # beside numba's, what runs once is not worth a C compiler
            unconstrained = unconstrained_function(job.model)
            first = unconstrained(job.starts[0])
            points, p = [flat(unconstrained(theta)) for theta in job.starts], len(flat(first))
            compiled = density(job.model, p, first)
            natural = natural_function(job.model, {name: value.shape for name, value in first.items()})
        changes, how = [(None, None)] * len(points), {"adaptation": "diagonal"}
        if p > LARGE and job.modes is not None:
            try:
                changes = whitening(compiled.evaluate, [flat(unconstrained(theta)) for theta in job.modes])
                how = {"adaptation": "diagonal", "whitened": "Laplace"}
            except ArithmeticError as error:
                how = {"adaptation": "low rank", "whitened": f"no: {error}"}
        elif p > LARGE:
            how = {"adaptation": "low rank"}
        how["target_accept"] = job.target_accept or (ROUND if how.get("whitened") == "Laplace" else CAREFUL)

    def one(number, stop, tick):
        inside(job.model, points[number])
        model, back = compiled.chain(points[number], *changes[number])
        with warnings.catch_warnings():
            hush()
            run = nutpie.sample(
                model, draws=job.draws, tune=job.tune, chains=1, cores=1, seed=int(job.seeds[number]),
                progress_bar=False, target_accept=how["target_accept"], save_warmup=False, blocking=False,
                adaptation="low_rank" if how["adaptation"] == "low rank" else "diag",
                progress_callback=lambda state: tick(state[0].finished_draws / state[0].total_draws),
            )  # fmt: skip
            while True:
                try:
                    tree = run.abort() if stop.is_set() else run.wait(timeout=NAP)
                    break
                except TimeoutError:  # still running
                    pass
        return chain_of(tree, lambda tree: natural(back(tree["posterior"]["z"].values[0])))

    return Sampler(one, how, workers=job.workers)


def pymc_sampler(job):
    """PyMC's own NUTS, one chain after the other; "adapt_diag" is the one of its initialisations without jitter."""
    import pymc as pm

    own = [{rv.name: s[rv.name] for rv in job.model.free_RVs if rv.name in s} for s in job.starts]
    total, accept = job.draws + job.tune, job.target_accept or CAREFUL

    def one(number, stop, tick):
        def heed(trace, draw):
            tick((draw.draw_idx + 1) / total)
            if stop.is_set():
                raise KeyboardInterrupt  # PyMC then returns what it has

        inside(job.model, unconstrained_start(job.model, job.starts[number]))
        with job.model:
            tree = pm.sample(
                draws=job.draws, tune=job.tune, chains=1, cores=1, random_seed=int(job.seeds[number]),
                initvals=own[number], init="adapt_diag", nuts_sampler="pymc",
                nuts={"target_accept": accept}, quiet=True, compute_convergence_checks=False, callback=heed,
            )  # fmt: skip
        return chain_of(tree, lambda tree: {n: v.values[0] for n, v in tree["posterior"].data_vars.items()})

    return Sampler(one, {"adaptation": "diagonal", "target_accept": accept})


def chain_of(tree, fields):
    """The Chain in a sampler's tree, with the statistics that are one number a draw; empty after a stopped warm-up."""
    if "posterior" not in tree or tree["posterior"].sizes.get("draw", 0) == 0:
        return Chain({})
    stats = tree["sample_stats"].data_vars.items()
    return Chain(fields(tree), {n: v.values[0] for n, v in stats if v.ndim == 2 and v.dtype.kind in "biuf"})


def hush():
    """nutpie and PyTensor warn of object-mode functions and of their own pending renames."""
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("ignore", FutureWarning)
