"""Simulation-based calibration of the samplers: 100 replicates each, K = 2, into reports/sbc.md.

    python benchmarks/study_sbc.py            every case by Gibbs, and by NUTS
    python benchmarks/study_sbc.py nutpie     one of the two; the lines of the other stay as they are
    python benchmarks/study_sbc.py nutpie Poisson Gaussian         some cases alone

Every case is a model with proper priors and the shape of its data; theta and data are drawn from it, the posterior
is sampled from a start drawn from the prior, and the ranks of label-invariant quantities must be uniform. The last
two are controls, whose believed prior is not the one that made the data: they must be found out. NUTS is compiled
once a case: every data set has the same form, and takes the place of the one before it.
"""

import sys
import time
from pathlib import Path

import numpy as np

import bayesmix as bm

OUT = Path(__file__).parents[1] / "reports" / "sbc.md"
SETTINGS = {"replicates": 100, "draws": 99, "seed": 20_261_122}
SAMPLERS = {"gibbs": {"thin": 4, "tune": 100}, "nutpie": {"thin": 5, "tune": 500}}
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


def kept():
    """The lines of the report as it stands, by case and sampler."""
    text = OUT.read_text(encoding="utf-8") if OUT.exists() else ""
    cells = [(line, [cell.strip() for cell in line.split("|")]) for line in text.splitlines() if line.startswith("| ")]
    return {(cell[1], cell[2]): line for line, cell in cells if cell[1] in CASES}


def main(samplers, names):
    lines, wrong = kept(), []
    for name, sampler in [(name, sampler) for sampler in samplers for name in names]:
        began = time.process_time()
        found = study(name, sampler, SETTINGS | SAMPLERS[sampler])
        lines[name, sampler] = row(name, sampler, found)
        wrong += [f"{name} by {sampler}"] if found.ok == name.startswith("control") else []
        print(f"{lines[name, sampler]}  {time.process_time() - began:.0f} s of processor time", flush=True)
        OUT.write_text(page(lines), encoding="utf-8")
    if wrong:
        sys.exit(f"study_sbc: not as it should be: {'; '.join(wrong)}.")


def page(lines):
    """The report, from its lines by case and sampler."""
    pairs = [(name, sampler) for sampler in SAMPLERS for name in CASES]
    left = "; ".join(f"{name} by {sampler}" for name, sampler in pairs if (name, sampler) not in lines)
    said = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    each = "; ".join(f"{who}: {', '.join(f'{n} {v}' for n, v in how.items())}" for who, how in SAMPLERS.items())
    ordered = "\n".join(lines[pair] for pair in pairs if pair in lines)
    return f"""# Simulation-based calibration

Made by `python benchmarks/study_sbc.py` ({said}; {each}; {ROWS} rows, K = 2).
theta is drawn from the prior (constraints included) and data from theta; the rank of the truth among the posterior
draws must be uniform. `p` is the smallest p-value over all quantities and both tests (chi-squared in ten bins, and
the simultaneous ECDF test of Säilynoja, Bürkner & Vehtari 2022), times their number; below 0.01 a case counts as
not calibrated. For each quantity: mean relative rank (0.5 when calibrated) and the smaller of its two p-values.
The controls draw theta from another prior than the model believes, and must be found out; the milder one only just is.
{f"Not run here: {left}." if left else "All cases were run."}

| case | sampler | verdict | p | quantities |
|---|---|---|---|---|
{ordered}
"""


if __name__ == "__main__":
    asked = sys.argv[1:]
    unknown = set(asked) - set(SAMPLERS) - set(CASES)
    if unknown:
        sys.exit(f"study_sbc: there is no {', '.join(sorted(unknown))}; samplers and cases: {[*SAMPLERS, *CASES]}.")
    main(*([one for one in some if one in asked] or list(some) for some in (SAMPLERS, CASES)))
