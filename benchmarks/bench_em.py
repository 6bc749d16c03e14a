"""EM beside its rivals: same data, same start, same number of iterations.

    python benchmarks/bench_em.py            about ten minutes; writes benchmarks/RESULTS.md
    python benchmarks/bench_em.py --quick    small sizes, unguarded: does the script run?

Times are medians of clean samples (`guard.py`); scikit-learn gets the better of one and all BLAS threads.
Rivals that are not installed are named as skipped: `pip install -e '.[bench]'` brings scikit-learn and StepMix; not
pomegranate, which wants PyTorch, and not mclust, which wants R (Debian: r-cran-mclust).
"""

import argparse
import ctypes
import math
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import em_rivals
import numpy as np
from guard import measure

import bayesmix as bm
from bayesmix.em import batch, engine, kernel, restarts, starts, together
from bayesmix.em.kernel import Problem

HERE = Path(__file__).parent
SIZES = [(272, 2, 2), (10_000, 2, 5), (100_000, 10, 10), (1_000_000, 10, 10), (100_000, 50, 20), (1_000_000, 2, 50)]
FULL_GOALS = dict(zip(SIZES, ("E1 80", "E2 25", "E3 15", "E4 25", "E5 7", "E6 80"), strict=True))
PLAIN_GOALS = dict(zip(SIZES, (2.5, 4, 7, 12, 7, 35), strict=True))
DIAGONAL_GOALS = dict(zip(SIZES[:3], (8, 18, 10), strict=True))
F = bm.Flat


def installed(name):
    """The version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def blobs(n, d, K, seed=0, scale=4.0):
    """n rows around K centres in d dimensions, overlapping a little, or much where `scale` is small."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=scale, size=(K, d))
    return centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))


def iterations(n, d, K):
    """So many that a climb takes tenths of a second in the slower program."""
    return int(np.clip(2e8 / (n * K * d * d), 2, 50))


class Case:
    """A data set, a start, and the same climb in both programs."""

    def __init__(self, n, d, K, full=True):
        self.size, self.full, self.count = (n, d, K), full, iterations(n, d, K)
        self.x = blobs(n, d, K)
        family = bm.MvGaussian(mean=F(), cov=F()) if full else bm.Gaussian(mean=F(), var=F())
        data = bm.Data(self.x)
        self.problem = Problem.of(bm.Mixture(family, K, weight=F()).resolve(data), data)
        self.batch = batch.Batch.of(self.problem) if batch.suits(self.problem) else None
        rng = np.random.default_rng(1)
        means = self.x[rng.choice(n, K, replace=False)]
        spread = self.x.var(axis=0)
        scale = np.array([np.diag(spread)] * K) if full else np.array([spread] * K)
        self.theta = {"weight": np.full(K, 1 / K), "mean": means, "cov" if full else "var": scale}

    def ours(self, compiled=True):
        """One climb as `fit_em` would run it; without the compiler by `engine.run`."""
        kernel.COMPILED = compiled
        try:
            if compiled and self.batch is not None:
                return self.batch.climb([self.theta], max_iter=self.count, tol=0)[0]
            return engine.run(self.problem, self.theta, max_iter=self.count, tol=0)
        finally:
            kernel.COMPILED = True

    def sklearn(self):
        from sklearn.mixture import GaussianMixture

        scale = self.theta["cov" if self.full else "var"]
        model = GaussianMixture(
            self.size[2], covariance_type="full" if self.full else "diag", tol=0, reg_covar=0, max_iter=self.count,
            weights_init=self.theta["weight"], means_init=self.theta["mean"],
            precisions_init=np.linalg.inv(scale) if self.full else 1 / scale,
        )  # fmt: skip
        return model.fit(self.x)

    def difference(self):
        """Relative difference of the final log likelihoods."""
        return abs(self.ours().log_likelihood / (self.sklearn().score_samples(self.x).sum()) - 1)


class Report:
    """Lines for the terminal and for RESULTS.md."""

    def __init__(self, guarded, to=None):
        self.guarded, self.to = guarded, to
        if to is not None:
            to.write_text("", encoding="utf-8")

    def say(self, text=""):
        print(text, flush=True)
        if self.to is not None:  # line by line: what is measured is kept whatever comes after
            with self.to.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def goal(self, name, ratio, wanted, clean=True):
        met = "met" if ratio >= wanted else "not met"
        quality = "" if clean and self.guarded else " (unguarded)"
        return f"{name}: {ratio:.3g}x of {wanted:g}x, {met}{quality}"

    def time(self, call, **options):
        return measure(call, guarded=self.guarded, **options)


