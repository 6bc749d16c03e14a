"""The goal of the diagnosis: 4 x 1000 draws of 1000 rows and 5 components in under 10 seconds, on two cores.

    python benchmarks/bench_diagnose.py           about a minute; writes benchmarks/RESULTS_DIAGNOSE.md
    python benchmarks/bench_diagnose.py --quick   4 x 50 draws of 100 rows, unguarded: does the script run?

`bm.diagnose(fit, em)` of Gibbs output, progress bar shown. First: the first call of a process that has already fitted,
imports of ArviZ and climbs from the draws included. Again: the median of later calls over clean samples (`guard.py`).
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
from guard import measure

import bayesmix as bm

GOAL = 10.0  # seconds
RESULTS = Path(__file__).parent / "RESULTS_DIAGNOSE.md"
K = 5


def tasks(n):
    """(name, family, rows) of five groups."""
    rng = np.random.default_rng(0)
    centre = 4.0 * (np.arange(n) % K)
    yield "Gaussian, d = 1", bm.Gaussian(), centre + rng.normal(size=n)
    yield "MvGaussian, d = 2", bm.MvGaussian(), centre[:, None] + rng.normal(size=(n, 2))
    yield "Poisson, d = 2", bm.Poisson(), rng.poisson((1 + centre[:, None]) ** 1.5, size=(n, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, unguarded")
    quick = parser.parse_args().quick
    n, draws = (100, 50) if quick else (1000, 1000)
    lines = [
        "# How long a diagnosis takes\n",
        f"Written by `benchmarks/bench_diagnose.py`: bayesmix {bm.__version__}, NumPy {np.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores{' (quick: no figure counts)' if quick else ''}.\n",
        "\n".join(__doc__.split("\n\n")[2].splitlines()) + "\n",
        f"| 4 x {draws} draws, {n} rows, K = {K} | verdict | first, s | again, s | samples | under {GOAL:.0f} s |",
        "|---|---|---|---|---|---|",
    ]
    for name, family, x in tasks(n):
        em = bm.fit_em(bm.Mixture(family, K, weight=bm.Dirichlet(2)), bm.Data(x), seed=1)
        fit = bm.fit_mcmc(em.mixture, em.data, start=em, sampler="gibbs", draws=draws, chains=4, tune=100, seed=2)
        begin = time.perf_counter()
        verdict = bm.diagnose(fit, em, progress=True).verdict
        first = time.perf_counter() - begin
        how = {"samples": 1, "shortest": 0.0, "guarded": False} if quick else {"budget": 30.0}
        timing = measure(lambda: bm.diagnose(fit, em, progress=True), **how)  # noqa: B023
        clean = f"{timing.clean} clean" if timing.guarded and not quick else "UNGUARDED"
        met = "met" if max(first, timing.seconds) < GOAL else "MISSED"
        lines.append(f"| {name} | {verdict} | {first:.1f} | {timing.seconds:.1f} | {clean} | {met} |")
    print("\n".join(lines))
    if not quick:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
