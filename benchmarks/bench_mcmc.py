"""Sampling beside hand-written models: the same data, the same priors, the same number of draws.

    python benchmarks/bench_mcmc.py            about fifteen minutes; writes benchmarks/RESULTS_MCMC.md as it goes
    python benchmarks/bench_mcmc.py --quick    one small problem, few draws of Gibbs alone, unguarded

Two things are measured: the log density with its gradient (medians of clean samples, `guard.py`), and effective
samples per second: bulk ESS of the worst label-invariant quantity (log likelihood, sorted weights, log density at
five rows), divided by the seconds of sampling, and by those of compiling and sampling together. The hand-written
models are `pm.NormalMixture`, and `pm.Mixture` of a list of MvNormal or of one batched MvNormal; their priors are
the very random variables of ours. A run during which others used the machine is marked.
"""

import argparse
import os
import platform
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import guard
import numpy as np

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.chains import Job, run_chains
from bayesmix.mcmc.pack import passes
from bayesmix.mcmc.sample import SAMPLERS
from bayesmix.mcmc.starts import disperse, place

HERE = Path(__file__).parent
CHAINS, DRAWS, TUNE = 4, 1000, 1000
GIBBS_DRAWS = 5000


@dataclass(frozen=True)
class Task:
    """A problem: its name, data and model, and which rivals can be waited for."""

    name: str
    data: bm.Data
    model: bm.Mixture
    rivals: tuple  # of "nutpie", "pymc", "explicit"
    separated: bool = True


def line(n, K, gap, seed=0):
    """n numbers around K centres `gap` standard deviations apart."""
    rng = np.random.default_rng(seed)
    return gap * rng.integers(K, size=n) + rng.normal(size=n)


def blobs(n, d, K, seed=0):
    """n rows around K centres in d dimensions, overlapping a little."""
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(K, d))[rng.integers(K, size=n)] + rng.normal(size=(n, d))