def better(report, call):
    """scikit-learn with one and with all BLAS threads: the faster."""
    from threadpoolctl import threadpool_limits

    best = None
    for limit in (1, None):
        with threadpool_limits(limits=limit, user_api="blas"):
            t = report.time(call, samples=2 if report.guarded else 1)
        best = t if best is None or t.seconds < best.seconds else best
    return best


def table_of_em(report, sizes, full):
    report.say(f"\n## EM, {'full' if full else 'diagonal'} covariance: ms per iteration\n")
    if not installed("scikit-learn"):
        report.say("scikit-learn is not installed, so there is nothing to compare with.")
    report.say("| n, d, K | bayesmix | NumPy only | scikit-learn | ratio | log likelihood differs by | goal |")
    report.say("|---|---|---|---|---|---|---|")
    for size in sizes:
        case = Case(*size, full=full)
        mine, plain = report.time(case.ours), report.time(lambda c=case: c.ours(compiled=False), samples=1)
        theirs = better(report, case.sklearn) if installed("scikit-learn") else None
        cells = [f"{1e3 * t.seconds / case.count:.4g}" for t in (mine, plain)]
        if theirs is None:
            report.say(f"| {size} | {cells[0]} | {cells[1]} | - | - | - | - |")
            continue
        clean = mine.guarded and theirs.guarded
        ratio, slow = theirs.seconds / mine.seconds, theirs.seconds / plain.seconds
        goals = []
        if full and size in FULL_GOALS:
            name, wanted = FULL_GOALS[size].split()
            goals = [report.goal(name, ratio, float(wanted), clean)]
            goals.append(report.goal("E7", slow, PLAIN_GOALS[size], clean and plain.guarded))
        elif size in DIAGONAL_GOALS:
            goals = [report.goal("E9", ratio, DIAGONAL_GOALS[size], clean)]
        differs = case.difference()
        goals.append("E11: " + ("met" if differs <= 1e-10 else "not met"))
        report.say(
            f"| {size} | {cells[0]} | {cells[1]} | {1e3 * theirs.seconds / case.count:.4g} | {ratio:.3g}x | "
            f"{differs:.1e} | {'; '.join(goals)} |"
        )
        if full:
            report.say(roofline(report, size, mine.seconds / case.count))


def roofline(report, size, seconds):
    """One line of the table: the time beside 4 N K F / dgemm + N K exp."""
    n, d, K = size
    F_ = 1 + d + d * (d + 1) // 2
    bound = 4 * n * K * F_ / machine()["dgemm"] + n * K * machine()["exp"]
    limit = 4 if n >= 10_000 else 6
    met = "met" if seconds <= limit * bound else "not met"
    return f"| | | | | | | E8: {seconds / bound:.2g} times the bound of {1e3 * bound:.3g} ms (at most {limit}), {met} |"


_MACHINE = {}


def machine():
    """Flops per second of a large matrix product on all threads, and seconds per exp in the cache."""
    if not _MACHINE:
        a, v = np.random.default_rng(0).normal(size=(1500, 1500)), np.linspace(-5, 0, 4096)
        a @ a
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - begin)
        _MACHINE["dgemm"] = 2 * 1500**3 / min(times)
        begin = time.perf_counter()
        for _ in range(500):
            np.exp(v)
        _MACHINE["exp"] = (time.perf_counter() - begin) / 500 / 4096
    return _MACHINE


def table_of_others(report, sizes):
    """mclust and pomegranate from the same start."""
    report.say("\n## mclust and pomegranate, full covariance: ms per iteration\n")
    report.say("pomegranate computes in single precision; mclust (R) times itself.\n")
    for size in sizes:
        case = Case(*size)
        mine, value = report.time(case.ours), case.ours().log_likelihood
        line = f"* {size}: bayesmix {1e3 * mine.seconds / case.count:.4g}"
        r, _ = case.problem.responsibilities(case.problem.inward(case.theta))
        found = em_rivals.mclust(case.x, r, case.count)
        if found is None:
            line += "; mclust not installed"
        else:
            seconds, other, done, release = found
            ratio = (seconds / done) / (mine.seconds / case.count)
            name, wanted = {SIZES[0]: ("E1, mclust", 12), SIZES[2]: ("E3, mclust", 30)}.get(size, ("mclust", 1))
            line += f"; mclust {release} {1e3 * seconds / done:.4g}, log likelihood differs by "
            line += f"{abs(other / value - 1):.1e}; {report.goal(name, ratio, wanted, mine.guarded)}"
        if installed("pomegranate"):
            call = em_rivals.pomegranate(case.x, case.theta, case.count)
            ratio, clean = pomegranate_ratio(report, call, mine)
            goal = report.goal("E3, pomegranate", ratio, 5, clean) if size == SIZES[2] else f"{ratio:.3g}x"
            line += f"; pomegranate {1e3 * ratio * mine.seconds / case.count:.4g}; {goal}"
        else:
            line += "; pomegranate not installed"
        report.say(line)


