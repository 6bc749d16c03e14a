"""The bench of verdicts, on seeds that no threshold was chosen on: `make study`; a table into reports/verdicts.md.

    python benchmarks/study_verdicts.py [--seeds 3] [--sounds 400] [--only NAME] [--first 520] [--workers 2] [--fresh]

Cases and sound fits come from tests/diagnosis_bench. Thresholds were chosen on some of the seeds 0 to 19, and wrong
verdicts of seeds 100 to 512 were looked at for their causes, so these are 520 and up; a rule that was new was taken
back after a first run of 520 and 521. Seed by seed: all cases, those with spare components first, which are the
dearest and the most often wrong; then a part of the sound fits.
Every verdict is written at once to reports/verdicts.jsonl, and the table after every ten: an interrupted study goes on
where it stopped. After a change of the code begin with --fresh.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOUND = "a sound fit"
STREAM = 510  # of random numbers of the sound fits


def judged(root, name, seed):
    """(name, seed, verdict, CPU seconds) of a case, or of the sound fit of that number."""
    sys.path.insert(0, f"{root}/tests")
    import bayesmix as bm
    from diagnosis_bench import CASES, sounds

    begin = time.process_time()
    fit, em = sounds(seed, STREAM) if name == SOUND else CASES[name].make(seed)
    verdict = bm.diagnose(fit, em, progress=False).verdict
    return name, seed, verdict, time.process_time() - begin


def main():
    """Run the bench and write the table."""
    from joblib import Parallel, delayed

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=520)
    parser.add_argument("--sounds", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--to", default=str(ROOT / "reports" / "verdicts.md"))
    parser.add_argument("--fresh", action="store_true", help="forget the verdicts of an earlier study")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from diagnosis_bench import CASES

    names = sorted((name for name in CASES if args.only in name), key=lambda name: not spare(CASES[name]))
    jobs, part = [], -(-args.sounds // args.seeds)
    for i in range(args.seeds):
        jobs += [(name, args.first + i) for name in names]
        jobs += [(SOUND, j) for j in range(i * part, min((i + 1) * part, args.sounds))]
    log = Path(args.to).with_suffix(".jsonl")
    log.parent.mkdir(exist_ok=True)
    if args.fresh:
        log.unlink(missing_ok=True)
    results = [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(name, seed) for name, seed, *_ in results}
    jobs = [job for job in jobs if job not in done]
    calls = (delayed(judged)(str(ROOT), *job) for job in jobs)
    for i, result in enumerate(Parallel(n_jobs=args.workers, return_as="generator_unordered")(calls), 1):
        results.append(result)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        name, seed, verdict, _ = result
        if verdict not in truth_of(name, CASES):
            print(f"{name}, seed {seed}: {verdict}", flush=True)
        if i % 10 == 0 or i == len(jobs):
            Path(args.to).write_text(report(sorted(results), CASES), encoding="utf-8")
    print(Path(args.to).read_text(encoding="utf-8"))


def spare(case):
    """Whether the components of a case are more than its groups."""
    return case.make.args[0].__module__ == "diagnosis_bench.spare"


def truth_of(name, cases):
    """The verdicts that are right."""
    return ("sound",) if name == SOUND else cases[name].truth


def kinds_of(missing, seed):
    """The kinds of cases that are missing on a seed, in words."""
    return ", ".join(dict.fromkeys(name.partition(":")[0] for name, s in missing if s == seed))


def report(results, cases):
    """The confusion matrix, the cases that went wrong, and the sound fits, as Markdown."""
    from bayesmix.diagnostics.findings import VERDICTS

    bench = [r for r in results if r[0] != SOUND]
    sound = Counter(verdict for name, _, verdict, _ in results if name == SOUND)
    matrix = Counter((truth_of(name, cases)[0], verdict) for name, _, verdict, _ in bench)
    wrong = [(name, seed, verdict) for name, seed, verdict, _ in bench if verdict not in truth_of(name, cases)]
    seeds = sorted({seed for _, seed, _, _ in bench})
    names = {name for name, *_ in bench}
    missing = [(name, seed) for seed in seeds for name in cases if (name, seed) not in {r[:2] for r in bench}]
    span = "" if not seeds else f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    minutes = sum(seconds for *_, seconds in results) / 60
    lines = ["# Verdicts on cases whose truth is known", ""]
    if bench:
        lines += [
            f"Written by `benchmarks/study_verdicts.py` (`make study`): {minutes:.0f} minutes of CPU time. "
            f"{len(names)} cases of `tests/diagnosis_bench`, {sum(cases[n].real for n in names)} of them real MCMC "
            f"output, on {span}; thresholds were chosen on some of the seeds 0 to 8, "
            f"after wrong verdicts of seeds 100, 200, 300, 400 to 411 and 501 to 521.",
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
            "converged or undecided; groups that overlap until no row tells them apart, and optima by the hundred, are "
            "undecided, degenerate or not converged; a component that holds a row or three is undecided or degenerate. "
            "The line is that of the first.",
            "",
        ]
    if missing:
        short = len(missing) <= 10
        left = [f"{n} (seed {s})" for n, s in missing] if short else [
            f"{count} of {len(cases)} cases on seed {s} ({kinds_of(missing, s)})"
            for s, count in Counter(s for _, s in missing).items()
        ]  # fmt: skip
        lines += [f"**Not run**: {', '.join(left)}.", ""]
    if wrong:
        lines += ["| wrong | seed | truth | verdict |", "|---|---|---|---|"]
        lines += [f"| {n} | {s} | {' or '.join(truth_of(n, cases))} | {v} |" for n, s, v in wrong] + [""]
    count = sum(sound.values())
    if count:
        others = ", ".join(f"{v} {c}" for v, c in sound.items() if v != "sound") or "none"
        lines += [
            f"**Of {count} sound fits {count - sound['sound']} were accused** ({others}): well separated groups, eight "
            "families, K = 2 to 5 (Bernoulli and Categorical: 2 and 3), half made-up draws and half Gibbs output, 4 "
            "chains of 500 draws.",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
