"""p(K | y) of galaxies and acidity under Richardson & Green's prior: writes reports/evidence.md.

    python benchmarks/study_evidence.py [--draws 300000] [--particles 8000] [--to reports/evidence.md]

weight ~ Dirichlet(1), mean_k ~ N(midrange, range^2), var_k ~ InverseGamma(2, s), s ~ Gamma(0.2, 10 / range^2), and
K uniform on 1, ..., 8. The answer comes from `bm.telescope`, one sampler over all K. Beside it stand differences of
log evidences between neighbours, each K by itself, by `bm.smc_evidence`, which shares nothing with it but the
density; they are compared as log p(K + 1 | y) / p(K | y).

References: Richardson & Green (1997), JRSS B 59:731-792, sections 2.4 and 4.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import bayesmix as bm

MOST = 8
CHECKED = {"galaxies": (3, 4, 5), "acidity": (2, 3, 4)}  # number of components whose evidence is computed apart


def model(x, K):
    """Richardson & Green's prior for these data."""
    width, middle = np.ptp(x), 0.5 * (x.max() + x.min())
    var = bm.InverseGamma(2.0, bm.Gamma(0.2, 10 / width**2))
    return bm.Mixture(bm.Gaussian(mean=bm.Normal(middle, width), var=var), K)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=300_000, help="kept sweeps of each of four chains")
    parser.add_argument("--particles", type=int, default=8000, help="of each of eight SMC runs; 0 leaves them out")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--to", type=Path, default=Path("reports/evidence.md"))
    options = parser.parse_args(arguments)
    lines = [
        "# The number of components under Richardson & Green's prior",
        "",
        f"`bm.telescope`, 4 chains of {options.draws} sweeps after 2000 of warm-up, K uniform on 1 to {MOST}; Monte "
        "Carlo standard errors in brackets.",
        "",
        "| data | " + " | ".join(f"K = {k}" for k in range(1, MOST + 1)) + " | effective draws | seconds (CPU) |",
        "|---|" + "---|" * (MOST + 2),
    ]
    checks = []
    for name in CHECKED:
        data = getattr(bm.datasets, name)()
        start = time.process_time()
        found = bm.telescope(
            model(data.x, 1), data, range(1, MOST + 1), draws=options.draws, tune=2000, seed=options.seed
        )
        spent = time.process_time() - start
        cells = [f"{p:.4f} ({se:.4f})" for p, se in zip(found.probability, found.se, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {found.effective:.0f} | {spent:.0f} |")
        print(lines[-1], flush=True)
        if options.particles:
            checks += [(name, *row) for row in check(data, found, CHECKED[name], options)]
    if checks:
        lines += [
            "",
            "Log ratios of neighbours, log p(K + 1 | y) - log p(K | y), beside differences of log evidences by SMC "
            f"(8 runs of {options.particles} particles for each K).",
            "",
            "| data | K, K + 1 | telescope | SMC | difference in standard errors |",
            "|---|---|---|---|---|",
        ]
        for name, k, a, sa, b, sb in checks:
            z = (a - b) / np.hypot(sa, sb)
            lines.append(f"| {name} | {k}, {k + 1} | {a:.3f} ({sa:.3f}) | {b:.3f} ({sb:.3f}) | {z:+.1f} |")
    lines += ["", f"Made by `python benchmarks/study_evidence.py`, seed {options.seed}.", ""]
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def check(data, found, numbers, options):
    """(K, log ratio by telescope, error, by SMC, error) of neighbouring K."""
    by_smc = {}
    for K in numbers:
        by_smc[K] = bm.smc_evidence(model(data.x, K), data, particles=options.particles, seed=options.seed + K)
        print(K, by_smc[K], flush=True)
    for K in numbers[:-1]:
        p, se = found.probability[K - 1 : K + 1], found.se[K - 1 : K + 1]
        ratio, error = np.log(p[1] / p[0]), np.hypot(*(se / p))
        one, two = by_smc[K], by_smc[K + 1]
        yield K, ratio, error, two.value - one.value, np.hypot(one.se, two.se)


if __name__ == "__main__":
    main()
