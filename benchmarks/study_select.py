"""How often each criterion finds the number of components, and how often the dossier refuses: into reports/select.md.

    python benchmarks/study_select.py [--sets 200] [--every 2] [--first 1000] [--workers 2] [--rows 150]

Data sets of a known number of Gaussian components, K = 1 to 4, whose means lie `separation` standard deviations apart;
the priors are the package's defaults, the candidates K = 1 to 5. EM's criteria are computed for every data set, the
chains' (Gibbs) for every second dozen. The table is written anew after every ten data sets, so that an interrupted
study leaves what it has.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
TRUTHS, SEPARATIONS = (1, 2, 3, 4), (2.0, 3.0, 5.0)
CANDIDATES = range(1, 6)
NONE = "none"


def made(seed, K, separation, rows):
    """The rows of one data set: equal weights, unit variances, means `separation` apart."""
    import bayesmix as bm

    rng = np.random.default_rng(seed)
    return bm.Data(rng.normal(separation * rng.integers(K, size=rows), 1.0)[:, None])


def one(seed, K, separation, rows, sampled):
    """(K, separation, criterion -> K it selects or "none", CPU seconds)."""
    import bayesmix as bm

    begin = time.process_time()
    engine = "both" if sampled else "em"
    dossier = bm.select(
        bm.Mixture(bm.Gaussian(), 1), made(seed, K, separation, rows), CANDIDATES, engine=engine, seed=seed, workers=1,
        progress=False,
    )  # fmt: skip
    found = {}
    for name, front in dossier.leaders.items():
        found[name] = front[0] if len(front) == 1 else NONE  # a tie, or nothing that can be used
    if sampled:
        found["the dossier"] = NONE if dossier.choice is None else dossier.choice
    else:
        found["the dossier by EM alone"] = NONE if dossier.choice is None else dossier.choice
    return K, separation, found, time.process_time() - begin


def jobs(sets, every, first, rows):
    """The arguments of `one`, truths and separations in turn."""
    cells = [(K, s) for s in SEPARATIONS for K in TRUTHS]
    out = [(first + i, *cells[i % len(cells)], rows, i // len(cells) % every == 0) for i in range(sets)]
    return sorted(out, key=lambda job: job[-1])  # the quick ones first


def main():
    """Run the study and write the table."""
    from joblib import Parallel, delayed

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--to", default=str(ROOT / "reports" / "select.md"))
    args = parser.parse_args()
    todo = jobs(args.sets, args.every, args.first, args.rows)
    results = []
    for result in Parallel(n_jobs=args.workers, return_as="generator")(delayed(one)(*job) for job in todo):
        results.append(result)
        if len(results) % 10 == 0 or len(results) == len(todo):
            Path(args.to).write_text(report(results, args.rows, args.first), encoding="utf-8")
            print(f"{len(results)} of {len(todo)} data sets", flush=True)
    print(Path(args.to).read_text(encoding="utf-8"))


def report(results, rows, first):
    """The table, as Markdown."""
    names = list(dict.fromkeys(name for _, _, found, _ in sorted(results, key=lambda r: -len(r[2])) for name in found))
    sampled = sum("the dossier" in found for _, _, found, _ in results)
    minutes = sum(seconds for *_, seconds in results) / 60
    lines = [
        "# How often the number of components is found",
        "",
        f"Written by `benchmarks/study_select.py` (`make study`): {minutes:.0f} minutes of CPU time, seeds "
        f"from {first}.",
        f"{len(results)} data sets of {rows} rows, K Gaussian components of equal weight and unit variance with means "
        "2, 3 or 5 standard deviations apart (two components 2 apart have a single hump); default priors, candidates "
        f"K = 1 to 5. EM's criteria rest on all of them, LOO, the evidence and the dossier on {sampled} (Gibbs).",
        "",
        "Each entry: right / wrong / no answer. No answer is a tie, or a number that must not be used; the dossier "
        "gives none where the leader by evidence ties, is barred by its verdict, or cannot be compared with a rival.",
        "",
        "| criterion | " + " | ".join(f"{s:g} apart" for s in SEPARATIONS) + " | all | wrong: too few / too many |",
        "|---|" + "---|" * (len(SEPARATIONS) + 2),
    ]
    for name in names:
        own = [(K, s, found[name]) for K, s, found, _ in results if name in found]
        cells = [tally([(K, f) for K, t, f in own if t == s]) for s in SEPARATIONS]
        few = sum(f != NONE and f < K for K, _, f in own)
        many = sum(f != NONE and f > K for K, _, f in own)
        lines.append(f"| {name} | {' | '.join(cells)} | {tally([(K, f) for K, _, f in own])} | {few} / {many} |")
    lines += ["", "By the true K, all separations together:", ""]
    lines += ["| criterion | " + " | ".join(f"K = {K}" for K in TRUTHS) + " |", "|---|" + "---|" * len(TRUTHS)]
    for name in names:
        own = [(K, found[name]) for K, _, found, _ in results if name in found]
        lines.append(f"| {name} | " + " | ".join(tally([p for p in own if p[0] == K]) for K in TRUTHS) + " |")
    return "\n".join([*lines, ""])


def tally(pairs):
    """right / wrong / no answer."""
    count = Counter("none" if found == NONE else "right" if found == K else "wrong" for K, found in pairs)
    return f"{count['right']} / {count['wrong']} / {count['none']}" if pairs else "–"


if __name__ == "__main__":
    main()