def pomegranate_ratio(report, call, mine):
    """How many times as long it takes with the better number of threads, and whether both samples were clean."""
    theirs = min((report.time(c, samples=1) for c in (call, em_rivals.fewest_threads(call))), key=lambda t: t.seconds)
    return theirs.seconds / mine.seconds, mine.guarded and theirs.guarded


def table_of_restarts(report):
    report.say("\n## 100 restarts: total seconds\n")
    if not installed("scikit-learn"):
        report.say("Skipped: scikit-learn is not installed.")
        return
    from sklearn.mixture import GaussianMixture

    data = bm.datasets.old_faithful()
    model = bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), 2, weight=F()).resolve(data)
    problem, count = Problem.of(model, data), 25
    loop_of = batch.Batch.of(problem)
    thetas = [starts.draw("kmeans++", problem, np.random.default_rng(i)) for i in range(100)]
    inits = [
        {"weights_init": t["weight"], "means_init": t["mean"], "precisions_init": np.linalg.inv(t["cov"])}
        for t in thetas
    ]

    def loop():
        return [
            GaussianMixture(2, tol=0, reg_covar=0, max_iter=count, **init).fit(data.x).score_samples(data.x).sum()
            for init in inits
        ]

    def compiled():
        return loop_of.climb(thetas, max_iter=count, tol=0)

    def default():
        return GaussianMixture(2, n_init=100, random_state=0).fit(data.x)

    def whole():
        return restarts.climb_all(problem, "kmeans++", restarts=100, seed=0, tol=1e-3)

    def numpy_only():
        kernel.COMPILED = False
        try:
            return together.Together(problem).climb(thetas, max_iter=count, tol=0)
        finally:
            kernel.COMPILED = True

    mine, theirs = report.time(compiled), better(report, loop)
    plain = report.time(numpy_only, samples=1)
    clean = mine.guarded and theirs.guarded
    differs = np.abs(np.array([r.log_likelihood for r in compiled()]) / np.array(loop()) - 1).max()
    report.say(f"* Old Faithful, K = 2, the same 100 starts, {count} iterations each: bayesmix {mine.seconds:.4g}, "
               f"a loop of scikit-learn fits {theirs.seconds:.4g}; they differ by {differs:.1e}")  # fmt: skip
    report.say("  " + report.goal("E12 (numba)", theirs.seconds / mine.seconds, 150, clean))
    report.say("  " + report.goal("E12 (NumPy only)", theirs.seconds / plain.seconds, 30, clean and plain.guarded))
    mine, theirs = report.time(whole), better(report, default)
    report.say(f"* Old Faithful, K = 2, each with its own 100 starts and tolerance 1e-3: bayesmix with its k-means++ "
               f"draws {mine.seconds:.4g}, scikit-learn's n_init=100 {theirs.seconds:.4g}.")  # fmt: skip
    report.say("  " + report.goal("E12 (n_init)", theirs.seconds / mine.seconds, 200, mine.guarded and theirs.guarded))


