"""Do empty, twin or collapsed components carry the result?"""

import numpy as np

from bayesmix.diagnostics.checks.ambiguous import fewer
from bayesmix.diagnostics.findings import Finding, check

CARRIES = 0.5  # share of draws with a spare component from which fewer groups than K are the most probable number
# (Malsiner-Walli, Frühwirth-Schnatter & Grün 2016, Statistics and Computing 26:303-324), of all and in most chains
SOME = 0.05  # share from which the number of groups is in doubt: the tail that a 95 % interval leaves out
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
    top, how = table.loc[ANY, "share"], table["share"].drop(ANY).idxmax()
    if min(top, table.loc[ANY, "most chains"]) >= CARRIES:
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

    `share` is the larger of the two, `se` its standard error from the chains' own shares, and `most chains` the share
    that more than half of the chains reach: a chain or two that have not found, or not left, the spare component yet
    change the mean of slow chains a lot, and this little.
    """
    import pandas as pd

    state, matching = evidence.components, evidence.matching
    if state is None:
        return None
    kept = carried(evidence, state.chain, None if matching is None else np.array(evidence.some)[:, 1])
    if kept.mean() < SOME:  # next to nothing of the result was drawn
        return None
    state = state.of(kept)
    draws = {"empty": state.empty, "twins": state.twin, "one row": state.singleton, ANY: state.spare}
    rows = {how: [is_so.mean(), 0.0, *by_chain(is_so, state.chain)] for how, is_so in draws.items()}
    if matching is not None:
        chain, at = np.repeat(np.arange(len(matching.home)), len(matching.at)), np.tile(matching.at, len(matching.home))
        kept = carried(evidence, chain, at)
        of = {"empty": "empty component", "twins": "twin components", "collapsed": "collapsed"}
        climbs = {how: matching.of_kind(kind).ravel()[kept] for how, kind in of.items()}
        climbs[ANY] = np.any(list(climbs.values()), axis=0)
        for how, is_so in climbs.items():
            row = rows.setdefault(how, [0.0, 0.0, 0.0, 0.0])
            row[1] = is_so.mean() if len(is_so) else 0.0
            if row[1] > row[0]:
                row[2:] = by_chain(is_so, chain[kept])
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["draws", "climbs", "se", "most chains"], dtype=float)
    frame["share"] = frame[["draws", "climbs"]].max(axis=1)
    frame.index.name = "degeneracy"
    return frame


def by_chain(is_so, chain):
    """(standard error of a share from those of the chains, the share that more than half of the chains reach)."""
    own = np.sort([is_so[chain == c].mean() for c in np.unique(chain)])
    se = np.std(own, ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0
    return se, own[(len(own) - 1) // 2]


def carried(evidence, chain, draw):
    """Whether draws, given by chain and number, may be of the result: of no optimum or chain of next to no mass.

    What chains are like that are stuck where there is no mass is not the result: `several_modes` has the word. An
    optimum with an empty component has no Laplace mass; but two regions of n rows and p parameters differ in log volume
    by the order of p log(n) / 2 (Schwarz 1978, Annals of Statistics 6:461-464), so a chain with spare components that
    stays further than that below one without has none to speak of.
    """
    matching, state, kept = evidence.matching, evidence.components, np.ones(len(chain), dtype=bool)
    if matching is not None and evidence.masses is not None:
        near = np.abs(draw[:, None] - matching.at).argmin(axis=1)
        kept &= ~np.append(evidence.masses["share"].to_numpy() < NOTHING, False)[matching.home[chain, near]]
    heights = evidence.invariants.get("log posterior", evidence.invariants.get("log likelihood"))
    if heights is not None and np.isfinite(heights).all():
        own, volume = heights.mean(axis=1), len(evidence.raw) * np.log(state.counts[0].sum()) / 2
        spare = np.array([state.spare[state.chain == c].mean() >= CARRIES for c in range(len(own))])
        kept &= ~(spare & (own < own[~spare].max(initial=-np.inf) - volume))[chain]
    return kept


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
