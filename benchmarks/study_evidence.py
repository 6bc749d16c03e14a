"""p(K | y) of galaxies and acidity under Richardson & Green's prior: writes reports/evidence.md.

    python benchmarks/study_evidence.py [--draws 200000] [--bridge 2000] [--to reports/evidence.md]

weight ~ Dirichlet(1), mean_k ~ N(midrange, range^2), var_k ~ InverseGamma(2, s), s ~ Gamma(0.2, 10 / range^2), and
K uniform on 1, ..., 8. The answer comes from `bm.telescope`, one sampler over all K. Beside it stands a difference of
log evidences between neighbours, each K by itself, by Gibbs and bridge sampling; they are compared as
log p(K + 1 | y) / p(K | y). The chains of a bridge are not diagnosed: that they agree with the other sampler, which
moves between numbers of components, is the check.

References: Richardson & Green (1997), JRSS B 59:731-792, sections 2.4 and 4.
"""

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import bayesmix as bm

MOST = 8
CHECKED = {"galaxies": (3, 4), "acidity": (2, 3)}  # numbers of components whose evidence is computed apart
TRUSTED = SimpleNamespace(verdicts=("sound",))


def model(x, K):
    """Richardson & Green's prior for these data."""
    width, middle = np.ptp(x), 0.5 * (x.max() + x.min())
    var = bm.InverseGamma(2.0, bm.Gamma(0.2, 10 / width**2))
    return bm.Mixture(bm.Gaussian(mean=bm.Normal(middle, width), var=var), K)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200_000, help="kept sweeps of each of four chains")
    parser.add_argument("--bridge", type=int, default=2000, help="draws of each of four chains for a bridge; 0: none")
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
        if options.bridge:
            checks += [(name, *row) for row in check(data, found, CHECKED[name], options)]
    if checks:
        lines += [
            "",
            "Log ratios of neighbours, log p(K + 1 | y) - log p(K | y), beside differences of log evidences by bridge "
            f"sampling (Gibbs, 4 chains of {options.bridge} draws for each K; their chains were not diagnosed).",
            "",
            "| data | K, K + 1 | telescope | bridge | difference in standard errors |",
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
    """(K, log ratio by telescope, error, by bridge sampling, error) of neighbouring K."""
    by_bridge = {}
    for K in numbers:
        fit = bm.fit_mcmc(model(data.x, K), data, sampler="gibbs", draws=options.bridge, start="prior",
                          seed=options.seed + K, progress=False)  # fmt: skip
        by_bridge[K] = bm.log_evidence(fit, diagnosis=TRUSTED, seed=options.seed)
        print(K, by_bridge[K], flush=True)
    for K in numbers[:-1]:
        p, se = found.probability[K - 1 : K + 1], found.se[K - 1 : K + 1]
        ratio, error = np.log(p[1] / p[0]), np.hypot(*(se / p))
        one, two = by_bridge[K], by_bridge[K + 1]
        yield K, ratio, error, two.value - one.value, np.hypot(one.se, two.se)


if __name__ == "__main__":
    main()
