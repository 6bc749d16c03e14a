"""Simulation-based calibration of the samplers: 100 replicates each, K = 2, into reports/sbc.md.

    python benchmarks/study_sbc.py            Gibbs, every case (minutes)
    python benchmarks/study_sbc.py --nuts     the first case by nutpie too (an hour: each replicate builds its model)

Every case is a model with proper priors and the shape of its data; theta and data are drawn from it, the posterior
is sampled from a start drawn from the prior, and the ranks of label-invariant quantities must be uniform. The last
two are controls, whose believed prior is not the one that made the data: they must be found out.
"""

import sys
import time
from pathlib import Path

import numpy as np

import bayesmix as bm

OUT = Path(__file__).parents[1] / "reports" / "sbc.md"
SETTINGS = {"replicates": 100, "draws": 99, "thin": 4, "tune": 100, "seed": 20_261_122}
ROWS = 40

gaussian = bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2))
apart = bm.Gaussian(mean=bm.Normal([[0.0], [1.0]], 2), var=bm.InverseGamma(3, 2))
full = bm.MvGaussian(mean=bm.Normal(0, 3), cov=bm.InverseWishart(5, 2.0))
poisson = bm.Poisson(rate=bm.Gamma(2, 0.5))
bernoulli = bm.Bernoulli(prob=bm.Beta(1, 1))
floor = bm.MinWeight(0.1)


def shape(d, labelled=0):
    """A Data of ROWS rows and d columns, the first `labelled` rows with a label."""
    label = np.where(np.arange(ROWS) < labelled, np.arange(ROWS) % 2, -1)
    return bm.Data(np.arange(ROWS * d).reshape(ROWS, d) % 2.0, label=label if labelled else None)


CASES = {
    "Gaussian": (gaussian, (), shape(1), {}),
    "Gaussian, ordered means and a floor": (gaussian, (bm.Order("mean"), floor), shape(1), {}),
    "Gaussian, means of unlike priors in order": (apart, (bm.Order("mean"),), shape(1), {}),
    "Gaussian, 6 rows labelled": (gaussian, (), shape(1, labelled=6), {}),
    "Gaussian, 2-D, full covariances": (full, (), shape(2), {}),
    "Poisson": (poisson, (), shape(1), {}),
    "Poisson, ordered rates and a floor": (poisson, (bm.Order("rate"), floor), shape(1), {}),
    "Bernoulli, 4 columns": (bernoulli, (), shape(4), {}),
    "Bernoulli, 4 columns, ordered and a floor": (bernoulli, (bm.Order("prob", by=0), floor), shape(4), {}),
    "control: Gaussian, means from N(0, 3) taken for N(0, 1.5)": (
        bm.Gaussian(mean=bm.Normal(0, 1.5), var=bm.InverseGamma(3, 2)), (), shape(1), {"truth": gaussian},
    ),
    "control: Gaussian, means from N(0, 3) taken for N(0, 1)": (
        bm.Gaussian(mean=bm.Normal(0, 1), var=bm.InverseGamma(3, 2)), (), shape(1), {"truth": gaussian},
    ),
}  # fmt: skip


def study(name, sampler, settings):
    """The Calibration of one case."""
    family, constraints, data, other = CASES[name]
    model = bm.Mixture(family, 2, constraints=constraints)
    options = {"truth": bm.Mixture(other["truth"], 2, constraints=constraints)} if other else {}
    return bm.calibrate(model, data, sampler=sampler, **options, **settings)


def row(name, sampler, found):
    """A line of the report."""
    p = found.table[["chi2 p", "ecdf p"]].min(axis=1)
    middle = found.table["mean rank"]
    verdict = "calibrated" if found.ok else "**not calibrated**"
    each = ", ".join(f"{q} {middle[q]:.2f} ({p[q]:.2g})" for q in found.table.index)
    return f"| {name} | {sampler} | {verdict} | {found.least:.2g} | {each} |"


def main(arguments):
    jobs = [(name, "gibbs") for name in CASES] + [("Gaussian", "nutpie")] * ("--nuts" in arguments)
    lines, wrong = [], []
    for name, sampler in jobs:
        began = time.process_time()
        found = study(name, sampler, SETTINGS | ({"thin": 2, "tune": 500} if sampler != "gibbs" else {}))
        lines.append(row(name, sampler, found))
        wrong += [name] if found.ok == name.startswith("control") else []
        print(f"{lines[-1]}  {time.process_time() - began:.0f} s of processor time", flush=True)
        OUT.write_text(page(lines), encoding="utf-8")
    if wrong:
        sys.exit(f"study_sbc: not as it should be: {', '.join(wrong)}.")


def page(lines):
    """The report."""
    left = [name for name in CASES if not any(line.startswith(f"| {name} |") for line in lines)]
    left = f"Not run here: {'; '.join(left)}.\n" if left else ""
    said = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    return f"""# Simulation-based calibration

Made by `python benchmarks/study_sbc.py` ({said}; {ROWS} rows, K = 2; NUTS: thin 2, tune 500).
theta is drawn from the prior (constraints included) and data from theta; the rank of the truth among the posterior
draws must be uniform. `p` is the smallest p-value over all quantities and both tests (chi-squared in ten bins, and
the simultaneous ECDF test of Säilynoja, Bürkner & Vehtari 2022), times their number; below 0.01 a case counts as
not calibrated. For each quantity: mean relative rank (0.5 when calibrated) and the smaller of its two p-values.
The controls draw theta from another prior than the model believes, and must be found out; the milder one only just is.
{left}
| case | sampler | verdict | p | quantities |
|---|---|---|---|---|
{chr(10).join(lines)}
"""


if __name__ == "__main__":
    main(sys.argv[1:])
