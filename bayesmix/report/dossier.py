"""`write_dossier`: the page of a comparison, one self-contained HTML file, with its tables as CSV."""

from datetime import UTC, datetime

import numpy as np

from bayesmix.report import select_plots
from bayesmix.report.index import FACTS, facts
from bayesmix.report.page import check_folder, move_in, render
from bayesmix.report.parts import Section, picture
from bayesmix.report.words import Table, number
from bayesmix.selection.criteria import CRITERIA
from bayesmix.selection.dossier import GROUPS, PROBABILITY
from bayesmix.selection.likelihood_ratio import MEANING, NAME
from bayesmix.tree import versions


def write_dossier(dossier, *, to, title=None, command=None):
    """The path of `index.html` in a folder with the page of a `Dossier`, written whole or not at all.

    The folder also holds `dossier.csv` (the table; greyed numbers are blank) `reasons.csv` (why they are)
    and `report.json` (what `write_index` lists).

    Args:
        dossier: what `bm.select` returned.
        to: the folder; made if it is not there.
        title: heading of the page; left out, the folder's name.
        command: the command line that repeats the comparison, shown in the page.

    Raises:
        InputError: the folder cannot be written.
    """
    to = check_folder(to)
    found = context(dossier, title or to.name, command)

    def build(folder):
        (folder / "index.html").write_text(render(found), encoding="utf-8")
        (folder / FACTS).write_text(facts(found), encoding="utf-8")
        dossier.table.to_csv(folder / "dossier.csv")
        dossier.reasons.to_csv(folder / "reasons.csv")

    return move_in(to, build)


def context(dossier, title, command=None):
    """Everything the template needs, as a dict."""
    data = next(r.em.data for r in dossier.records if r.em is not None)
    chosen = dossier.choice is not None
    said = f"K = {dossier.choice}" if isinstance(dossier.choice, int) else str(dossier.choice)
    count, remarks = len(dossier.records), dossier.remarks()
    return {
        "title": title,
        "subtitle": f"{count} candidate{'s' * (count > 1)} compared on {data.n} rows; {dossier.by} decides.",
        "verdict": said if chosen else "no choice",
        "others": [],
        "level": "good" if chosen else "warning",
        "meaning": dossier.why,
        "findings": [{"level": "note", "name": "", "sentence": line, "table": None} for line in remarks],
        "shown": len(remarks),
        "rest": "",
        "advice": [*dossier.settle] or ["Nothing; the choice stands under the criterion and the prior stated here."],
        "sections": [*_groups(dossier), _sheet(dossier), _greyed(dossier), _provenance(dossier, command)],
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _sheet(dossier):
    alt = (
        f"{len(dossier.criteria)} criteria for {len(dossier.records)} candidates, one panel each; the table below has "
        "the numbers."
    )
    caption = (
        "How far each candidate is behind the best by each criterion that ranks, with one standard error of the "
        "difference; candidates in the band tie. Criteria that do not rank are shown as they are."
    )
    return Section(
        "criteria", "The criteria side by side", (),
        (picture(select_plots.criteria(dossier), alt, caption, "png"),), (table(dossier),),
        (("What the columns mean", _meanings(dossier)),),
    )  # fmt: skip


def _groups(dossier):
    """The section on the groups in use, in a list; none where their probabilities are not known."""
    if dossier.credible is None:
        return []
    frame = dossier.groups
    text = (
        "Components that hold no rows, or that the rows hardly tell apart, make no group of their own. Every draw of "
        "every candidate has so many groups in use; averaged over the candidates by their evidence and prior, that is "
        "the probability of each number.",
        f"{dossier.counted()[0].upper()}{dossier.counted()[1:]}",
    )
    alt = "Bars: the probability of each number of groups; the table has the numbers."
    caption = (
        "Bars: over all candidates, with one standard error; the dark ones hold 95 % together. Points, from left to "
        f"right: within the draws of {', '.join(frame.columns[2:])}."
    )
    rows = tuple(
        (str(n), f"{row['probability']:.3f} ± {row['se']:.3f}", *(f"{share:.3f}" for share in row.iloc[2:]))
        for n, row in frame.iterrows()
    )
    shares = Table(("groups", "probability", *frame.columns[2:]), rows, (0,))
    figure = picture(select_plots.groups(dossier), alt, caption)
    return [Section("groups", "How many groups are in use", text, (figure,), (shares,))]


def table(dossier):
    """The dossier as a `words.Table`: "value ± error", greyed numbers in brackets."""
    columns = list(dict.fromkeys(c for cells in dossier.cells.values() for c in cells))
    rows = []
    for r in dossier.records:
        cells = dossier.cells[r.name]
        rows.append((dossier.said(r), *(shown(cells.get(c)) for c in columns), r.verdict))
    caption = "Numbers in brackets are greyed: they must not be compared, for the reasons given below."
    greyed = any(cell.reason for cells in dossier.cells.values() for cell in cells.values())
    return Table(("candidate", *columns, "verdict"), tuple(rows), (0, len(columns) + 1), caption if greyed else "")


def shown(cell):
    """A Cell as text."""
    if cell is None or np.isnan(cell.value):
        return "–"
    value = float(cell.value)
    text = number(int(value) if value.is_integer() else value, 5)
    if np.isfinite(cell.se):
        text += f" ± {number(float(cell.se), 2)}"
    return f"({text})" if cell.reason else text


def _meanings(dossier):
    meanings = {n: CRITERIA[n].meaning for n in dossier.criteria}
    columns = {c for cells in dossier.cells.values() for c in cells}
    if NAME in columns:
        meanings[NAME] = MEANING
    if PROBABILITY in columns:
        prior = ", ".join(f"{p:.3g}" for p in dossier.prior)
        meanings[PROBABILITY] = f"posterior probability among these candidates; prior probabilities {prior}"
    if GROUPS in columns:
        meanings[GROUPS] = "probability, over all candidates, that as many groups are in use as this one has components"
    return Table(("column", "meaning"), tuple(meanings.items()), (0, 1))


def _greyed(dossier):
    rows = {}
    for r in dossier.records:
        for column, cell in dossier.cells[r.name].items():
            if cell.reason:
                rows.setdefault((dossier.said(r), cell.reason), []).append(column)
        if r.barred:
            rows.setdefault((dossier.said(r), r.barred), []).append("the choice")
    lines = tuple((who, ", ".join(what), why) for (who, why), what in rows.items())
    text = () if lines else ("Every number can be used, and every candidate could be chosen.",)
    tables = (Table(("candidate", "greyed", "reason"), lines, (0, 1, 2)),) if lines else ()
    return Section("refusals", "What is greyed, and why", text, tables=tables)


def _provenance(dossier, command):
    settings = {n: v for n, v in dossier.settings.items() if n not in ("notes", "sampler")}
    rows = [(n.replace("_", " "), str(v)) for n, v in settings.items()]
    rows += [(f"sampler of {name}", value) for name, value in dossier.settings["sampler"].items()]
    used = Table(("library", "version"), tuple(versions().items()), (0, 1))
    return Section(
        "provenance", "Where this comes from", (f"Seed: {dossier.settings['seed']}.",),
        folded=(("Settings", Table(("setting", "value"), tuple(rows), (0, 1))), ("Versions", used)),
        code=(("The command that repeats it", command),) if command else (),
    )  # fmt: skip


__all__ = ["context", "write_dossier"]