def table_of_kmeans(report, sizes):
    report.say("\n## k-means: ms per iteration\n")
    if not installed("scikit-learn"):
        report.say("Skipped: scikit-learn is not installed.")
        return
    from sklearn.cluster import KMeans

    report.say("| n, d, K | bayesmix | scikit-learn (Lloyd) | ratio | centres differ by | goal |")
    report.say("|---|---|---|---|---|---|")
    for n, d, K in sizes:
        # much overlap and central starts: ten iterations do not converge, and no cluster loses its last row (in which
        # case the two programs go different ways: scikit-learn moves its centre, we keep it)
        x, count = blobs(n, d, K, scale=1.0), 10
        centres = x[np.random.default_rng(0).choice(n, (K, 5), replace=False)].mean(axis=1)
        family = bm.Gaussian(mean=F(), var=bm.Fixed(1.0), isotropic=True, shared=True)
        data = bm.Data(x)
        problem = Problem.of(bm.Mixture(family, K, weight=bm.Fixed(np.full(K, 1 / K))).resolve(data), data)
        theta = {"weight": np.full(K, 1 / K), "mean": centres, "var": np.ones((1, 1))}
        options = {"stiffness": (math.inf,), "max_iter": count, "tol": 0}

        small = batch.Batch.of(problem) if batch.suits(problem) else None

        def ours(problem=problem, theta=theta, options=options, small=small):
            if small is not None:
                return small.climb([theta], **options)[0]
            return engine.run(problem, theta, **options)

        def theirs(x=x, K=K, centres=centres, count=count):
            return KMeans(K, init=centres, n_init=1, max_iter=count, tol=0, algorithm="lloyd").fit(x)

        mine, other = report.time(ours), better(report, theirs)
        done, gone = max(ours().iterations, 1), max(theirs().n_iter_, 1)
        differs = np.abs(ours().theta["mean"] - theirs().cluster_centers_).max() if done == gone else np.nan
        ratio = (other.seconds / gone) / (mine.seconds / done)
        goal = report.goal("E13", ratio, 1.2 if d <= 10 else 1.0, mine.guarded and other.guarded)
        times = f"{1e3 * mine.seconds / done:.4g} | {1e3 * other.seconds / gone:.4g}"
        report.say(f"| {(n, d, K)} | {times} | {ratio:.3g}x | {differs:.1e} | {goal} |")  # fmt: skip


def table_of_bernoulli(report, sizes):
    report.say("\n## Bernoulli mixtures: ms per iteration\n")
    report.say("Goal E14 asks for 3x StepMix and 10x pomegranate (in single precision).\n")
    known = installed("stepmix")
    if not known:
        report.say("StepMix is not installed: skipped; the times of bayesmix alone follow (goal E14 not measured).\n")
    for n, d, K in sizes:
        rng = np.random.default_rng(0)
        x = (rng.random((n, d)) < rng.uniform(0.1, 0.9, (K, d))[rng.integers(K, size=n)]).astype(float)
        data, count = bm.Data(x), 10
        problem = Problem.of(bm.Mixture(bm.Bernoulli(prob=F()), K, weight=F()).resolve(data), data)
        theta = {"weight": np.full(K, 1 / K), "prob": rng.uniform(0.3, 0.7, (K, d))}
        mine = report.time(lambda p=problem, t=theta, m=count: engine.run(p, t, max_iter=m, tol=0))
        line = f"* {(n, d, K)}: bayesmix {1e3 * mine.seconds / count:.4g}"
        if known:
            from stepmix.stepmix import StepMix

            def theirs(x=x, K=K, count=count):
                return StepMix(K, measurement="binary", n_init=1, max_iter=count, abs_tol=0, rel_tol=0,
                               progress_bar=0, verbose=0, random_state=0).fit(x)  # fmt: skip

            other = better(report, theirs)
            goal = report.goal("E14", other.seconds / mine.seconds, 3, mine.guarded and other.guarded)
            line += f", StepMix {1e3 * other.seconds / count:.4g}; {goal}"
        if installed("pomegranate"):
            ratio, clean = pomegranate_ratio(report, em_rivals.pomegranate(x, theta, count), mine)
            goal = report.goal("E14, pomegranate", ratio, 10, clean)
            line += f"; pomegranate {1e3 * ratio * mine.seconds / count:.4g}; {goal}"
        else:
            line += "; pomegranate not installed"
        report.say(line)


def table_of_scaling(report, sizes):
    report.say("\n## Cost in n (full covariance, d = 2, K = 5): ns per row and iteration\n")
    costs = {}
    for n in sizes:
        case = Case(n, 2, 5)
        t = report.time(case.ours, samples=1)
        costs[n] = 1e9 * t.seconds / case.count / n
        note = "" if t.guarded or not report.guarded else " (unguarded)"
        report.say(f"* n = {n:.0e}: {costs[n]:.3g}{note}")
    low, high = min(costs.values()), max(costs.values())
    report.say(f"\nThe largest of them is {high / low:.2f} times the smallest.")


def child(*command):
    """What a Python process of its own prints. It ends with this one, however that ends (on Linux)."""
    bound = {"preexec_fn": die_with_parent} if sys.platform == "linux" else {}
    # an installed package has its bytecode; without it the compilation of this source would be timed as its import
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, env=env, **bound)
    if done.returncode:
        raise RuntimeError(f"python {command[0]} ... ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def die_with_parent():
    """Asks the kernel, from a child, to be killed when the parent is gone."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


MEMORY = """
import re, sys
import numpy as np
import bayesmix as bm
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
n, d, K = map(int, sys.argv[1:])
F = bm.Flat
def fit(x):
    theta = {"weight": np.full(K, 1 / K), "mean": x[:K].copy(), "cov": np.array([np.eye(d) * 9] * K)}
    return bm.fit_em(bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), K, weight=F()), data, start=theta, max_iter=3, seed=0)
