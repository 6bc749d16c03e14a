"""What a fit of many rows takes of memory, from `fit_mcmc` to the stored file, measured by the operating system."""

import subprocess
import sys

import pytest

from bayesmix.mcmc.pack import STORED
from bayesmix.spec.many import CELLS

CHAINS, DRAWS, N, K = 4, 1000, 100_000, 3
CHILD = """
import resource, sys
import numpy as np, bayesmix as bm

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def fit(n, path):
    rng = np.random.default_rng(0)
    x = 4.0 * rng.integers(3, size=n) + rng.normal(size=n)
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 3)
    em = bm.fit_em(model, x, restarts=2, seed=1)
    mcmc = bm.fit_mcmc(model, x, draws=int(sys.argv[2]), tune=50, chains=int(sys.argv[3]), start=em, sampler="gibbs",
                       seed=2, progress=False)
    mcmc.save(path)
    return mcmc

fit(200, sys.argv[4])  # what the libraries take
before = peak()
mcmc = fit(int(sys.argv[1]), sys.argv[4])
print(before, peak(), mcmc.groups["log_likelihood"].sizes["draw"], len(mcmc.groups["allocation"]["lower"]))
"""


@pytest.mark.certify
def test_four_chains_of_1000_draws_on_100_000_rows(tmp_path):
    """Beside the numbers that are stored, working arrays; never draws x rows (3.2 GB), nor that times K (9.6 GB).

    Stored are STORED numbers twice (log likelihood, predictive draws). At work at once: a run of draws (its r, of
    CELLS numbers, and at most seven arrays of that size to make it, or the quantiles' copies of a block of rows) and
    sixteen arrays of (n, K) numbers: labels, features, responsibilities of the reference, means and intervals.
    """
    path = tmp_path / "fit.nc"
    words = [str(v) for v in (N, DRAWS, CHAINS, path)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    before, peak, stored, rows = map(int, done.stdout.split())
    assert stored == STORED // (CHAINS * N) and rows == N
    bound = 8 * (2 * STORED + 8 * CELLS + 16 * N * K)
    assert bound < CHAINS * DRAWS * N * 8 / 4  # the array of draws x rows alone would be seen
    print(f"{(peak - before) / 2**20:.0f} MiB of {bound / 2**20:.0f}, {before / 2**20:.0f} before")
    assert peak - before <= bound, f"{(peak - before) / 2**20:.0f} MiB of {bound / 2**20:.0f}"
    assert path.stat().st_size < 8 * (2 * STORED + 20 * N * K)
