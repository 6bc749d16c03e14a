"""Do the chains stay in different optima?"""

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

REAL = 0.01  # share of the mass from which an optimum counts (DESIGN section 9)
SEEN = 0.01  # share of the checkpoints from which a region counts as visited, not touched
FLAGRANT = 7.0  # nats (a factor of 1000) by which masses and draws must contradict each other: Laplace's error is of
# the order of the parameters over the rows (Tierney & Kadane 1986, JASA 81:82-86), and a chain's share one of a few


@check
def several_modes(evidence):
    """Chains in different regions; or, for EM alone, a second optimum of real mass."""
    if not evidence.sampled:
        return by_em(evidence)
    seats = evidence.regions_of_chains
    if seats is None:
        return None
    known = sorted({int(r) for r in seats if r >= 0})
    if len(known) > 1:
        where = "; ".join(f"{chains(np.flatnonzero(seats == r))} in {named(evidence, r)}" for r in known)
        return Finding(
            "several modes", "problem",
            f"The chains stay in different regions of the posterior: {where}. The share of chains is not the mass "
            "of a region.",
            "several modes", occupancy(evidence),
            advice="Report each region by itself with its estimated mass (diagnosis.modes); do not average over "
            "chains. To see whether chains ever cross, run longer: bm.fit_mcmc(model, data, start=em, "
            f"draws={10 * evidence.shape[1]}).",
        )  # fmt: skip
    if evidence.matching is None:
        return None
    matching = evidence.matching
    unlike = out_of_proportion(evidence)
    if unlike:
        mostly, hardly, often, seldom = unlike
        return Finding(
            "several modes", "problem",
            f"{often:.0%} of the draws are in optimum {mostly} and {seldom:.1%} in optimum {hardly}, which holds more "
            "than a thousand times what these shares say: the chains have not forgotten where they began.",
            "several modes", occupancy(evidence),
            advice=f"Start the chains in proportion to the masses, after more restarts: bm.fit_em(model, data, "
            f"restarts={max(200, 5 * len(evidence.fit.runs))}), then bm.fit_mcmc(model, data, start=em).",
        )  # fmt: skip
    region = matching.region
    both = [int(r) for r in np.unique(region) if r >= 0 and (region == r).mean() >= SEEN]
    if not both:
        return None
    if len(both) > 1:
        among = [r[np.isin(r, both)] for r in region]
        crossed = sum(int(np.count_nonzero(np.diff(r))) for r in among)
        return Finding(
            "several modes", "warning",
            f"The chains were in {len(both)} regions of the posterior and crossed between them {crossed} "
            f"time{'s' * (crossed != 1)}, too seldom to and fro for their shares to be trusted.",
            "undecided", occupancy(evidence),
            advice=f"Run longer: bm.fit_mcmc(model, data, start=em, draws={10 * evidence.shape[1]}).",
        )  # fmt: skip
    inside = [m for m in range(len(matching.optima)) if (matching.home == m).any()]
    freely = f", between whose {len(inside)} optima they move freely" if len(inside) > 1 else ""
    return Finding(
        "several modes", "good",
        f"All chains share one region of the posterior{freely}; {len(matching.optima)} "
        f"optim{'um is' if len(matching.optima) == 1 else 'a are'} known.",
        table=occupancy(evidence),
    )  # fmt: skip


def out_of_proportion(evidence):
    """(optimum of most draws, a visited one, their shares) where the masses contradict these shares, or None.

    What a chain passes through on its way is in no proportion to anything, so all of them must have settled.
    """
    home, mass = evidence.matching.home, evidence.masses["share"].to_numpy()
    seen = np.bincount(home[home >= 0], minlength=len(mass)) / home.size
    known = np.isfinite(mass) & (seen > 0)
    if not (known.any() and evidence.settled.all()):
        return None
    mostly = int(np.argmax(np.where(known, seen, 0.0)))
    tiny = np.finfo(float).tiny
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.log(mass / max(mass[mostly], tiny)) - np.log(seen / seen[mostly])
    hardly = int(np.argmax(np.where(known, excess, -np.inf)))
    return (mostly, hardly, seen[mostly], seen[hardly]) if excess[hardly] > FLAGRANT else None


def by_em(evidence):
    """The second optimum of an EM fit."""
    shares = evidence.shares
    others = [m for m in range(1, len(shares)) if shares[m] >= REAL]
    if not others:
        return None
    listed = ", ".join(f"{m} ({shares[m]:.0%})" for m in others)
    return Finding(
        "several modes", "warning",
        f"Besides the best optimum, which holds an estimated {shares[0]:.0%} of the posterior mass, there is real "
        f"mass at {listed}.", "several modes", evidence.fit.modes,
        advice="Report all of these optima, or weigh them by their draws: bm.fit_mcmc(model, data, start=em).",
    )  # fmt: skip


def occupancy(evidence):
    """The chain x optimum table, of the optima that were visited; None where there are no optima."""
    if evidence.matching is None:
        return None
    table = evidence.matching.occupancy
    return table.loc[:, (table > 0).any()]


def named(evidence, region):
    """A region in words, with its mass, a share of those that are known, and how far below the best it is."""
    if evidence.matching is None:
        return f"region {region}"
    members = np.flatnonzero(evidence.matching.regions == region)
    optima = evidence.matching.optima
    top = max(optima[m].log_posterior for m in range(len(optima)) if np.isfinite(optima[m].log_posterior))
    gap = top - max(optima[m].log_posterior for m in members)
    mass = np.nansum(evidence.shares[members]) if np.isfinite(evidence.shares[members]).any() else np.nan
    text = f"that of optimum {members[0]}" if len(members) == 1 else f"that of optima {', '.join(map(str, members))}"
    height = "the highest" if gap <= 1e-6 else f"{gap:.1f} lower"
    if not np.isfinite(mass):
        return f"{text} ({height}, of unknown mass)"
    whole = "" if np.isfinite(evidence.shares).all() else " of what is known of it"
    return f"{text} ({height}, estimated mass {percent(mass)}{whole})"


def percent(share):
    """A share as text that does not round a little to nothing."""
    return "below 0.1 %" if share < 0.001 else f"{100 * share:.3g} %" if share < 0.999 else "nearly all"


def chains(which):
    """Chain numbers in words."""
    which = [int(c) for c in which]
    return f"chain {which[0]}" if len(which) == 1 else "chains " + ", ".join(map(str, which))
