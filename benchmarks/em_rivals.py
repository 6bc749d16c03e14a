"""The same climbs by pomegranate (PyTorch, single precision) and by mclust (R), for `bench_em.py`."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

FIND = 'quit(status = !requireNamespace("mclust", quietly = TRUE))'
ME = """
suppressMessages(library(mclust))
args <- commandArgs(TRUE)
x <- as.matrix(read.csv(args[1], header = FALSE)); z <- as.matrix(read.csv(args[2], header = FALSE))
count <- as.integer(args[3]); control <- emControl(tol = c(0, 0), itmax = c(count, count))
climb <- function() me(data = x, modelName = "VVV", z = z, control = control)
fit <- suppressWarnings(climb())
once <- max(system.time(suppressWarnings(climb()))[["elapsed"]], 1e-4)
times <- ceiling(0.3 / once)
seconds <- sapply(1:5, function(i) system.time(for (j in 1:times) suppressWarnings(climb()))[["elapsed"]] / times)
cat(sprintf("%.17g %.17g %d %s", median(seconds), fit$loglik, attr(fit, "info")[["iterations"]],
            as.character(packageVersion("mclust"))))
"""


def mclust(x, r, count):
    """(seconds, log likelihood, iterations, version) of `count` iterations of mclust from responsibilities r (n, K).

    R times itself: the median of five samples of at least .3 s. None where R or mclust is absent.
    """
    if shutil.which("Rscript") is None or subprocess.run(["Rscript", "-e", FIND], check=False).returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        rows, z, script = (Path(folder) / name for name in ("x.csv", "z.csv", "me.R"))
        np.savetxt(rows, x, delimiter=",", fmt="%.17g")
        np.savetxt(z, r, delimiter=",", fmt="%.17g")
        script.write_text(ME, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", str(script), str(rows), str(z), str(count)], check=True, stdout=subprocess.PIPE, text=True
        )
    seconds, log_likelihood, iterations, version = done.stdout.split()
    return float(seconds), float(log_likelihood), abs(int(iterations)), version


def pomegranate(x, theta, count):
    """A call of `count` iterations from theta (Gaussian with `cov`, or Bernoulli with `prob`); it gives the model."""
    import torch
    from pomegranate.distributions import Bernoulli, Normal
    from pomegranate.gmm import GeneralMixtureModel

    rows = torch.tensor(x, dtype=torch.float32)

    def single(a):
        return torch.tensor(a, dtype=torch.float32)

    def components():
        if "prob" in theta:
            return [Bernoulli(single(p), check_data=False) for p in theta["prob"]]
        return [
            Normal(single(m), single(c), covariance_type="full", check_data=False)
            for m, c in zip(theta["mean"], theta["cov"], strict=True)
        ]

    def climb():
        model = GeneralMixtureModel(
            components(), priors=single(theta["weight"]), max_iter=count, tol=-1e30, check_data=False
        )
        with torch.no_grad():
            return model.fit(rows)

    return climb


def fewest_threads(call):
    """The call with one of PyTorch's threads."""
    import torch

    def alone():
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return call()
        finally:
            torch.set_num_threads(threads)

    return alone
