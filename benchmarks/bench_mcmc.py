"""Sampling beside hand-written models: the same data, the same priors, each sampler under its own defaults.

    python benchmarks/bench_mcmc.py             about nine minutes; writes benchmarks/RESULTS_MCMC.md as it goes
    python benchmarks/bench_mcmc.py --rehearse  every cell once, few draws, unguarded: does each of them run?
    python benchmarks/bench_mcmc.py --quick     one small problem by Gibbs alone, unguarded

Two things are measured: the log density with its gradient (medians of clean samples, `guard.py`), and effective
samples per second: bulk ESS of the worst label-invariant quantity (log likelihood, sorted weights, log density at
five rows), divided by the seconds of sampling, and by those of the whole way: for ours the EM restarts, building
and compiling the model and sampling, for the others building, compiling and sampling. The hand-written models are
`pm.NormalMixture`, and `pm.Mixture` of a list of MvNormal or of one batched MvNormal (`rivals.py`). PyTensor's and
numba's caches on disk are warm where an earlier run has filled them. A run during which others used the machine is
marked. What matters most comes first, and no cell is begun after `--minutes`.
"""

import argparse
import os
import platform
import sys
import time
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
from cells import Cell, Gradients, Report, Run, timed
from rivals import hand_written, under_numpyro

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.mcmc.chains import Job, run_chains
from bayesmix.mcmc.pack import passes
from bayesmix.mcmc.sample import SAMPLERS
from bayesmix.mcmc.starts import disperse, place

CHAINS = 4


@dataclass(frozen=True)
class Task:
    """A problem: its name, data and model, who samples it, and whether its groups are separated."""

    name: str
    data: bm.Data
    model: bm.Mixture
    rivals: tuple  # of "nutpie", "pymc", "numpyro", "explicit"
    separated: bool = True
    gibbs_draws: int = 5000


@dataclass(frozen=True)
class Settings:
    """Seeds, and warm-up and kept draws per chain: ours, Gibbs', the hand-written models', the explicit model's."""

    seeds: tuple = (1, 2, 3)
    ours: tuple = (500, 1000)  # the defaults of fit_mcmc
    gibbs_tune: int = 500
    theirs: tuple = (1000, 1000)  # the defaults of pm.sample
    explicit: tuple = (50, 50)  # a sweep over z takes hundreds of log densities; one seed alone


def line(n, K, gap, seed=0):
    """n numbers around K centres `gap` standard deviations apart."""
    rng = np.random.default_rng(seed)
    return gap * rng.integers(K, size=n) + rng.normal(size=n)


def blobs(n, d, K, seed=0):
    """n rows around K centres in d dimensions, overlapping a little."""
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(K, d))[rng.integers(K, size=n)] + rng.normal(size=(n, d))


def corners(n, gap, seed=0):
    """n rows around the corners of a triangle whose sides are `gap` standard deviations long: groups that are apart."""
    rng = np.random.default_rng(seed)
    centres = gap * np.array([[0, 0], [1, 0], [0.5, 0.75**0.5]])
    return centres[rng.integers(3, size=n)] + rng.normal(size=(n, 2))


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


def tasks():
    faithful, galaxies = (bm.Data(standard(d.x)) for d in (bm.datasets.old_faithful(), bm.datasets.galaxies()))
    return [
        Task("5-D, K = 4, n = 5000", bm.Data(standard(blobs(5000, 5, 4))), full(5, 4), (), gibbs_draws=1500),
        Task("2-D, K = 2, n = 272", faithful, full(2, 2), ("nutpie", "explicit", "pymc", "numpyro")),
        Task("2-D, K = 3, n = 2000", bm.Data(standard(corners(2000, 5))), full(2, 3), ("nutpie",), gibbs_draws=2500),
        Task("1-D, K = 2, n = 500", bm.Data(standard(line(500, 2, 2))), one_d(2), ("nutpie", "pymc", "numpyro"), False),
        Task("galaxies, K = 3, n = 82", galaxies, one_d(3), ("nutpie", "pymc"), False),
    ]


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


def ours(task, name, seeds, tune, draws):
    """Runs by one of our samplers, compiled once, chains over the EM optima."""
    begin = time.perf_counter()
    model = task.model.resolve(task.data)
    problem, em = Problem.of(model, task.data), bm.fit_em(model, task.data, seed=0)
    homes, rngs = place(em.optima, CHAINS), [np.random.default_rng(seed) for seed in seeds]
    starts = [disperse(problem, em.optima[h], rng) for rng in rngs for h in homes]
    chain_seeds = np.concatenate([rng.integers(2**31, size=CHAINS) for rng in rngs])
    job = Job(
        model if name == "gibbs" else model.to_pymc(task.data), task.data, starts, chain_seeds, draws, tune, None, 2,
        model.components * task.data.n, modes=[em.optima[h].theta for h in homes] * len(seeds),
        optimum=em.optima[0],
    )  # fmt: skip
    sampler = SAMPLERS[name](job)
    if name == "gibbs":  # numba's share of the compilation
        short = replace(job, draws=2, tune=2, starts=starts[:1], marginal_steps=False)
        run_chains(SAMPLERS[name](short), short, problem)
    setting_up, runs = time.perf_counter() - begin, []
    for i in range(len(seeds)):
        first = i * CHAINS
        part = replace(job, starts=starts[first : first + CHAINS], seeds=chain_seeds[first : first + CHAINS])
        own = replace(sampler, one=lambda number, *rest, at=first: sampler.one(at + number, *rest))
        result, wall, quiet = timed(lambda s=own, j=part: run_chains(s, j, problem))
        if result.failed:
            raise RuntimeError(f"chains failed: {result.failed}")
        fields = {n: np.stack([c.draws[n] for c in result.chains.values()]) for n in result.chains[0].draws}
        runs.append(Run(setting_up, wall, worst_ess(task, fields), quiet))
    return runs