def standard(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def one_d(K):
    return bm.Mixture(
        bm.Gaussian(mean=bm.Normal(0, 2), var=bm.InverseGamma(3, 1)), components=K, weight=bm.Dirichlet(2.0)
    )


def full(d, K):
    return bm.Mixture(
        bm.MvGaussian(mean=bm.Normal(0, 2), cov=bm.InverseWishart(d + 2, 0.5 * np.eye(d))), components=K,
        weight=bm.Dirichlet(2.0),
    )  # fmt: skip


def tasks(quick):
    faithful = bm.Data(standard(bm.datasets.old_faithful().x))
    if quick:
        return [Task("1-D, K = 2, n = 60", bm.Data(line(60, 2, 5)), one_d(2), ())]
    galaxies = bm.Data(standard(bm.datasets.galaxies().x))
    return [
        Task("2-D, K = 2, n = 272", faithful, full(2, 2), ("nutpie", "pymc", "explicit")),
        Task("1-D, K = 2, n = 500", bm.Data(standard(line(500, 2, 2))), one_d(2), ("nutpie", "pymc"), False),
        Task("galaxies, K = 3, n = 82", galaxies, one_d(3), ("nutpie", "pymc"), False),
        Task("2-D, K = 3, n = 2000", bm.Data(standard(blobs(2000, 2, 3))), full(2, 3), ("nutpie",)),
        Task("5-D, K = 4, n = 5000", bm.Data(standard(blobs(5000, 5, 4))), full(5, 4), ()),
    ]


# ---- the hand-written models -----------------------------------------------------------------------------


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


# ---- effective samples -----------------------------------------------------------------------------------


def worst_ess(task, fields):
    """The least bulk ESS of label-invariant quantities of draws, field -> (chain, draw, ...)."""
    import xarray as xr
    from arviz_stats import ess

    model, draws = task.model.resolve(task.data), fields["weight"].shape[:2]
    problem = Problem.of(model, task.data)
    at = np.linspace(0, task.data.n - 1, 5).astype(int)
    at = np.argsort(task.data.x[:, 0])[at]
    found = {"log likelihood": np.empty(draws)} | {f"density {j}": np.empty(draws) for j in range(5)}
    for c, s, _, _, rows in passes(problem, fields):
        found["log likelihood"][c, s] = rows.sum()
        for j, i in enumerate(at):
            found[f"density {j}"][c, s] = rows[i]
    ordered = np.sort(fields["weight"], axis=2)
    found |= {f"weight {k}": ordered[:, :, k] for k in range(model.components)}
    data = xr.Dataset({name: (("chain", "draw"), value) for name, value in found.items()})
    return min(float(v) for v in ess(data).data_vars.values())


@dataclass(frozen=True)
class Run:
    """Seconds of compiling and sampling, worst ESS, and whether the machine was quiet meanwhile."""

    compiling: float
    sampling: float
    ess: float
    quiet: bool = True

    @property
    def rate(self):
        return self.ess / self.sampling

    @property
    def total(self):
        return self.ess / (self.sampling + self.compiling)


def timed(call):
    """(what it returned, wall seconds, whether others used less than 12 % of a core)."""
    foreign, mine, begin = guard.busy(), guard.own(), time.perf_counter()
    value = call()
    wall = time.perf_counter() - begin
    others = 0.0 if foreign is None else (guard.busy() - foreign) - (guard.own() - mine)
    return value, wall, others <= guard.LIMIT * wall + 2 / guard.TICK


def ours(task, name, seeds, draws, tune):
    """Runs by one of our samplers, compiled once, chains over the EM optima."""
    model = task.model.resolve(task.data)
    problem, em = Problem.of(model, task.data), bm.fit_em(model, task.data, seed=0)
    homes = place(em.optima, CHAINS)

    def job(seed):
        rng = np.random.default_rng(seed)
        starts = [disperse(problem, em.optima[h], rng) for h in homes]
        target = model if name == "gibbs" else pymc_model
        return Job(target, task.data, starts, rng.integers(2**31, size=CHAINS), draws, tune, 0.9, 2,
                   model.components * task.data.n, modes=[em.optima[h].theta for h in homes])  # fmt: skip

    begin = time.perf_counter()
    pymc_model = None if name == "gibbs" else model.to_pymc(task.data)
    sampler = SAMPLERS[name](job(seeds[0]))
    short = Job(**{**vars(job(seeds[0])), "draws": 2, "tune": 2})  # numba's share of the compilation
    run_chains(SAMPLERS[name](short), short, problem) if name == "gibbs" else None
    compiling, runs = time.perf_counter() - begin, []
    for seed in seeds:
        own = job(seed)
        sampler = SAMPLERS[name](own)
        result, wall, quiet = timed(lambda s=sampler, j=own: run_chains(s, j, problem))
        fields = {n: np.stack([c.draws[n] for c in result.chains.values()]) for n in result.chains[0].draws}
        runs.append(Run(compiling, wall, worst_ess(task, fields), quiet))
    return runs


def theirs(task, how, seeds, draws, tune):
    """Runs of the hand-written model under nutpie's or PyMC's defaults, or with explicit allocations."""
    import pymc as pm

    form = "explicit" if how == "explicit" else "mixture"
    begin = time.perf_counter()
    model = hand_written(task, form)
    names, runs = [rv.name for rv in model.free_RVs if rv.name != "z"], []
    if how == "nutpie":
        import nutpie

        compiled = nutpie.compile_pymc_model(model)
    compiling = time.perf_counter() - begin
    for seed in seeds:
        if how == "nutpie":
            tree, wall, quiet = timed(
                lambda s=seed: nutpie.sample(compiled, draws=draws, tune=tune, chains=CHAINS, cores=2, seed=s,
                                             progress_bar=False, save_warmup=False)
            )  # fmt: skip
            run = compiling, wall
        else:
            with model:
                tree, wall, quiet = timed(
                    lambda s=seed: pm.sample(draws, tune=tune, chains=CHAINS, cores=2, random_seed=s, quiet=True,
                                             compute_convergence_checks=False,
                                             **({} if how == "explicit" else {"nuts_sampler": "pymc"}))
                )  # fmt: skip
            sampling = float(tree["posterior"].attrs.get("sampling_time", wall))
            run = compiling + wall - sampling, sampling
        fields = {n: tree["posterior"][n].values for n in names}
        runs.append(Run(*run, worst_ess(task, fields), quiet))
    return runs


# ---- gradients -------------------------------------------------------------------------------------------


def gradient(model, report):
    """Seconds of one log density with gradient by PyTensor's compiled function, at the initial point."""
    function = model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
    start = model.initial_point(0)
    u = np.concatenate([np.ravel(start[v.name]) for v in model.value_vars]).astype(float)
    arrays = [s.get_value(borrow=True) for s in function.get_shared()]
    return report.time(lambda: function.vm.jit_fn(u, *arrays))


def bare(task, report):
    """Seconds of the row pass alone, with its gradient in W."""
    import pytensor
    import pytensor.tensor as pt

    from bayesmix.mcmc.mix_op import MixSum

    model = task.model.resolve(task.data)
    problem = Problem.of(model, task.data)
    W = model.family.natural(np, **model.own(problem.central))
    K, n = model.components, task.data.n
    symbols = [pt.matrix(), pt.matrix(), pt.matrix(), pt.vector(), pt.vector()]
    function = pytensor.function(symbols, MixSum()(*symbols), mode="NUMBA").vm.jit_fn
    values = problem.features, W, np.zeros((K, n)), np.full(n, float(np.mean(problem.base))), np.ones(n)
    return report.time(lambda: function(*values))


def table_of_gradients(report, some, batched):
    report.say("\n## Log density and gradient: microseconds\n")
    report.say("| problem | bayesmix | rows alone | hand-written | batched MvNormal | goal M4 |")
    report.say("|---|---|---|---|---|---|")
    for task in some:
        mine, kernel = gradient(task.model.to_pymc(task.data), report), bare(task, report)
        list_of = gradient(hand_written(task, "mixture"), report)
        many = gradient(hand_written(task, "batched"), report) if task.name in batched else None
        goal = "-"
        if task.name in batched:
            clean = mine.guarded and list_of.guarded and many.guarded
            goal = "; ".join([
                report.goal("list", list_of.seconds / mine.seconds, 8, clean),
                report.goal("batched", many.seconds / mine.seconds, 40, clean),
                f"{mine.seconds / kernel.seconds:.2g} of at most 1.5 times the rows alone",
            ])  # fmt: skip
        cells = [f"{1e6 * t.seconds:.4g}" if t else "-" for t in (mine, kernel, list_of, many)]
        report.say(f"| {task.name} | {' | '.join(cells)} | {goal} |")


# ---- the report ------------------------------------------------------------------------------------------


class Report:
    """Lines for the terminal and, as they come, for RESULTS_MCMC.md."""

    def __init__(self, guarded):
        self.lines, self.guarded = [], guarded

    def say(self, text=""):
        print(text, flush=True)
        self.lines.append(text)
        if self.guarded:
            (HERE / "RESULTS_MCMC.md").write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def goal(self, name, ratio, wanted, clean=True):
        quality = "" if clean and self.guarded else " (unguarded)"
        return f"{name}: {ratio:.3g}x of {wanted:g}x, {'met' if ratio >= wanted else 'not met'}{quality}"

    def time(self, call):
        return guard.measure(call, guarded=self.guarded, samples=3 if self.guarded else 1)


def row(report, task, who, runs):
    """A line of the table: medians over the seeds."""
    rates = [r.rate for r in runs]
    clean = "" if all(r.quiet for r in runs) and report.guarded else " (unguarded)"
    report.say(
        f"| {task.name} | {who} | {median(r.compiling for r in runs):.3g} | {median(r.sampling for r in runs):.3g} | "
        f"{median(r.ess for r in runs):.0f} | {median(rates):.4g} ({min(rates):.3g} to {max(rates):.3g}) | "
        f"{median(r.total for r in runs):.4g}{clean} |"
    )
    return median(rates), median(r.total for r in runs), not clean


def table_of_samplers(report, some, seeds, draws, tune, gibbs_draws, nuts=True):
    report.say(f"\n## Effective samples per second: {CHAINS} chains, {tune} + {draws} draws, seeds {list(seeds)}\n")
    report.say("The worst label-invariant quantity; Gibbs draws more, being faster. Medians over the seeds.\n")
    report.say("| problem | sampler | compiling, s | sampling, s | ESS | ESS/s sampling | ESS/s with compiling |")
    report.say("|---|---|---|---|---|---|---|")
    goals = []
    for task in some:
        gibbs = row(report, task, "bayesmix Gibbs", ours(task, "gibbs", seeds, gibbs_draws, tune))
        if not nuts:
            continue
        own = row(report, task, "bayesmix NUTS (nutpie)", ours(task, "nutpie", seeds, draws, tune))
        if "numpyro" in SAMPLERS:
            row(report, task, "bayesmix NumPyro", ours(task, "numpyro", seeds[:1], draws, tune))
        wanted = 20 if task.separated else 1.5
        goals.append(report.goal(f"M1, {task.name}: Gibbs over NUTS", gibbs[0] / own[0], wanted, gibbs[2] and own[2]))
        if task.name.startswith("5-D"):
            goals.append(report.goal(f"{task.name}, NUTS, of 100 ESS/s", own[0] / 100, 1, own[2]))
            goals.append(report.goal(f"{task.name}, Gibbs, of 5000 ESS/s", gibbs[0] / 5000, 1, gibbs[2]))
        for how in task.rivals:
            few = (seeds[:1], min(draws, 200), min(tune, 200)) if how == "explicit" else (seeds, draws, tune)
            other = row(report, task, f"hand-written, {how}", theirs(task, how, *few))
            if how == "nutpie":
                goals.append(report.goal(f"M3, {task.name}: NUTS over nutpie", own[0] / other[0], 2, own[2]))
                wanted = 15 if task.data.d == 1 else 100
                goals.append(report.goal(f"M2, {task.name}: Gibbs, all in", gibbs[1] / other[1], wanted, gibbs[2]))
            if how == "explicit":
                goals.append(report.goal(f"M5, {task.name}: Gibbs, all in", gibbs[1] / other[1], 30, gibbs[2]))
                goals.append(report.goal(f"M5, {task.name}: NUTS, all in", own[1] / other[1], 1, own[2]))
    if goals:
        report.say("\n### Goals\n")
    for goal in goals:
        report.say(f"* {goal}")


def main():
    words = argparse.ArgumentParser(description="Sampling beside hand-written models.")
    words.add_argument("--quick", action="store_true", help="one small problem, few draws: does the script run?")
    args = words.parse_args()
    report = Report(guarded=not args.quick)
    report.say("# Sampling: bayesmix beside hand-written models\n")
    report.say("Written by `python benchmarks/bench_mcmc.py`.\n")
    names = ("numpy", "numba", "pymc", "pytensor", "nutpie")
    here = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report.say(f"{here}; {', '.join(f'{n} {version(n)}' for n in names)}.")
    with warnings.catch_warnings():
        for noisy in (UserWarning, FutureWarning, RuntimeWarning):
            warnings.simplefilter("ignore", noisy)
        some = tasks(args.quick)
        if args.quick:
            table_of_samplers(report, some, [1], 20, 20, 100, nuts=False)
            return
        table_of_samplers(report, some, [1, 2, 3], DRAWS, TUNE, GIBBS_DRAWS)
        table_of_gradients(report, some, {"5-D, K = 4, n = 5000"})


if __name__ == "__main__":
    main()
