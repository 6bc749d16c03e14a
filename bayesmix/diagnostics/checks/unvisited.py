"""Is there posterior mass where no chain has been?"""

import numpy as np

from bayesmix.diagnostics.checks.several_modes import REAL, percent
from bayesmix.diagnostics.findings import Finding, check

SURE = 2.0  # standard errors by which the mass must exceed REAL
CLEAR = 20.0  # nats by which an optimum is higher than one of unknown mass and weighs more, whatever their volumes
MOST = 6  # light regions that are listed


@check
def unvisited(evidence):
    """Regions without a chain: their mass against 1 %, and whether one is higher than all that were visited."""
    if evidence.matching is None or evidence.masses is None:
        return None
    matching, table = evidence.matching, evidence.masses
    missed = [int(r) for r in np.unique(matching.regions) if int(r) not in matching.visited]
    scale = of_all(matching, table["share"].to_numpy())
    comparable, scale = scale > 0, scale or 1.0
    light, heavy, doubtful = [], [], []
    inside = np.unique(matching.home[matching.home >= 0])
    reached = max((matching.optima[m].log_posterior for m in inside), default=np.inf)
    for r in missed:
        members = table[(table["region"] == r) & np.isfinite(table["share"])]
        if not comparable and not members["log_posterior"].max() > reached + CLEAR:
            continue
        share, se = scale * members["share"].sum(), scale * np.sqrt((members["se"].fillna(0.0) ** 2).sum())
        kind = light if share < REAL else heavy if share - SURE * se >= REAL else doubtful
        kind.append((r, share, se))
    if not heavy and not doubtful:  # many that are light one by one
        share, se = sum(s for _, s, _ in light), np.sqrt(sum(e**2 for *_, e in light))
        if share >= REAL:
            kind = heavy if share - SURE * se >= REAL else doubtful
            kind += sorted(light, key=lambda region: -region[1])[:MOST]
    columns = table[["region", "log_posterior", "share", "se", "worth", "visited"]]
    more = f"bm.fit_mcmc(model, data, start=em, chains={2 * evidence.shape[0]})"
    if heavy:
        listed = ", ".join(f"optimum {r} ({percent(s)}" + (f" ± {percent(e)})" if e else ")") for r, s, e in heavy)
        return Finding(
            "unvisited region", "problem",
            f"No chain visited {listed} of the estimated posterior mass.",
            "several modes" if evidence.settled.any() else "undecided",  # chains under way may yet come there
            columns,
            advice=f"Start chains in every optimum of real mass: {more}.",
        )  # fmt: skip
    if doubtful:
        listed = ", ".join(f"optimum {r} ({percent(s)} ± {percent(e)})" for r, s, e in doubtful)
        return Finding(
            "unvisited region", "warning",
            f"No chain visited {listed}, whose mass is known too roughly to say whether it matters.", "undecided",
            columns, advice=f"Start chains there: {more}.",
        )  # fmt: skip
    if not len(inside):
        return None
    higher = [
        m
        for m, mode in enumerate(matching.optima)
        if int(matching.regions[m]) in missed and np.isfinite(mode.log_posterior) and mode.log_posterior > reached
    ]
    unweighed = [m for m in higher if not (comparable and np.isfinite(table["share"].iloc[m]))]
    if unweighed:
        m = unweighed[0]
        why = matching.optima[m].reason or ("no Laplace mass" if comparable else "that of those visited is")
        return Finding(
            "unvisited region", "warning",
            f"Optimum {m} is higher than every optimum that the chains visited, and its mass beside theirs is unknown "
            f"({why}).", "undecided", columns,
            advice=f"Start chains there: {more}.",
        )  # fmt: skip
    if higher:
        m = higher[0]
        return Finding(
            "unvisited region", "note",
            f"Optimum {m} is higher than every optimum that the chains visited but holds little mass "
            f"({percent(table['share'].iloc[m])}).", table=columns,
        )  # fmt: skip
    if missed:
        mass = table.loc[table["region"].isin(missed), "share"]
        rest = f"; the mass of {int(mass.isna().sum())} lower ones is unknown" if mass.isna().any() else ""
        return Finding(
            "unvisited region", "good" if not rest else "note",
            f"The {len(missed)} known optim{'um' if len(missed) == 1 else 'a'} without a chain hold"
            f"{'s' if len(missed) == 1 else ''} {percent(scale * mass.sum())} of the estimated mass{rest}.",
            table=columns,
        )  # fmt: skip
    return None


def of_all(matching, share):
    """What turns a share of the known mass into one of all mass: 1 where every optimum visited has a known mass.

    Chains that spend a fraction f of their draws in optima of known mass V are there in proportion, so that all optima
    visited hold V / f. 0 where none of those visited has a known mass, so that nothing can be said.
    """
    known = np.isfinite(share)
    visited = np.zeros(len(share), dtype=bool)
    visited[np.unique(matching.home[matching.home >= 0])] = True
    mass, often = share[known & visited].sum(), known[matching.home[matching.home >= 0]]
    return 1 / (1 - mass + mass / often.mean()) if mass > 0 else 0.0
