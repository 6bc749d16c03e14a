"""Which findings speak against label-invariant numbers, and which do not."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayesmix.diagnostics.findings import Finding
from bayesmix.selection.examine import heavy
from bayesmix.selection.trust import CROSSED, LEAST_ESS, em_fault, idle, mcmc_fault, region_fault, spare


def diagnosis(*findings, ess=1000.0, moves=0):
    table = pd.DataFrame({"kind": ["invariant", "relabelled"], "ess_bulk": [ess, 5.0]})
    return SimpleNamespace(findings=findings, table=table, moves=pd.DataFrame([[0, moves], [0, 0]]))


@dataclass(frozen=True)
class Census:
    """What is read of an EM fit."""

    optima: tuple
    runs: tuple


def said(name, verdict):
    return Finding(name, "warning", f"{name}: {verdict}.", verdict)


@pytest.mark.parametrize("verdict", ["several modes", "not converged"])
def test_chains_that_disagree_are_a_fault(verdict):
    assert mcmc_fault(diagnosis(said("switching", "label switching"), said("check", verdict))) == f"check: {verdict}."


@pytest.mark.parametrize("name", ["ambiguous names", "identified", "effective size", "above the MAP", "degenerate"])
def test_doubts_about_names_and_spare_components_are_none(name):
    assert mcmc_fault(diagnosis(said(name, "undecided"))) == ""
    assert mcmc_fault(diagnosis(said("convergence", "undecided"))) != ""


def test_a_sound_or_switching_or_degenerate_posterior_can_be_measured():
    for verdict in (None, "label switching", "degenerate"):
        assert mcmc_fault(diagnosis(said("check", verdict))) == ""


def test_regions_that_are_crossed_often_have_known_shares():
    several = said("several modes", "undecided")
    assert mcmc_fault(diagnosis(several, moves=CROSSED)) == "" and mcmc_fault(diagnosis(several, moves=CROSSED - 1))
    assert region_fault(diagnosis(several, moves=1)) == ""  # the evidence has its own answer to unknown shares


def test_the_error_of_a_share_after_so_many_moves(rng):
    """Stays without memory in two regions of shares 1/4 and 3/4: the formula beside CROSSED, which leaves out terms of
    relative order 1 / CROSSED; 20 000 repetitions know a standard deviation to .5 %.
    """
    stays = rng.exponential([[[1.0], [3.0]]], size=(20_000, 2, CROSSED // 2)).sum(axis=2)
    share = stays[:, 0] / stays.sum(axis=1)
    assert share.std() == pytest.approx(0.25 * 0.75 * np.sqrt(4 / CROSSED), rel=2 / CROSSED + 5 * 0.005)


def test_the_error_of_an_error_from_so_few_draws(rng):
    """Relative to (2 m)^(-1/2), to the order 1 / m; the standard error of m independent draws, 20 000 times."""
    se = rng.normal(size=(20_000, LEAST_ESS)).std(axis=1, ddof=1)
    assert se.std() / se.mean() == pytest.approx((2 * LEAST_ESS) ** -0.5, rel=2 / LEAST_ESS + 5 * 0.005)
    assert (2 * LEAST_ESS) ** -0.5 < 0.071


def test_the_share_of_spare_components_leaves_lone_rows_out():
    table = pd.DataFrame({"share": {"empty": 0.1, "twins": 0.3, "one row": 0.8, "any of these": 0.9}})
    found = Finding("degenerate", "problem", "Spare.", "degenerate", table)
    assert spare(diagnosis(found)) == 0.3 and spare(diagnosis()) == 0.0


def test_only_invariants_need_effective_draws():
    assert mcmc_fault(diagnosis(ess=LEAST_ESS)) == ""
    assert "is 99, below 100" in mcmc_fault(diagnosis(ess=LEAST_ESS - 1))
    assert mcmc_fault(diagnosis(ess=float("nan"))) != ""


def em(kind="interior", reached=5, total=20, partial=False):
    optimum = SimpleNamespace(kind=kind, times_reached=reached)
    return SimpleNamespace(optima=(optimum,), runs=range(total), settings={"partial": partial})


@pytest.mark.parametrize(
    "fit,words",
    [
        (em(kind="empty component"), "an empty component"),
        (em(kind="twin components"), "twin components"),
        (em(kind="at a constraint"), "lies at a constraint"),
        (em(reached=1), "Only 1 of 20 restarts"),
        (em(partial=True), "interrupted"),
    ],
)
def test_what_is_wrong_with_an_optimum(fit, words):
    assert words in em_fault(fit, diagnosis())
    assert em_fault(em(), diagnosis()) == "" and em_fault(em(reached=1, total=1), diagnosis()) == ""


def test_components_are_idle_at_the_best_optimum_only():
    assert idle(em(kind="empty component"), diagnosis()) and idle(em(kind="twin components"), diagnosis())
    assert not idle(em(), diagnosis()) and not idle(em(kind="collapsed"), diagnosis())
    assert not idle(em(kind="empty component"), diagnosis(said("above the MAP", "undecided")))


def test_em_that_missed_the_top_is_found_out_by_the_chains():
    assert "above the MAP" in em_fault(em(), diagnosis(said("above the MAP", "undecided")))


def test_chains_that_stayed_apart_start_again_where_the_mass_is():
    """Of three optima only those with at least 1 % are kept; without a quarrel, or without masses, all of them."""
    optima, runs = tuple(SimpleNamespace(log_posterior=v) for v in (0.0, -1.0, -2.0)), ()
    fit = Census(optima, runs)

    def found(*shares, verdicts=("several modes",)):
        return SimpleNamespace(verdicts=verdicts, modes=pd.DataFrame({"share": shares}))

    assert heavy(fit, found(0.99, 0.005, 0.005)).optima == optima[:1]
    assert heavy(fit, found(0.6, float("nan"), 0.4)).optima == (optima[0], optima[2])
    assert heavy(fit, found(0.99, 0.005, 0.005, verdicts=("sound",))) is fit
    assert heavy(fit, found(*[float("nan")] * 3)) is fit
    assert heavy(fit, found(0.5, 0.2, 0.2, 0.1)).optima == optima  # a fourth, that only chains met, has no start