def theirs(task, how, seeds, tune, draws):
    """Runs of the hand-written model under nutpie's, PyMC's or NumPyro's defaults, or with explicit allocations."""
    import pymc as pm

    begin = time.perf_counter()
    model = hand_written(task, "explicit" if how == "explicit" else "mixture")
    names, runs = [rv.name for rv in model.free_RVs if rv.name != "z"], []
    if how == "nutpie":
        import nutpie

        compiled = nutpie.compile_pymc_model(model)
    if how == "numpyro":
        sample = under_numpyro(model, CHAINS, tune, draws)
        sample(0)
    setting_up = time.perf_counter() - begin
    for seed in seeds:
        if how == "numpyro":
            fields, wall, quiet = timed(lambda s=seed: sample(s))
            runs.append(Run(setting_up, wall, worst_ess(task, fields), quiet))
            continue
        if how == "nutpie":
            tree, wall, quiet = timed(
                lambda s=seed: nutpie.sample(compiled, draws=draws, tune=tune, chains=CHAINS, cores=2, seed=s,
                                             progress_bar=False, save_warmup=False)
            )  # fmt: skip
            run = setting_up, wall
        else:
            with model:
                tree, wall, quiet = timed(
                    lambda s=seed: pm.sample(draws, tune=tune, chains=CHAINS, cores=2, random_seed=s, quiet=True,
                                             compute_convergence_checks=False,
                                             **({} if how == "explicit" else {"nuts_sampler": "pymc"}))
                )  # fmt: skip
            sampling = float(tree["posterior"].attrs["sampling_time"])
            run = setting_up + wall - sampling, sampling
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


# ---- all of it -------------------------------------------------------------------------------------------

OURS = {"bayesmix, Gibbs": "gibbs", "bayesmix, NUTS": "nutpie", "bayesmix, NumPyro": "numpyro"}
NUTS = ("bayesmix, NUTS", "by hand, nutpie", "by hand, PyMC NUTS")
THEIRS = {
    "by hand, nutpie": "nutpie", "by hand, explicit z": "explicit", "by hand, PyMC NUTS": "pymc",
    "by hand, NumPyro": "numpyro",
}  # fmt: skip


def sampled(task, who, settings):
    """The Cell of one sampler on one problem."""
    seeds = settings.seeds
    if who in OURS:
        tune, draws = (settings.gibbs_tune, task.gibbs_draws) if OURS[who] == "gibbs" else settings.ours
        return Cell(ours(task, OURS[who], seeds if OURS[who] != "numpyro" else seeds[:1], tune, draws))
    if "explicit" in who:  # its worker processes compile for a minute and more
        return Cell(theirs(task, THEIRS[who], seeds[:1], *settings.explicit))
    return Cell(theirs(task, THEIRS[who], seeds, *settings.theirs))


def graded(task, report):
    """The Gradients of one problem."""
    forms = [hand_written(task, "mixture"), hand_written(task, "batched")]
    return Gradients((gradient(task.model.to_pymc(task.data), report), bare(task, report),
                      *(gradient(model, report) for model in forms)))  # fmt: skip


def measure(report, some, settings):
    """All cells, what matters most first: the problems in turn, gradients, then the slower rivals."""
    report.say(f"\n## Effective samples per second: {CHAINS} chains, seeds {list(settings.seeds)}\n")
    report.say(
        "Warm-up and draws per chain: "
        f"bayesmix NUTS {settings.ours}, Gibbs ({settings.gibbs_tune}, {sorted({t.gibbs_draws for t in some})} "
        f"by problem), by hand {settings.theirs}, explicit z {settings.explicit}, one seed alone: "
        "its ESS, of so few draws, is an order of magnitude. Medians over the seeds.\n"
    )
    late = ["by hand, PyMC NUTS", "by hand, explicit z"]
    if find_spec("numpyro"):
        late += ["bayesmix, NumPyro", "by hand, NumPyro"]
    first = ["bayesmix, Gibbs", "bayesmix, NUTS", "by hand, nutpie"]
    table(report, settings, [(t, w) for t in some for w in first])
    report.say("\n## Log density and gradient: microseconds\n")
    report.say("| problem | bayesmix | rows alone | list of MvNormal | batched MvNormal |")
    report.say("|---|---|---|---|---|")
    for task in some:
        if task.name.startswith(("5-D", "2-D, K = 2")):
            report.cell(task, "gradient", lambda t=task: graded(t, report))
    report.say("\n## Effective samples per second, slower rivals\n")
    table(report, settings, [(t, w) for w in late for t in some])
    if not find_spec("numpyro"):
        report.say("\nNumPyro is not installed here, so its rows are missing.")


