"""The first fit of a new machine: Old Faithful, K = 2, from `fit_mcmc(...)` to a stored file, all caches empty.

    python benchmarks/bench_cold.py

Each sampler runs twice in processes of its own, with PyTensor's and numba's caches in a folder that is new for the
first of the two (cold) and filled for the second (warm, but the first fit of its process). PyMC is imported before
the clock starts. Wall clock, and processor time of all threads, in seconds.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np, pymc, bayesmix as bm
prior = bm.InverseWishart(4, [[0.4, 0], [0, 80]])
model = bm.Mixture(bm.MvGaussian(mean=bm.Normal([3.5, 70], [1, 15]), cov=prior), 2, weight=bm.Dirichlet(2.0))
data = bm.datasets.old_faithful()
wall, own = time.perf_counter(), time.process_time()
bm.fit_mcmc(model, data, sampler=sys.argv[1], seed=1, progress=False).save(sys.argv[2])
print(f"{time.perf_counter() - wall:.1f} | {time.process_time() - own:.1f}")
"""


def main():
    print("| sampler | caches | wall, s | processor, s |\n|---|---|---|---|")
    for sampler in ("gibbs", "nutpie"):
        with tempfile.TemporaryDirectory() as folder:
            flags = ",".join(filter(None, [os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={folder}/pytensor"]))
            own = os.environ | {"PYTENSOR_FLAGS": flags, "NUMBA_CACHE_DIR": f"{folder}/numba"}
            for caches in ("empty", "filled"):
                words = [sys.executable, "-c", CHILD, sampler, str(Path(folder) / "fit.nc")]
                done = subprocess.run(words, capture_output=True, text=True, env=own, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                print(f"| {sampler} | {caches} | {done.stdout.strip()} |", flush=True)


if __name__ == "__main__":
    main()
