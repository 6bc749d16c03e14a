"""NUTS by nutpie or by PyMC, one run per chain, started exactly where asked.

What a small model waits for is compilation. nutpie's own bridge to PyMC links the whole model into
a C callback anew in every process; PyTensor's compiled function is cached on disk. So below
`SMALL` (rows times components) nutpie calls that function through Python, chain after chain, and
above it the C callback, chains side by side. Which one ran is part of the result's provenance.
"""

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SMALL = 20_000  # rows x components up to which the Python callback is the faster way to a posterior
LOW_RANK = 20  # dimension above which nutpie's low-rank metric pays


@dataclasses.dataclass(frozen=True)
class Job:
    """What a sampler is asked for."""

    model: object  # the pm.Model, or the resolved Mixture for Gibbs
    data: object
    starts: list  # theta of each chain
    seeds: np.ndarray  # (chains,)
    draws: int
    tune: int
    target_accept: float
    workers: int
    size: int  # rows x components
    permutation_moves: bool = False


def unconstrained_start(pymc_model, theta):
    """The start in PyMC's unconstrained coordinates, one flat array; exactly there, without jitter."""
    from pymc.initial_point import make_initial_point_fn

    own = {rv.name: theta[rv.name] for rv in pymc_model.free_RVs if rv.name in theta}
    point = make_initial_point_fn(model=pymc_model, overrides=own, jitter_rvs=set(), return_transformed=True)(0)
    return np.concatenate([np.ravel(point[v.name]) for v in pymc_model.value_vars]).astype(np.float64)


def natural(pymc_model, u):
    """field -> (draws, ...) natural values of unconstrained draws u, (draws, p)."""
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph.replace import vectorize_graph

    values, fields, at, pieces = pymc_model.value_vars, [], 0, []
    for rv in pymc_model.free_RVs:
        transform, value = pymc_model.rvs_to_transforms[rv], pymc_model.rvs_to_values[rv]
        fields.append(value if transform is None else transform.backward(value, *rv.owner.inputs))
    shapes = pymc_model.eval_rv_shapes()
    for v in values:
        size = int(np.prod(shapes[v.name]))
        pieces.append(u[:, at : at + size].reshape(len(u), *shapes[v.name]))
        at += size
    batch = [pt.tensor(v.name, shape=(None, *v.type.shape)) for v in values]
    evaluate = pytensor.function(
        batch, vectorize_graph(fields, dict(zip(values, batch, strict=True))), mode="FAST_COMPILE"
    )
    return dict(zip([rv.name for rv in pymc_model.free_RVs], evaluate(*pieces), strict=True))


def nutpie_chains(job, progress):
    """nutpie's NUTS, by the Python callback for small models and the C callback for large ones."""
    with warnings.catch_warnings():
        # nutpie and PyTensor warn of object-mode functions and of their own pending renames
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import nutpie

        points = [unconstrained_start(job.model, theta) for theta in job.starts]
        small = job.size <= SMALL
        compiled = by_python(job.model, len(points[0])) if small else nutpie.compile_pymc_model(job.model)
        field = "_make_initial_points" if small else "initial_point_func"
        low_rank = {"adaptation": "low_rank"} if len(points[0]) > LOW_RANK else {}

        def one(point, seed):
            chain = dataclasses.replace(compiled, **{field: lambda _seed: point.copy()})
            return nutpie.sample(
                chain, draws=job.draws, tune=job.tune, chains=1, cores=1, seed=int(seed), progress_bar=False,
                target_accept=job.target_accept, save_warmup=False, **low_rank,
            )  # fmt: skip

        trees, partial = run_chains(one, points, job.seeds, 1 if small else job.workers, progress)
        if small:
            together = natural(job.model, np.concatenate([t["posterior"]["u"].values[0] for t in trees]))
            posterior = [
                {n: v[c * job.draws : (c + 1) * job.draws] for n, v in together.items()} for c in range(len(trees))
            ]
        else:
            posterior = [{n: v.values[0] for n, v in t["posterior"].data_vars.items()} for t in trees]
    return posterior, [statistics(t) for t in trees], "nutpie", partial


def by_python(pymc_model, dimension):
    """A nutpie model around PyTensor's cached logp-and-gradient function."""
    from nutpie.compiled_pyfunc import from_pyfunc
    from pymc.blocking import RaveledVars

    point = {v.name: np.zeros(s) for v, s in zip(pymc_model.value_vars, _shapes(pymc_model), strict=True)}
    info = tuple((name, value.shape, value.size, value.dtype) for name, value in point.items())
    function = pymc_model.logp_dlogp_function(ravel_inputs=True)

    def logp(u):
        value, slope = function(RaveledVars(u, info))
        if not np.isfinite(slope).all():
            raise NotFinite
        return float(value), slope

    return from_pyfunc(
        dimension, lambda: logp, lambda *_: lambda u: {"u": u}, [np.dtype("float64")], [(dimension,)], ["u"],
        make_initial_point_fn=lambda seed: None,
    )  # fmt: skip


def _shapes(pymc_model):
    shapes = pymc_model.eval_rv_shapes()
    return [shapes[v.name] for v in pymc_model.value_vars]


class NotFinite(ArithmeticError):
    """A gradient that is not finite: nutpie counts the trajectory as divergent and goes on."""

    is_recoverable = True


def pymc_chains(job, progress):
    """PyMC's own NUTS, one chain after the other."""
    import pymc as pm

    own = [{rv.name: s[rv.name] for rv in job.model.free_RVs if rv.name in s} for s in job.starts]

    def one(values, seed):
        with job.model:
            return pm.sample(
                draws=job.draws, tune=job.tune, chains=1, cores=1, random_seed=int(seed), initvals=values,
                init="adapt_diag", nuts_sampler="pymc", nuts={"target_accept": job.target_accept}, quiet=True,
                compute_convergence_checks=False,
            )  # fmt: skip

    trees, partial = run_chains(one, own, job.seeds, 1, progress)
    posterior = [{n: v.values[0] for n, v in t["posterior"].data_vars.items()} for t in trees]
    return posterior, [statistics(t) for t in trees], "pymc", partial


def run_chains(one, points, seeds, workers, progress):
    """The chains in order, and whether Ctrl-C ended the run early (finished chains are kept)."""
    done, partial = [], False
    if workers == 1:
        try:
            for point, seed in zip(points, seeds, strict=True):
                done.append(one(point, seed))
                progress(len(done), len(points))
        except KeyboardInterrupt:
            if not done:
                raise
            partial = True
        return done, partial
    pool = ThreadPoolExecutor(max_workers=workers)
    futures = [pool.submit(one, p, s) for p, s in zip(points, seeds, strict=True)]
    try:
        for future in futures:
            done.append(future.result())
            progress(len(done), len(points))
    except KeyboardInterrupt:
        if not done:
            raise
        partial = True
    finally:
        pool.shutdown(wait=not partial, cancel_futures=True)
    return done, partial


def statistics(tree):
    """The sampler statistics that are one number per draw (nutpie also keeps messages and vectors)."""
    stats = tree["sample_stats"].data_vars.items()
    return {n: v.values[0] for n, v in stats if v.ndim == 2 and v.dtype.kind in "bif"}