def table(report, settings, cells):
    """The table of these cells: (problem, sampler)."""
    report.say("| problem | sampler | seeds | setting up, s | sampling, s | ESS | ESS/s sampling | ESS/s all in |")
    report.say("|---|---|---|---|---|---|---|---|")
    for task, who in cells:
        if who in OURS or THEIRS[who] in task.rivals:
            report.cell(task, who, lambda t=task, w=who: sampled(t, w, settings))


def goals(report, some):
    """A line for each of the goals M1 to M5, and for the two on the large problem."""
    report.say("\n## Goals\n")
    rate, total = (lambda c: c.rate), (lambda c: c.total)
    gibbs, own = ("bayesmix, Gibbs",), ("bayesmix, NUTS",)
    for t in some:
        name, hand = t.name, ("by hand, nutpie",)
        report.goal(f"M1, {name}: Gibbs over the best NUTS, sampling", (name, gibbs, rate), (name, NUTS, rate),
                    20 if t.separated else 1.5)  # fmt: skip
        if t.rivals:
            report.goal(f"M2, {name}: Gibbs over by hand with nutpie, all in", (name, gibbs, total),
                        (name, hand, total), 15 if t.data.d == 1 else 100)  # fmt: skip
            report.goal(f"M3, {name}: our NUTS over by hand with nutpie, sampling", (name, own, rate),
                        (name, hand, rate), 2)  # fmt: skip
        if "explicit" in t.rivals:
            explicit = (name, ("by hand, explicit z",), total)
            report.goal(f"M5, {name}: Gibbs over explicit z, all in", (name, gibbs, total), explicit, 30)
            report.goal(f"M5, {name}: our NUTS over explicit z, all in", (name, own, total), explicit, 1)
        if t.name.startswith("5-D"):
            slope = [(name, ("gradient",), lambda c, i=i: c.timings[i].seconds) for i in range(4)]
            report.goal(f"M4, {name}: gradient against a list of MvNormal", slope[2], slope[0], 8)
            report.goal(f"M4, {name}: gradient against one batched MvNormal", slope[3], slope[0], 40)
            report.goal(f"M4, {name}: rows alone, of 1/1.5 of our gradient", slope[1], slope[0], 1 / 1.5)
            report.goal(f"{name}: our NUTS, 100 effective samples a second, sampling", (name, own, rate), 100, 1)
            report.goal(f"{name}: our NUTS, 100 effective samples a second, all in", (name, own, total), 100, 1)
            report.goal(f"{name}: Gibbs, 5000 effective samples a second, sampling", (name, gibbs, rate), 5000, 1)


def main():
    words = argparse.ArgumentParser(description="Sampling beside hand-written models.")
    words.add_argument("--quick", action="store_true", help="one small problem by Gibbs alone: does the script run?")
    words.add_argument("--rehearse", action="store_true", help="every cell once with few draws: does each of them run?")
    words.add_argument("--minutes", type=float, help="no cell is begun after so many minutes (8; rehearsing: 60)")
    words.add_argument("--only", default="", help="only the cells whose problem and sampler contain this text")
    args = words.parse_args()
    minutes = args.minutes or (60 if args.rehearse else 8)
    report = Report(guarded=not (args.quick or args.rehearse), minutes=minutes, only=args.only)
    report.say("# Sampling: bayesmix beside hand-written models\n")
    report.say("Written by `python benchmarks/bench_mcmc.py`.\n")
    names = ("numpy", "numba", "pymc", "pytensor", "nutpie")
    here = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report.say(f"{here}; {', '.join(f'{n} {version(n)}' for n in names)}.")
    with warnings.catch_warnings():
        for noisy in (UserWarning, FutureWarning, RuntimeWarning):
            warnings.simplefilter("ignore", noisy)
        if args.quick:
            task = Task("1-D, K = 2, n = 60", bm.Data(line(60, 2, 5)), one_d(2), ())
            report.cell(task, "bayesmix, Gibbs", lambda: Cell(ours(task, "gibbs", (1,), 20, 100)))
        else:
            some, settings = tasks(), Settings()
            if args.rehearse:
                some = [replace(t, gibbs_draws=50) for t in some]
                settings = Settings((1,), (30, 20), 20, (30, 20), (20, 10))
            measure(report, some, settings)
            goals(report, some)
    for kind, cells in (("Failed", report.failed), ("Not begun, for time", report.left)):
        if cells:
            report.say(f"\n{kind}: {'; '.join(cells)}.")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
