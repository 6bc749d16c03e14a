"""How often each criterion finds the number of components, and how often the dossier refuses: into reports/select.md.

    python benchmarks/study_select.py [--sets 200] [--first 5000] [--workers 2] [--rows 150]

Data sets of a known number of Gaussian components, K = 1 to 4, whose means lie `separation` standard deviations apart;
the priors are the package's defaults, the candidates K = 1 to 5, the engines EM and Gibbs. Every data set adds a line
to reports/select.jsonl, so that an interrupted study goes on where it was; the rules of the dossier are applied when
the table is made from it. They were chosen on data sets of seeds 2000 to 2199 and below 1000.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
TRUTHS, SEPARATIONS = (1, 2, 3, 4), (2.0, 3.0, 5.0)
CANDIDATES = range(1, 6)
NONE = "none"
RESTARTS = 10  # of EM


def made(seed, K, separation, rows):
    """The rows of one data set: equal weights, unit variances, means `separation` apart."""
    import bayesmix as bm

    rng = np.random.default_rng(seed)
    return bm.Data(rng.normal(separation * rng.integers(K, size=rows), 1.0)[:, None])


def one(seed, K, separation, rows):
    """One line of the file: what the dossier of one data set rests on, as plain values."""
    import bayesmix as bm
    from bayesmix.selection import examine
    from bayesmix.selection.criteria import Subject

    begin, data = time.process_time(), made(seed, K, separation, rows)
    dossier = bm.select(
        bm.Mixture(bm.Gaussian(), 1), data, CANDIDATES, restarts=RESTARTS, sampler="gibbs", seed=seed, workers=1,
        progress=False,
    )  # fmt: skip
    records = []
    for r in dossier.records:
        alone = Subject(None, data, {}, {}, r.em, diagnosis=examine.verdict_on(r.em, r.em))
        cells = {n: [c.value, c.se, c.reason] for n, c in r.cells.items()}
        looked = [round(float(v), 6) for v in r.cell("LOO").rows] if r.cell("LOO").rows is not None else None
        draws = r.mcmc.shape[1] if r.mcmc else 0
        records.append(
            {"name": r.name, "verdict": r.verdict, "barred": r.barred, "barred by EM": examine.bar(alone),
             "groups": r.groups and [r.groups.probability.tolist(), r.groups.se.tolist()], "cells": cells,
             "LOO rows": looked, "draws": draws}
        )  # fmt: skip
    seconds = time.process_time() - begin
    return {"seed": seed, "K": K, "separation": separation, "rows": rows, "seconds": seconds, "records": records}


def read(line):
    """(K, separation, criterion -> K it selects or "none", CPU seconds, Dossier) of one line of the file."""
    from bayesmix.selection.counting import usual_prior
    from bayesmix.selection.criteria import Cell
    from bayesmix.selection.dossier import Dossier
    from bayesmix.selection.examine import Record
    from bayesmix.selection.groups import Groups

    def dossier(by, barred):
        records = []
        for r in line["records"]:
            rows = None if r["LOO rows"] is None else np.array(r["LOO rows"])
            cells = {n: Cell(*value, rows if n == "LOO" else None) for n, value in r["cells"].items()}
            groups = r["groups"] and Groups(*map(np.array, r["groups"]))
            idle = any(f"best optimum has {kind}" in r["cells"]["BIC"][2] for kind in ("an empty", "twin"))
            records.append(Record(r["name"], None, None, None, r["verdict"], r[barred], cells, "", groups, idle))
        return Dossier(tuple(records), by, usual_prior([r.name for r in records]), {})

    full, alone = dossier("log evidence", "barred"), dossier("BIC", "barred by EM")
    found = {name: front[0] if len(front) == 1 else NONE for name, front in full.leaders.items()}
    found["the dossier"] = NONE if full.choice is None else full.choice
    found["the dossier by EM alone"] = NONE if alone.choice is None else alone.choice
    return line["K"], line["separation"], found, line["seconds"], full


def main():
    """Run the study and write the table."""
    from joblib import Parallel, delayed

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--to", type=Path, default=ROOT / "reports" / "select.md")
    args = parser.parse_args()
    kept = args.to.with_suffix(".jsonl")
    lines = [json.loads(text) for text in kept.read_text().splitlines()] if kept.exists() else []
    done = {line["seed"] for line in lines}
    todo = [(seed, *cell, args.rows) for seed, cell in jobs(args.sets, args.first) if seed not in done]
    for line in Parallel(n_jobs=args.workers, return_as="generator")(delayed(one)(*job) for job in todo):
        lines.append(line)
        with open(kept, "a") as file:
            file.write(json.dumps(line) + "\n")
        args.to.write_text(report(lines, args.first), encoding="utf-8")
        print(f"{len(lines)} data sets, the last in {line['seconds']:.1f} CPU s", flush=True)
    args.to.write_text(report(lines, args.first), encoding="utf-8")
    print(args.to.read_text(encoding="utf-8"))


def jobs(sets, first):
    """(seed, (K, separation)), truths and separations in turn."""
    cells = [(K, s) for s in SEPARATIONS for K in TRUTHS]
    return [(first + i, cells[i % len(cells)]) for i in range(sets)]


def report(lines, first):
    """The table, as Markdown."""
    lines = sorted(lines, key=lambda line: line["seed"])
    read_ = [read(line) for line in lines]
    results = [r[:4] for r in read_]
    names = list(results[0][2])
    seconds = np.array([r[3] for r in results])
    lines = [
        "# How often the number of components is found",
        "",
        f"Written by `benchmarks/study_select.py` (`make study`): {seconds.sum() / 60:.0f} minutes of CPU time "
        f"({np.median(seconds):.1f} s for the middle data set), seeds {first} to {lines[-1]['seed']}. The rules were "
        "chosen on other data sets, of seeds 2000 to 2199, and not touched afterwards.",
        f"{len(results)} data sets of {lines[0]['rows']} rows, K Gaussian components of equal weight and unit variance "
        "with means 2, 3 or 5 standard deviations apart (two components 2 apart have a single hump); default priors, "
        f"candidates K = 1 to 5, EM ({RESTARTS} restarts) and Gibbs for every one.",
        "",
        "Each entry: right / wrong / no answer. No answer is a tie, or a number that must not be used; the dossier "
        "gives none where the most probable number of groups in use has less than 3 to 1 against the next, is barred "
        "by its verdict, or where a rival's evidence is missing.",
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
    lines += ["", *covered([(K, s, dossier) for K, s, _, _, dossier in read_])]
    return "\n".join([*lines, ""])


def covered(read_):
    """Lines on the credible sets of the number of groups: how often they hold the truth, and how large they are."""
    known = [(K, s, d.credible, d.pool, d.choice) for K, s, d in read_ if d.credible]
    lines = [
        f"The dossier's 95 % set of the number of groups in use, in {len(known)} of {len(read_)} data sets (in the "
        "others the evidence of a rival could not be used): how often it holds the true K, and how many numbers it "
        "holds on average.",
        "",
        "| | " + " | ".join(f"{s:g} apart" for s in SEPARATIONS) + " | all |",
        "|---|" + "---|" * (len(SEPARATIONS) + 1),
    ]
    for name, some in ({f"K = {K}": [k for k in known if k[0] == K] for K in TRUTHS} | {"all": known}).items():
        groups = [[k for k in some if k[1] == s] for s in SEPARATIONS] + [some]
        entries = [f"{sum(K in c for K, _, c, *_ in g)} of {len(g)}, {np.mean([len(k[2]) for k in g]):.1f} numbers"
                   if g else "–" for g in groups]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(entries)} |")
    chosen = [(pool.of(c)[0], c == K) for K, _, _, pool, c in known if c is not None]
    if chosen:
        p, right = np.array(chosen, dtype=float).T
        lines += ["", f"Where the dossier chooses, it is right in {right.mean():.0%}, and says {p.mean():.0%}."]
    return lines


def tally(pairs):
    """right / wrong / no answer."""
    count = Counter("none" if found == NONE else "right" if found == K else "wrong" for K, found in pairs)
    return f"{count['right']} / {count['wrong']} / {count['none']}" if pairs else "–"


if __name__ == "__main__":
    main()
