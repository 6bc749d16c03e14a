"""Findings that say something without changing the verdict, each beside the evidence on which it is silent."""

import ast
import inspect
import pkgutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_checks import evidence, optimum

import bayesmix as bm
from bayesmix.diagnostics import checks
from bayesmix.diagnostics.checks.above_the_map import above_the_map
from bayesmix.diagnostics.checks.convergence import convergence
from bayesmix.diagnostics.checks.divergences import divergences
from bayesmix.diagnostics.checks.order import order
from bayesmix.diagnostics.checks.order_binds import order_binds
from bayesmix.diagnostics.checks.unvisited import unvisited
from bayesmix.diagnostics.evidence import Evidence
from bayesmix.diagnostics.findings import CHECKS
from diagnosis_bench.chains import gibbs


def said(finding):
    """(level, verdict) of a finding, or None."""
    return None if finding is None else (finding.level, finding.verdict)


@pytest.mark.parametrize("met,expected", [(2.0, ("warning", "undecided")), (-1.0, ("good", None))])
def test_a_climb_that_ends_above_the_census(met, expected):
    """The best draw lies below the MAP, yet EM from some draw climbs to an optimum that no restart reached."""
    fit = SimpleNamespace(optima=[optimum(0.0)], log_posterior=-3.0, runs=())
    climbed = SimpleNamespace(optima=[optimum(0.0), optimum(met)], known=1)
    found = above_the_map(SimpleNamespace(sampled=True, fit=fit, matching=climbed))
    assert said(found) == expected
    assert ("climbs to an optimum 2 above" in found.sentence) is (met > 0)


@pytest.mark.parametrize("slow,verdict", [(True, "not converged"), (False, None)])
def test_chains_too_slow_to_differ_by_their_own_errors(slow, verdict):
    """Four random walks: each has so few effective draws that five Monte Carlo errors hide any distance, R-hat not."""
    noise = np.random.default_rng(2).normal(size=(4, 400))
    state = evidence(np.zeros((4, 40), dtype=int), [1.0])
    state.invariants = {"log posterior": noise.cumsum(axis=1) if slow else noise}
    state.table = pd.DataFrame({"kind": ["invariant"]})
    found = convergence(state)
    assert found.verdict == verdict and found.sentence.startswith("R-hat") is slow


@pytest.mark.parametrize("enforce,level", [("potential", "note"), ("transform", "warning")])
def test_the_wall_of_a_potential_is_no_divergence(enforce, level):
    model = bm.Mixture(bm.Gaussian(), 2, constraints=(bm.Order("mean", enforce=enforce),))
    stats = {"diverging": np.arange(400).reshape(4, 100) % 50 == 0}
    fit = SimpleNamespace(mixture=model)
    found = divergences(SimpleNamespace(sampled=True, sample_stats=stats, fit=fit, shape=(4, 100)))
    assert found.level == level and "8 of 400" in found.sentence
    assert ('enforce="transform"' in found.advice) is (enforce == "potential")


@pytest.mark.parametrize("share,expected", [(0.0, None), (0.02, ("note", None)), (0.2, ("warning", "label switching"))])
def test_an_order_that_names_some_draws_otherwise(share, expected):
    model = bm.Mixture(bm.Gaussian(), 2, constraints=(bm.Order("mean"),))
    state = SimpleNamespace(
        sampled=True,
        fit=SimpleNamespace(mixture=model, data=bm.Data(np.arange(5.0))),
        problem=SimpleNamespace(blocks_of_components=((0, 1),)),
        matching=SimpleNamespace(switched=np.arange(100) < 100 * share, home=np.full((1, 100), -1)),
    )
    assert said(order(state)) == expected


@pytest.mark.parametrize("shift,expected", [(0.2, ("note", None)), (2.0, None)])
def test_an_order_that_trims_a_tail(shift, expected):
    """Labelled classes 0.2 apart, about one standard error: some draws touch the order, and EM would keep it."""
    normal = np.linspace(-2, 2, 60)
    data = bm.Data(np.r_[normal, normal + shift], label=np.repeat([0, 1], 60))
    family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(3, 2))
    em = bm.fit_em(bm.Mixture(family, 2, constraints=(bm.Order("mean"),)), data, restarts=2, seed=1)
    found = order_binds(Evidence(gibbs(em, 1, draws=200), em))
    assert said(found) == expected
    assert found is None or "trims a tail" in found.sentence


@pytest.mark.parametrize("centre,expected", [(0.5, ("note", None)), (5.0, None)])
def test_an_order_that_only_chooses_among_names(centre, expected):
    """Exchangeable components half a standard deviation apart, or five: beyond the order they are the same two."""
    gap = np.abs(centre + np.random.default_rng(0).normal(size=(4, 40)))
    model = bm.Mixture(bm.Gaussian(), 2, constraints=(bm.Order("mean"),))
    fit = SimpleNamespace(mixture=model, theta=lambda c, s, relabelled: {"mean": np.array([[0.0], [gap[c, s]]])})
    problem = SimpleNamespace(mixture=model, blocks_of_components=((0, 1),))
    found = order_binds(SimpleNamespace(sampled=True, fit=fit, problem=problem, some=list(np.ndindex(4, 40))))
    assert said(found) == expected
    assert found is None or "each other's names" in found.sentence


@pytest.mark.parametrize("height,level", [(1.0, "note"), (-1.0, "good")])
def test_a_light_optimum_without_a_chain(height, level):
    """A hundredth of a percent of the mass: higher than what was visited, which is worth a word, or lower."""
    state = evidence([[0] * 10] * 4, [1 - 1e-4, 1e-4])
    state.matching.optima[1].log_posterior = height
    found = unvisited(state)
    assert said(found) == (level, None)
    assert ("is higher than every optimum" in found.sentence) is (level == "note")


def test_every_file_of_checks_is_registered():
    """Each is imported by its package, which is what registers it, and holds one check."""
    files = {m.name for m in pkgutil.iter_modules(checks.__path__)}
    imported = [n for n in ast.walk(ast.parse(inspect.getsource(checks))) if isinstance(n, ast.ImportFrom)]
    assert {alias.name for n in imported for alias in n.names} == files
    assert sorted(c.__module__ for c in CHECKS) == sorted(f"{checks.__name__}.{name}" for name in files)