rng = np.random.default_rng(0)
data = bm.Data(rng.normal(size=(2000, d)))
fit(data.x)  # everything imported and compiled
data = bm.Data(rng.normal(size=(n, d)))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
fit(data.x)
print(peak() - before)
"""


def table_of_memory(report, sizes):
    report.say("\n## Peak memory of `fit_em` beyond the data, MiB (goal E10: 1.1 X + 64)\n")
    if not Path("/proc/self/clear_refs").exists():
        report.say("Skipped: this system does not tell the peak of a process.")
        return
    for n, d, K in sizes:
        extra, size = float(child("-c", MEMORY, str(n), str(d), str(K))), n * d * 8 / 2**20
        met = "met" if extra <= 1.1 * size + 64 else "not met"
        report.say(f"* {(n, d, K)}: {extra:.0f} beside X of {size:.0f}: {met}")


FIT = """
import sys, time
import bayesmix as bm
data = bm.read_data(sys.argv[1])
bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), data, seed=0)
"""


def table_of_start(report):
    """Start-up in processes of their own: CPU seconds beyond Python's own, caches warm."""
    report.say("\n## Start (goal S1): CPU seconds of a process beyond Python's own, bytecode and caches there\n")

    def seconds(*command):
        spent = []
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            child(*command)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return float(np.median(spent[1:]))  # the first one fills the caches

    bare = seconds("-c", "pass")
    took = seconds("-c", "import bayesmix") - bare
    report.say(f"* `import bayesmix`: {took:.2f} of 0.5: {'met' if took <= 0.5 else 'not met'}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faithful.csv"
        data = bm.datasets.old_faithful()
        np.savetxt(path, data.x, delimiter=",", header=",".join(data.names), comments="")
        took = seconds("-c", FIT, str(path)) - bare
        report.say(f"* reading 272 rows and fitting them by EM: {took:.2f} of 2: {'met' if took <= 2 else 'not met'}")
        out = str(Path(folder) / "report")
        call = "import sys; from bayesmix.cli import main; main(['fit', *sys.argv[1:], '-k', '2', '--engine', 'em'])"
        took = seconds("-c", call, str(path), "--out", out) - bare
        report.say(f"* `bayesmix fit faithful.csv -k 2 --engine em`, report included: {took:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, unguarded, nothing written")
    parser.add_argument("--unguarded", action="store_true", help="keep every sample; the table says so")
    args = parser.parse_args()
    report = Report(guarded=not (args.quick or args.unguarded), to=None if args.quick else HERE / "RESULTS.md")
    names = {n: installed(n) for n in ("numpy", "scipy", "numba", "scikit-learn", "stepmix", "pomegranate")}
    report.say("# EM beside its rivals\n")
    report.say("Command: `python benchmarks/bench_em.py" + ("" if report.guarded else " --unguarded") + "`\n")
    report.say(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
               + ", ".join(f"{n} {v}" if v else f"{n} not installed" for n, v in names.items()) + ".")  # fmt: skip
    report.say("Medians; " + ("samples during which other processes used more than 12 % of a core are rejected, and a "
               "cell without a clean sample is marked unguarded." if report.guarded else "unguarded."))  # fmt: skip
    small, large = [s for s in SIZES if s[0] <= 10_000], SIZES
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*did not converge.*")
        warnings.filterwarnings("ignore", message=".*[Cc]onvergence.*")
        table_of_em(report, small if args.quick else large, full=True)
        table_of_em(report, small if args.quick else large[:3], full=False)
        table_of_others(report, SIZES[:1] if args.quick else [SIZES[0], SIZES[2]])
        table_of_restarts(report)
        table_of_kmeans(report, small[1:] if args.quick else [large[i] for i in (1, 2, 3, 4, 5)])
        table_of_bernoulli(report, [(1797, 64, 10)] if args.quick else [(1797, 64, 10), (60_000, 64, 10)])
        table_of_scaling(report, [10**3, 10**4] if args.quick else [10**3, 10**4, 10**5, 10**6, 10**7])
        table_of_memory(report, [(20_000, 10, 10)] if args.quick else [(10**6, 10, 10), (10**6, 2, 50), (10**7, 2, 5)])
        table_of_start(report)


if __name__ == "__main__":
    main()
