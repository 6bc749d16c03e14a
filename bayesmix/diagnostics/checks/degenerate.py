"""Do empty, twin or collapsed components carry the result?"""

import numpy as np

from bayesmix.diagnostics.checks.ambiguous import fewer
from bayesmix.diagnostics.findings import Finding, check

CARRIES = 0.5  # share of draws with a spare component from which fewer groups than K are the most probable number
# (Malsiner-Walli, Frühwirth-Schnatter & Grün 2016, Statistics and Computing 26:303-324)
SOME = 0.05  # share from which the number of groups is in doubt: the tail that a 95 % interval leaves out
SURE = 2.0  # standard errors, between chains, by which a share must exceed CARRIES
NOTHING = 1e-6  # share of the mass of an optimum that no run of usual length meets but by its start
ANY = "any of these"
KINDS = {"empty component": "an empty component", "twin components": "twin components", "collapsed": "a collapse"}
ADVICE = "Fit fewer components{how}, or keep all in use by a larger bm.Dirichlet or a bm.MinWeight."


@check
def degenerate(evidence):
    """The kind of the optima that the draws belong to, and the share of draws with an empty, twin or lone component."""
    if not evidence.sampled:
        best = evidence.fit.optima[0] if evidence.fit.optima else None
        if best is None or best.kind not in KINDS:
            return None
        return Finding(
            "degenerate", "problem", f"The best optimum has {KINDS[best.kind]}: fewer groups than components.",
            "degenerate", advice=advice(evidence),
        )  # fmt: skip
    table = shares(evidence)
    if table is None:
        return None
    top, se = table.loc[ANY, "share"], table.loc[ANY, "se"]
    how = table["share"].drop(ANY).idxmax()
    if top - SURE * se >= CARRIES:
        return Finding(
            "degenerate", "problem", f"{sentence(table)}: there are fewer groups than components.", "degenerate",
            table, advice(evidence),
        )  # fmt: skip
    if top >= SOME:
        return Finding(
            "degenerate", "warning" if how != "one row" else "note",
            f"{sentence(table)}: the data may not need all components.", "undecided" if how != "one row" else None,
            table, advice(evidence),
        )  # fmt: skip
    return None


def shares(evidence):
    """One row per kind of degeneracy: its share of the draws, and of the climbs from them to optima of that kind.

    `share` is the larger of the two and `se` its standard error, from the chains' own shares: where chains differ, the
    share of all draws says little of the posterior.
    """
    import pandas as pd

    state, matching = evidence.components, evidence.matching
    kept = carried(evidence)
    if state is None or not (kept is None or kept.any()):
        return None
    state = state if kept is None else state.of(kept)
    draws = {"empty": state.empty, "twins": state.twin, "one row": state.singleton}
    draws[ANY] = state.empty | state.twin | state.singleton
    rows = {how: [is_so.mean(), 0.0, spread(is_so, state.chain)] for how, is_so in draws.items()}
    if matching is not None:
        of = {"empty": "empty component", "twins": "twin components", "collapsed": "collapsed"}
        climbs = {how: matching.of_kind(kind) for how, kind in of.items()}
        climbs[ANY] = np.any(list(climbs.values()), axis=0)
        for how, is_so in climbs.items():
            row = rows.setdefault(how, [0.0, 0.0, 0.0])
            row[1] = is_so.mean()
            if row[1] > row[0]:
                row[2] = spread(is_so.ravel(), np.repeat(np.arange(len(is_so)), is_so.shape[1]))
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["draws", "climbs", "se"], dtype=float)
    frame["share"] = frame[["draws", "climbs"]].max(axis=1)
    frame.index.name = "degeneracy"
    return frame


def spread(is_so, chain):
    """The standard error of a share from those of the chains; 0 where there is one chain."""
    own = [is_so[chain == c].mean() for c in np.unique(chain)]
    return np.std(own, ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0


def carried(evidence):
    """Whether each draw looked at belongs to an optimum that may hold mass; None without masses.

    What chains are like that are stuck where there is no mass is not the result: `several_modes` has the word.
    """
    matching, masses = evidence.matching, evidence.masses
    if matching is None or masses is None:
        return None
    at = np.array(evidence.some)
    near = np.abs(at[:, 1, None] - matching.at).argmin(axis=1)
    home = matching.home[at[:, 0], near]
    return ~np.append(masses["share"].to_numpy() < NOTHING, False)[home]


def sentence(table):
    """The worst line of the table in words."""
    how = table["share"].drop(ANY).idxmax()
    row, every, every_se = table.loc[how], table.loc[ANY, "share"], table.loc[ANY, "se"]
    how_sure = f" (± {every_se:.0%})" if every_se > 0.05 else ""
    if every > 1.2 * row["share"]:
        what = "some component is empty, hardly told from another, or holds a single row"
        return f"In {every:.0%}{how_sure} of the draws {what}"
    if row["draws"] >= row["climbs"]:
        what = {
            "empty": "some component holds less than one expected row",
            "twins": "the rows hardly tell two of the components apart",
            "one row": "some component holds little but a single row",
        }[how]
        return f"In {row['draws']:.0%}{how_sure} of the draws {what}"
    what = {"empty": "one with an empty component", "twins": "one with twin components",
            "collapsed": "a point where the density has no bound"}[how]  # fmt: skip
    return f"From {row['climbs']:.0%}{how_sure} of the draws EM climbs to {what}"


def advice(evidence):
    """What to do about it."""
    return ADVICE.format(how="" if evidence.fit is None else f": {fewer(evidence)}")
