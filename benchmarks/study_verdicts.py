"""The bench of verdicts, on seeds that no threshold was chosen on: `make study`; a table into reports/verdicts.md.

    python benchmarks/study_verdicts.py [--seeds 3] [--sounds 400] [--only NAME]

Cases and sound fits come from tests/diagnosis_bench. Thresholds were frozen on seeds 0-19; these are 100 and up.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
FIRST = 100  # the first seed of the published table


def judged(make):
    """(verdict, all verdicts) of one made fit."""
    import bayesmix as bm

    fit, em = make()
    diagnosis = bm.diagnose(fit, em, progress=False)
    return diagnosis.verdict, diagnosis.verdicts


def main():
    """Run the bench and write the table."""
    from bayesmix.diagnostics.findings import VERDICTS
    from diagnosis_bench import CASES, sounds

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sounds", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--to", default=str(ROOT / "reports" / "verdicts.md"))
    args = parser.parse_args()
    begin, results = time.process_time(), {}
    for name, case in CASES.items():
        if args.only in name:
            seeds = range(FIRST, FIRST + args.seeds)
            results[name] = [judged(lambda case=case, s=s: case.make(s))[0] for s in seeds]
            print(f"{name}: {', '.join(results[name])}", flush=True)
    accused = Counter()
    for i in range(args.sounds):
        verdict, _ = judged(lambda i=i: sounds(i, FIRST))
        accused[verdict] += 1
        if verdict != "sound":
            print(f"sound fit {i}: {verdict}", flush=True)
    text = report(results, CASES, accused, VERDICTS, time.process_time() - begin)
    Path(args.to).write_text(text, encoding="utf-8")
    print(text)


def report(results, cases, accused, verdicts, seconds):
    """The confusion matrix, the cases that went wrong, and the sound fits, as Markdown."""
    matrix, right, wrong = Counter(), 0, []
    for name, given in results.items():
        truth = cases[name].truth
        for verdict in given:
            matrix[truth[0], verdict] += 1
            right += verdict in truth
        missed = Counter(v for v in given if v not in truth)
        if missed:
            wrong.append(f"| {name} | {' or '.join(truth)} | {', '.join(f'{v} ({c})' for v, c in missed.items())} |")
    total = sum(map(len, results.values()))
    real = sum(cases[name].real for name in results)
    lines = [
        "# Verdicts on cases whose truth is known",
        "",
        f"Written by `benchmarks/study_verdicts.py` (`make study`), {seconds / 60:.0f} minutes of CPU time. "
        f"{len(results)} cases of `tests/diagnosis_bench`, {real} of them real MCMC output, each on "
        f"{len(next(iter(results.values()), []))} seeds from {FIRST} on; thresholds were frozen on seeds 0-19.",
        "",
        f"**{right} of {total} verdicts are right.** Lines are the truth, columns the verdict.",
        "",
        "| truth | " + " | ".join(verdicts) + " |",
        "|---|" + "---|" * len(verdicts),
    ]
    for truth in verdicts:
        lines.append(f"| {truth} | " + " | ".join(str(matrix[truth, v] or "·") for v in verdicts) + " |")
    lines += [
        "",
        "Where the evidence is ambiguous by construction several verdicts count as right (slow chains: not converged "
        "or undecided; groups that overlap until no row tells them apart: undecided, degenerate or not converged); the "
        "line is that of the first.",
        "",
    ]
    if wrong:
        lines += ["| wrong | truth | verdict (how often) |", "|---|---|---|", *wrong, ""]
    count = sum(accused.values())
    if count:
        others = ", ".join(f"{v} {c}" for v, c in accused.items() if v != "sound") or "none"
        lines += [
            f"**Of {count} sound fits {count - accused['sound']} were accused** ({others}): well separated groups, "
            "eight families, K = 2 to 5, half made-up draws and half Gibbs output, 4 chains of 500 draws.",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
