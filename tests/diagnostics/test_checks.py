"""Single checks on made-up evidence: what each says at its threshold, and on either side of it."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import bayesmix as bm
from bayesmix.diagnostics.checks.ambiguous import ambiguous
from bayesmix.diagnostics.checks.convergence import convergence
from bayesmix.diagnostics.checks.degenerate import CARRIES, SOME, degenerate
from bayesmix.diagnostics.checks.finite import finite
from bayesmix.diagnostics.checks.identified import identified
from bayesmix.diagnostics.checks.order_binds import OFTEN, near_boundary
from bayesmix.diagnostics.checks.scattered import scattered
from bayesmix.diagnostics.checks.several_modes import several_modes
from bayesmix.diagnostics.checks.unvisited import unvisited
from bayesmix.diagnostics.components import Components, entropy, least_told
from bayesmix.diagnostics.convergence import settled
from bayesmix.diagnostics.matching import Matching


def optimum(log_posterior=0.0, kind="interior"):
    return SimpleNamespace(log_posterior=log_posterior, kind=kind, reason="")


def matching(home, optima):
    """The Matching of (chain, checkpoint) indices of optima, every draw a checkpoint."""
    home = np.array(home)
    names = np.zeros((*home.shape, 2), dtype=int)
    return Matching(tuple(optima), len(optima), np.arange(home.shape[1]), home, names)


def evidence(home, share, se=0.0, kinds=None, counts=None):
    """What the checks read of chains in known optima of known mass."""
    optima = [optimum(kind=kind) for kind in kinds or ["interior"] * len(share)]
    matched, home = matching(home, optima), np.array(home)
    masses = pd.DataFrame({
        "region": matched.regions, "log_posterior": 0.0, "share": share, "se": se, "worth": "", "visited": True,
    })  # fmt: skip
    pairs = list(np.ndindex(*home.shape))
    some = np.ones(len(pairs))
    chain = np.array([c for c, _ in pairs])
    components = None if counts is None else Components(np.array(counts).reshape(-1, 1), some, 0 * some[:, None], chain)
    return SimpleNamespace(
        sampled=True, matching=matched, masses=masses, shares=masses["share"].to_numpy(), shape=home.shape,
        regions_of_chains=matched.seats, settled=np.ones(len(home), dtype=bool), components=components, some=pairs,
        invariants={}, raw={},
        fit=SimpleNamespace(runs=(), mixture=SimpleNamespace(components=2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "home,together",
    [
        ([[0, 1, 0, 1, 0]], True),  # there and back, twice
        ([[0, 2, 1, 2, 0, 2, 1, 0]], True),  # by way of a third
        ([[0, 0, 1, 0, 0]], False),  # once
        ([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]], False),  # never back
    ],
)
def test_optima_are_one_region_when_chains_come_and_go(home, together):
    region = matching(home, [optimum()] * 3).regions
    assert bool(region[0] == region[1]) is together


def test_regions_are_one_when_chains_come_and_go_between_them():
    """0 and 1 are one region, 2 and 3 another; no pair across sees two journeys each way, but the regions do."""
    way = [0, 1, 0, 1, 0, 2, 3, 2, 3, 2, 1, 3, 0]
    assert matching([way], [optimum()] * 4).regions.tolist() == [0, 0, 0, 0]
    assert matching([way[:-1]], [optimum()] * 4).regions.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("share,verdict", [((0.4, 0.6), None), ((1 - 1e-5, 1e-5), "several modes")])
def test_free_movement_in_flagrant_disproportion_to_the_masses(share, verdict):
    """Between two optima to and fro, mostly in the second one: right where the masses are alike."""
    found = several_modes(evidence([[1, 1, 0] * 20] * 4, share))
    assert found.verdict == verdict, found.sentence


@pytest.mark.parametrize("centre,binds", [(0.5, True), (5.0, False)])
def test_draws_near_the_boundary_of_an_order(centre, binds):
    """A gap of standard deviation 1 that the order cuts half a sd from its centre, or five."""
    gap = np.abs(centre + np.random.default_rng(0).normal(size=(4, 40)))  # folded along the order
    fit = SimpleNamespace(theta=lambda c, s, relabelled: {"mean": np.array([[0.0], [gap[c, s]]])})
    state = SimpleNamespace(sampled=True, fit=fit, some=list(np.ndindex(4, 40)))
    assert (near_boundary(state, bm.Order("mean", by=0)) > OFTEN) is binds


@pytest.mark.parametrize("shift,level", [(-0.3, "warning"), (4.0, None)])
def test_an_order_of_labelled_classes_that_binds(shift, level):
    normal = np.linspace(-2, 2, 60)
    data = bm.Data(np.r_[normal, normal + shift], label=np.repeat([0, 1], 60))
    family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(3, 2))
    model = bm.Mixture(family, 2, weight=bm.Dirichlet(2), constraints=(bm.Order("mean"),))
    found = [f for f in bm.diagnose(bm.fit_em(model, data, restarts=2, seed=1)).findings if f.name == "order binds"]
    assert [f.level for f in found] == ([level] if level else [])
    assert not level or "turns them round, by 0.3" in found[0].sentence


@pytest.mark.parametrize(
    "share,level,verdict", [(0.3, "warning", "undecided"), (0.02, "note", None), (0.0, None, None)]
)
def test_ambiguous_names(share, level, verdict):
    found = ambiguous(SimpleNamespace(sampled=True, ambiguous=share, fit=None))
    assert (found.level, found.verdict) == (level, verdict) if level else found is None


@pytest.mark.parametrize("invariant,relabelled,verdict", [(1.0, 1.5, "undecided"), (1.0, 1.01, None), (1.5, 1.5, None)])
def test_a_density_that_is_known_and_its_division_not(invariant, relabelled, verdict):
    table = pd.DataFrame({"kind": ["invariant", "relabelled"], "r_hat": [invariant, relabelled]}, index=["a", "b"])
    found = identified(SimpleNamespace(sampled=True, table=table, regions_of_chains=None, fit=None))
    assert (found.verdict if found else None) == verdict


@pytest.mark.parametrize("value,verdict", [(np.nan, "undecided"), (np.inf, "undecided"), (1.0, None)])
def test_draws_that_are_no_numbers(value, verdict):
    draws = np.ones((4, 40))
    draws[2, 7] = value
    found = finite(SimpleNamespace(sampled=True, invariants={"a": np.ones((4, 40))}, raw={"mean": draws}))
    assert (found.verdict if found else None) == verdict
    assert found is None or "0.62% of the draws of mean" in found.sentence


def test_a_component_of_one_row():
    """Little more than one row, nearly all of it, in 40 % of the draws: a note, for it may be an outlier."""
    lone = np.arange(160) % 5 < 2
    state = evidence(np.zeros((4, 40), dtype=int), [1.0], counts=np.where(lone, 1.1, 9.0))
    state = SimpleNamespace(
        **{**vars(state), "components": replace(state.components, top=np.where(lone, 0.95, 0.1)[:, None])}
    )
    found = degenerate(state)
    assert found.table.loc["one row", "share"] == pytest.approx(0.4) and (found.level, found.verdict) == ("note", None)
    assert "holds little but a single row" in found.sentence


def test_light_regions_without_a_chain_count_together():
    light = 0.004 * np.ones(5)
    for many, verdict in ((2, None), (5, "several modes")):
        share = np.append(1 - light[:many].sum(), light[:many])
        assert unvisited(evidence([[0] * 10] * 4, share)).verdict == verdict
    unsure = unvisited(evidence([[0] * 10] * 4, np.append(0.98, light), se=0.01))
    assert unsure.verdict == "undecided"


@pytest.mark.parametrize(
    "empty,verdict", [(SOME - 0.025, None), (SOME + 0.025, "undecided"), (CARRIES + 0.025, "degenerate")]
)
def test_a_spare_component_in_a_share_of_the_draws(empty, verdict):
    counts = np.where(np.arange(160) % 40 < round(40 * empty), 0.5, 9.0)
    found = degenerate(evidence(np.zeros((4, 40), dtype=int), [1.0], counts=counts))
    assert (found.verdict if found else None) == verdict


@pytest.mark.parametrize("chains,verdict", [(4, "degenerate"), (3, "degenerate"), (2, "undecided"), (1, "undecided")])
def test_a_spare_component_in_some_of_the_chains(chains, verdict):
    """Most draws of most chains carry the result, whatever one other chain is like; half of the chains do not."""
    counts = np.where(np.arange(160) < 40 * chains, 0.5, 9.0)
    found = degenerate(evidence(np.zeros((4, 40), dtype=int), [1.0], counts=counts))
    assert found.verdict == verdict
    assert ("(± 25%)" in found.sentence) is (chains in (1, 3))


@pytest.mark.parametrize("shares,verdict", [((1, 1, 0.4, 0.4), "undecided"), ((0.6, 0.6, 0.6, 0), "undecided")])
def test_most_draws_of_most_chains(shares, verdict):
    """Most draws, but not in most chains; in most chains, but not most of all."""
    counts = np.where(np.arange(40) < 40 * np.array(shares)[:, None], 0.5, 9.0)
    assert degenerate(evidence(np.zeros((4, 40), dtype=int), [1.0], counts=counts)).verdict == verdict


@pytest.mark.parametrize("below,verdict", [(5.0, "degenerate"), (40.0, None)])
@pytest.mark.parametrize("known", [True, False], ids=["with optima", "draws alone"])
def test_chains_far_below_another_are_not_the_result(below, verdict, known):
    """Three chains with an empty component, an optimum of unknown mass: 10 parameters and 18 rows make 14 nats."""
    counts = np.where(np.arange(160) < 120, 0.5, 9.0)
    state = evidence([[0] * 40] * 3 + [[1] * 40], [np.nan, 1.0], kinds=["empty component", "interior"], counts=counts)
    state.components = replace(state.components, counts=np.c_[counts, 18.0 - counts])
    state.invariants = {"log posterior": np.repeat([[-below], [-below], [-below], [0.0]], 40, axis=1)}
    state.raw = dict.fromkeys("abcdefghij")
    if not known:
        state.matching = state.masses = None
    found = degenerate(state)
    assert (found.verdict if found else None) == verdict


@pytest.mark.parametrize("optima,verdict", [(3, None), (60, "undecided")])
def test_draws_scattered_over_many_optima(optima, verdict):
    """Three optima of a third of the draws each, or sixty that were met once or twice."""
    home = np.arange(100).reshape(4, 25) % optima
    found = scattered(evidence(home, np.full(optima, 1 / optima)))
    assert (found.verdict if found else None) == verdict
    assert found is None or "100 draws to 60 different optima" in found.sentence


def test_a_chain_that_stays_in_no_region_is_compared_with_all():
    """Half of the checkpoints make a seat. A wandering chain is no region of its own, and no reason for modes."""
    home = np.zeros((4, 40), dtype=int)
    home[3] = np.repeat([1, 2, 3, 4], 10)
    state = evidence(home, [1.0, 0.0, 0.0, 0.0, 0.0])
    assert state.regions_of_chains.tolist() == [0, 0, 0, -1]
    value = np.random.default_rng(0).normal(size=(4, 40)) + 9 * (np.arange(4) == 3)[:, None]
    state.invariants, state.table = {"log posterior": value}, None
    assert convergence(state).verdict == "not converged"
    home[3] = np.repeat([1, 2], 20)
    assert evidence(home, [1.0, 0.0, 0.0]).regions_of_chains.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    "history,stays",
    [
        (lambda noise, s: noise, True),
        (lambda noise, s: noise - 20 * (s < 20), True),  # a warm-up that was soon over
        (lambda noise, s: noise + 4 * s / 500, False),  # still climbing
        (lambda noise, s: lfilter([0.05], [1, -0.998], noise), False),  # too slow to tell
    ],
    ids=["at rest", "soon at rest", "climbing", "slow"],
)
def test_a_chain_that_stays_where_it_is(history, stays):
    noise = np.random.default_rng(0).normal(size=(4, 500))
    value = history(noise, np.arange(500))
    assert settled({"log posterior": value}, value.shape).tolist() == [stays] * 4
    assert settled({"log likelihood": value}, value.shape).tolist() == [stays] * 4
    assert settled({}, value.shape).all() and settled({"log posterior": value[:, :9]}, (4, 9)).all()


def test_what_chains_pass_through_is_in_no_proportion_to_the_masses():
    """Three chains of four under way, by way of an optimum of no mass: no reason for several modes."""
    state = evidence([[0] * 10, [1] * 10, [1] * 10, [1] * 10], [1 - 1e-6, 1e-6])
    state.regions_of_chains = np.array([0, -1, -1, -1])
    assert several_modes(state).verdict == "several modes"
    state.settled = state.regions_of_chains >= 0
    assert several_modes(state).verdict == "undecided"


def test_one_chain_under_way_is_judged_beside_the_others():
    """By itself such a chain has a large R-hat, which is why it has no region; beside three others it may be small."""
    state = evidence(np.zeros((4, 60), dtype=int), [1.0])
    value = np.random.default_rng(0).normal(size=(4, 60))
    value[3] += np.linspace(-1.2, 1.2, 60)
    state.invariants, state.table = {"log posterior": value}, pd.DataFrame({"kind": ["invariant"]})
    state.regions_of_chains = np.where(settled(state.invariants, value.shape), 0, -1)
    assert state.regions_of_chains.tolist() == [0, 0, 0, -1]
    assert convergence(state).verdict is None
    value[3] += 3.0
    assert convergence(state).verdict == "not converged"


def test_the_pair_told_least():
    """Beside all pairs looked at, for components that overlap a lot, a little, hold next to nothing, or are copies."""
    rng = np.random.default_rng(0)
    for K in (1, 2, 7):
        for sharpness in (0.1, 1.0, 30.0):
            r = rng.dirichlet(np.full(K, 1 / sharpness), size=40) * rng.uniform(0.5, 2, size=(40, 1))
            r[:, -1] *= rng.choice([1.0, 1e-3])
            n, expected = r.sum(axis=0), 1.0
            for j, k in combinations(np.flatnonzero(n >= 1), 2):
                both = r[:, j] + r[:, k]
                left = both @ entropy(r[:, j] / np.maximum(both, 1e-300))
                expected = min(expected, 1 - left / ((n[j] + n[k]) * entropy(n[j] / (n[j] + n[k]))))
            np.testing.assert_allclose(least_told(r, n), expected, rtol=1e-12, atol=1e-12)
    assert abs(least_told(np.full((9, 2), 0.5), np.array([4.5, 4.5]))) < 1e-12


@pytest.mark.parametrize("some,verdict", [(True, "several modes"), (False, "undecided")])
def test_mass_that_no_chain_has_reached_yet(some, verdict):
    """Chains that all are under way may still come there."""
    state = evidence([[0] * 10] * 4, [0.1, 0.9])
    state.settled = np.array([some, False, False, False])
    assert unvisited(state).verdict == verdict


def test_a_draw_or_two_of_the_result_say_nothing_about_spare_components():
    """Of 160 draws two are of an optimum with mass; they have an empty component."""
    home, counts = np.ones((4, 40), dtype=int), np.full(160, 0.5)
    home[3, -2:] = 0
    assert degenerate(evidence(home, [1.0, 1e-20], counts=counts)) is None
    home[3] = 0
    assert degenerate(evidence(home, [1.0, 1e-20], counts=counts)).verdict == "degenerate"


def test_chains_stuck_where_there_is_no_mass_say_nothing_about_spare_components():
    """All draws with an empty component are of an optimum of no mass; of one with mass they are the result."""
    home, counts = np.repeat([[0], [1], [1], [1]], 10, axis=1), np.repeat([9.0, 0.5, 0.5, 0.5], 10)
    assert degenerate(evidence(home, [1.0, 1e-20], counts=counts)) is None
    assert degenerate(evidence(home, [0.5, 0.5], counts=counts)).verdict == "degenerate"
    unknown = evidence(home, [1.0, np.nan], kinds=["interior", "empty component"], counts=counts)
    assert degenerate(unknown).verdict == "degenerate"


def test_what_was_visited_without_a_known_mass_counts():
    """Nine draws of ten in an optimum of unknown mass: the known one holds a tenth of what was visited."""
    kinds = ["interior", "empty component", "interior"]
    home = [[0] + [1] * 9] * 4
    found = unvisited(evidence(home, [0.98, np.nan, 0.02], kinds=kinds))
    assert found.verdict is None and "0.204 %" in found.sentence  # .02 / (.02 + .98 / .1)
    assert unvisited(evidence([[0] * 10] * 4, [0.98, np.nan, 0.02], kinds=kinds)).verdict == "several modes"
    unknown = evidence([[1] * 10] * 4, [np.nan, np.nan, 1.0], kinds=kinds)
    assert unvisited(unknown).verdict is None  # lower or equal: nothing to say
    for height, verdict in ((1.0, "undecided"), (30.0, "several modes")):
        unknown.matching.optima[2].log_posterior = unknown.masses.loc[2, "log_posterior"] = height
        assert unvisited(unknown).verdict == verdict


@pytest.mark.parametrize(
    "components,labelled,verdict", [(2, False, "undecided"), (2, True, "sound"), (1, False, "sound")],
    ids=["a search", "labels for all rows", "one component"],
)  # fmt: skip
def test_one_climb_is_a_census_only_where_nothing_is_searched(components, labelled, verdict):
    x = np.r_[np.linspace(-3, -1, 20), np.linspace(2, 5, 20)]
    data = bm.Data(x, label=np.repeat([0, 1], 20) if labelled else None)
    em = bm.fit_em(bm.Mixture(bm.Gaussian(), components), data, restarts=1, seed=1)
    diagnosis = bm.diagnose(em)
    assert diagnosis.verdict == verdict
    assert ("only once" in next(f for f in diagnosis.findings if f.name == "census").sentence) == (verdict != "sound")


def test_a_best_optimum_met_less_often_than_new_ones_is_not_the_best_for_certain():
    """k-means with many clusters on rows without any: nearly every restart ends elsewhere, some in the best so far."""
    x = np.random.default_rng(0).uniform(size=(60, 2))
    few, many = bm.kmeans(x, 8, restarts=40, seed=4), bm.kmeans(x, 2, restarts=40, seed=4)
    singletons = sum(m.times_reached == 1 for m in few.optima)
    assert 1 < few.optima[0].times_reached < singletons
    found = next(f for f in bm.diagnose(few).findings if f.name == "census")
    assert found.verdict == "undecided" and f"{singletons} ended where no other did" in found.sentence
    assert bm.diagnose(many).verdict == "sound"
