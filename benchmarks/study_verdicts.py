"""The bench of verdicts, on seeds that no threshold was chosen on: `make study`; a table into reports/verdicts.md.

    python benchmarks/study_verdicts.py [--seeds 3] [--sounds 400] [--only NAME] [--first 100] [--workers 2]

Cases and sound fits come from tests/diagnosis_bench. Thresholds were chosen on seed 0; these are 100 and up. The
table is written anew after every ten verdicts, so that an interrupted study leaves what it has.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOUND = "a sound fit"


def judged(root, name, seed):
    """(name, seed, verdict, CPU seconds) of a case, or of the sound fit of that number."""
    sys.path.insert(0, f"{root}/tests")
    import bayesmix as bm
    from diagnosis_bench import CASES, sounds

    begin = time.process_time()
    fit, em = sounds(seed, 100) if name == SOUND else CASES[name].make(seed)
    verdict = bm.diagnose(fit, em, progress=False).verdict
    return name, seed, verdict, time.process_time() - begin


def main():
    """Run the bench and write the table."""
    from joblib import Parallel, delayed

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--sounds", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--to", default=str(ROOT / "reports" / "verdicts.md"))
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from diagnosis_bench import CASES

    jobs = [
        (name, seed)
        for seed in range(args.first, args.first + args.seeds)
        for name in CASES
        if args.only in name
    ] + [(SOUND, i) for i in range(args.sounds)]  # fmt: skip
    results = []
    calls = (delayed(judged)(str(ROOT), *job) for job in jobs)
    for result in Parallel(n_jobs=args.workers, return_as="generator")(calls):
        results.append(result)
        name, seed, verdict, _ = result
        if verdict not in truth_of(name, CASES):
            print(f"{name}, seed {seed}: {verdict}", flush=True)
        if len(results) % 10 == 0 or len(results) == len(jobs):
            Path(args.to).write_text(report(results, CASES), encoding="utf-8")
    print(Path(args.to).read_text(encoding="utf-8"))


def truth_of(name, cases):
    """The verdicts that are right."""
    return ("sound",) if name == SOUND else cases[name].truth


def report(results, cases):
    """The confusion matrix, the cases that went wrong, and the sound fits, as Markdown."""
    from bayesmix.diagnostics.findings import VERDICTS

    bench = [r for r in results if r[0] != SOUND]
    sound = Counter(verdict for name, _, verdict, _ in results if name == SOUND)
    matrix = Counter((truth_of(name, cases)[0], verdict) for name, _, verdict, _ in bench)
    wrong = [(name, seed, verdict) for name, seed, verdict, _ in bench if verdict not in truth_of(name, cases)]
    seeds = sorted({seed for _, seed, _, _ in bench})
    names = {name for name, *_ in bench}
    minutes = sum(seconds for *_, seconds in results) / 60
    lines = ["# Verdicts on cases whose truth is known", ""]
    if bench:
        lines += [
            f"Written by `benchmarks/study_verdicts.py` (`make study`): {minutes:.0f} minutes of CPU time. "
            f"{len(names)} cases of `tests/diagnosis_bench`, {sum(cases[n].real for n in names)} of them real MCMC "
            f"output, on seeds {seeds[0]} to {seeds[-1]}; thresholds were chosen on seed 0.",
            "",
            f"**{len(bench) - len(wrong)} of {len(bench)} verdicts are right.** Lines: truth; columns: verdict.",
            "",
            "| truth | " + " | ".join(VERDICTS) + " |",
            "|---|" + "---|" * len(VERDICTS),
        ]
        lines += [f"| {t} | " + " | ".join(str(matrix[t, v] or "·") for v in VERDICTS) + " |" for t in VERDICTS]
        lines += [
            "",
            "Where the evidence is ambiguous by construction several verdicts count as right: slow chains are not "
            "converged or undecided, and groups that overlap until no row tells them apart are undecided, degenerate "
            "or not converged. The line is that of the first.",
            "",
        ]
    if wrong:
        lines += ["| wrong | seed | truth | verdict |", "|---|---|---|---|"]
        lines += [f"| {n} | {s} | {' or '.join(truth_of(n, cases))} | {v} |" for n, s, v in wrong] + [""]
    count = sum(sound.values())
    if count:
        others = ", ".join(f"{v} {c}" for v, c in sound.items() if v != "sound") or "none"
        lines += [
            f"**Of {count} sound fits {count - sound['sound']} were accused** ({others}): well separated groups, eight "
            "families, K = 2 to 5, half made-up draws and half Gibbs output, 4 chains of 500 draws.",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
