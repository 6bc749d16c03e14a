"""NUTS by nutpie or by PyMC: each chain started exactly where asked, without jitter."""

import warnings
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Compiled:
    """A PyMC model compiled for nutpie: chains from anywhere, on its own data and on others of the same form."""

    model: object  # the pm.Model
    density: object  # its `callback.Density`
    unconstrained: object  # theta -> name -> value
    natural: object  # u (draws, p) -> field -> (draws, ...)

    @classmethod
    def of(cls, pymc_model, theta):
        """The compiled model; theta: any, for its shapes."""
        import pytensor

        with warnings.catch_warnings(), pytensor.config.change_flags(cxx=""):
            hush()  # and, beside numba's, what runs once is not worth a C compiler
            unconstrained = unconstrained_function(pymc_model)
            first = unconstrained(theta)
            compiled = density(pymc_model, len(flat(first)), first)
            natural = natural_function(pymc_model, {name: value.shape for name, value in first.items()})
        return cls(pymc_model, compiled, unconstrained, natural)

    def point(self, theta):
        """theta in unconstrained coordinates, (p,)."""
        return flat(self.unconstrained(theta))

    def read(self, pymc_model):
        """From here on, sample the posterior given the data of another PyMC model of the same specification.

        Nothing is compiled again: its data take the place of the present ones, array by array.

        Raises InputError if its data have another form.
        """
        held, new = self.density.data, {name: pymc_model[name].get_value() for name in self.density.data}
        for name, value in new.items():
            if value.shape != held[name].shape:
                raise InputError(
                    f"the compiled model holds {name!r} of the shape {held[name].shape}, not {value.shape}; data of "
                    "another form need a model of their own"
                )
        for name, value in new.items():
            held[name][...] = value

    def chain(self, start, seed, draws, tune, accept, change=(None, None), adaptation="diag", stop=None, tick=None):
        """The Chain from the unconstrained point `start`.

        change: (mode, factor) of whitened coordinates. stop and tick: as in `chains.Sampler`.
        """
        import nutpie

        inside(self.model, start)
        model, back = self.density.chain(start, *change)
        ticking = {} if tick is None else {"progress_callback": lambda s: tick(s[0].finished_draws / s[0].total_draws)}
        with warnings.catch_warnings():
            hush()
            run = nutpie.sample(
                model, draws=draws, tune=tune, chains=1, cores=1, seed=int(seed), progress_bar=False,
                target_accept=accept, save_warmup=False, blocking=False, adaptation=adaptation, return_raw_trace=True,
                **ticking,
            )  # fmt: skip
            while True:
                try:
                    trace = run.abort() if stop is not None and stop.is_set() else run.wait(timeout=NAP)
                    break
                except TimeoutError:  # still running
                    pass
        return self.chain_of_trace(trace, back)

    def chain_of_trace(self, trace, back):
        """The Chain in nutpie's trace, which has the warm-up in it; empty where that was stopped.

        back: from the sampler's coordinates z (draws, p) to u. nutpie's own reading of a trace, into a tree of all
        that it holds, takes as long as a small model samples.
        """
        from pyarrow import array, types

        (drawn,), (stats,) = trace.get_arrow_trace()
        stats = {name: array(stats.column(name)) for name in stats.column_names}
        plain = types.is_boolean, types.is_integer, types.is_floating  # one number a draw
        stats = {n: v.to_numpy(zero_copy_only=False) for n, v in stats.items() if any(is_(v.type) for is_ in plain)}
        kept = ~stats["tuning"]
        if not kept.any():
            return Chain({})
        z = array(drawn.column("z")).flatten().to_numpy().reshape(len(kept), -1)
        names = [name for name in stats if name not in ("chain", "draw")]  # mere counters
        return Chain(self.natural(back(z[kept])), {name: stats[name][kept] for name in names})


def nutpie_sampler(job, compiled=None):
    """nutpie's NUTS on PyTensor's compiled function.

    Above LARGE dimensions each chain is whitened by the Laplace approximation at the optimum that it starts near;
    without one it uses nutpie's low-rank metric.

    compiled: the `Compiled` that holds this job's data, where there is one.
    """
    compiled = compiled or Compiled.of(job.model, job.starts[0])
    points = [compiled.point(theta) for theta in job.starts]
    changes, how = [(None, None)] * len(points), {"adaptation": "diagonal"}
    if len(points[0]) > LARGE and job.modes is not None:
        try:
            changes = whitening(compiled.density.evaluate, [compiled.point(theta) for theta in job.modes])
            how = {"adaptation": "diagonal", "whitened": "Laplace"}
        except ArithmeticError as error:
            how = {"adaptation": "low rank", "whitened": f"no: {error}"}
    elif len(points[0]) > LARGE:
        how = {"adaptation": "low rank"}
    how["target_accept"] = job.target_accept or (ROUND if how.get("whitened") == "Laplace" else CAREFUL)
    adaptation = "low_rank" if how["adaptation"] == "low rank" else "diag"

    def one(number, stop, tick):
        return compiled.chain(points[number], job.seeds[number], job.draws, job.tune, how["target_accept"],
                              changes[number], adaptation, stop, tick)  # fmt: skip

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
