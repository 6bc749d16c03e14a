"""Verdicts on made-up draws with a known truth, each with its opposite."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.diagnostics.findings import CHECKS, VERDICTS, Finding, check
from bayesmix.em.kernel import Problem
from bayesmix.em.modes import match
from laplace import laplace_fit


@pytest.fixture(scope="module")
def two_groups():
    """Two well separated groups in one dimension: one optimum, two labellings."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 1, 40), rng.normal(8, 1, 60)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 2, weight=bm.Dirichlet(2))
    return bm.fit_em(model, bm.Data(x), seed=1)


@pytest.fixture(scope="module")
def two_optima():
    """Three components on two pairs of groups: real optima besides relabelling."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(m, 0.5, 30) for m in (0, 3, 20, 23)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(11, 12), sd=bm.Fixed(0.9), shared=True), 3, weight=bm.Dirichlet(2))
    return bm.fit_em(model, bm.Data(x), restarts=60, start="rows", seed=2)


def draws(em, draws=600, seed=0, **how):
    return laplace_fit(em, draws=draws, seed=seed, **how)


def filled(fit):
    """The same fit with exact log posteriors (the stand-in leaves most of them out)."""
    from dataclasses import replace

    problem = Problem.of(fit.mixture, fit.data)
    values = np.empty(fit.shape)
    for c, s in np.ndindex(*fit.shape):
        theta = problem.inward(fit.theta(c, s, relabelled=False))
        values[c, s] = problem.e_step(theta).objective + sum(problem.mixture.log_prior(theta).values())
    return replace(fit, log_posteriors=values)


def names(diagnosis, level):
    return {f.name for f in diagnosis.findings if f.level == level}


def test_sound(two_groups):
    diagnosis = bm.diagnose(filled(draws(two_groups)), two_groups)
    assert diagnosis.verdicts == ("sound",), diagnosis.summary()
    assert diagnosis.table.index[0] == "log posterior"
    assert list(dict.fromkeys(diagnosis.table["kind"])) == ["invariant", "relabelled", "raw"]


def test_label_switching_whatever_raw_r_hat_says(two_groups):
    switched = filled(draws(two_groups, switch=True))
    diagnosis = bm.diagnose(switched, two_groups)
    assert diagnosis.verdict == "label switching", diagnosis.summary()
    raw = diagnosis.table.query("kind == 'raw'")["r_hat"].max()
    relabelled = diagnosis.table.query("kind == 'relabelled'")["r_hat"].max()
    assert raw > 1.3 > 1.05 > relabelled


def test_perfect_switching_has_raw_r_hat_one_and_is_still_found(two_groups):
    from dataclasses import replace

    fit = filled(draws(two_groups))
    rng = np.random.default_rng(9)
    flip = rng.random(fit.shape) < 0.5
    permutation = np.where(flip[..., None], [1, 0], [0, 1])
    swapped = {
        n: np.where(flip.reshape(*flip.shape, *(1,) * (v.ndim - 2)), v[:, :, ::-1], v) for n, v in fit.draws.items()
    }
    diagnosis = bm.diagnose(replace(fit, draws=swapped, permutation=permutation), two_groups)
    assert diagnosis.table.query("kind == 'raw'")["r_hat"].max() < 1.02
    assert diagnosis.verdict == "label switching", diagnosis.summary()


def test_not_converged(two_groups):
    from dataclasses import replace

    fit = draws(two_groups)
    shifted = {n: v.copy() for n, v in fit.draws.items()}
    shifted["mean"][3] += 0.15  # one chain is stuck beside the others, in the same region
    diagnosis = bm.diagnose(filled(replace(fit, draws=shifted)), two_groups)
    assert "not converged" in diagnosis.verdicts, diagnosis.summary()


def test_too_few_draws_are_undecided(two_groups):
    diagnosis = bm.diagnose(filled(draws(two_groups, draws=50)), two_groups)
    assert diagnosis.verdict == "undecided", diagnosis.summary()
    assert "Draw more" in diagnosis.advice


def test_chains_in_different_optima_are_several_modes(two_optima):
    from dataclasses import replace

    modes = [m for m in two_optima.optima if m.kind == "interior" and np.isfinite(m.log_mass)]
    assert len(modes) >= 2
    first = filled(laplace_fit(two_optima, draws=400))
    other = filled(laplace_fit(replace(two_optima, optima=(modes[1],)), draws=400))
    mixed = {n: np.concatenate([v[:2], other.draws[n][2:]]) for n, v in first.draws.items()}
    both = replace(
        first,
        draws=mixed,
        log_posteriors=np.concatenate([first.log_posteriors[:2], other.log_posteriors[2:]]),
    )
    diagnosis = bm.diagnose(both, two_optima)
    assert diagnosis.verdict == "several modes", diagnosis.summary()
    occupancy = diagnosis.occupancy.to_numpy()
    assert occupancy[0].argmax() != occupancy[3].argmax()


def test_an_unvisited_region_is_several_modes(two_optima):
    fit = filled(laplace_fit(two_optima, draws=400))
    diagnosis = bm.diagnose(fit, two_optima)
    assert diagnosis.verdict == "several modes", diagnosis.summary()
    assert "No chain visited" in diagnosis.summary()


def test_em_alone(two_groups, two_optima):
    assert bm.diagnose(two_groups).verdict == "sound"
    assert bm.diagnose(two_optima).verdict == "several modes"
    x = np.random.default_rng(1).normal(size=60)
    empty = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 10), var=bm.InverseGamma(3, 20)), 3), bm.Data(x), seed=1)
    assert empty.optima[0].kind in ("empty component", "twin components")
    assert bm.diagnose(empty).verdict == "degenerate"


def test_a_draw_above_the_map_is_a_failure_of_em(two_groups):
    from dataclasses import replace

    fit = filled(draws(two_groups))
    low = replace(two_groups.optima[0], log_posterior=two_groups.log_posterior - 5)
    lied = replace(fit, optima=(low,))
    diagnosis = bm.diagnose(lied)
    assert any(f.name == "above the MAP" and f.level == "warning" for f in diagnosis.findings)


def test_the_verdict_does_not_depend_on_the_names_of_components(two_groups):
    from dataclasses import replace

    fit = filled(draws(two_groups))
    turned = replace(
        fit,
        draws={n: v[:, :, ::-1] if v.shape[2] == 2 else v for n, v in fit.draws.items()},
        permutation=np.broadcast_to([1, 0], fit.permutation.shape),
    )
    assert bm.diagnose(turned, two_groups).verdicts == bm.diagnose(fit, two_groups).verdicts


def test_a_failed_certificate_is_a_problem(two_groups):
    from dataclasses import replace

    fit = filled(draws(two_groups))
    broken = replace(fit, certificate=replace(fit.certificate, terms={"mean": 1e-5, "x": 1e-12}))
    diagnosis = bm.diagnose(broken, two_groups)
    assert diagnosis.verdict == "undecided"
    assert "`mean`" in diagnosis.summary()


def test_matching_undoes_a_planted_permutation(two_groups):
    problem = Problem.of(two_groups.mixture, two_groups.data)
    turned = two_groups.mixture.permute(two_groups.best, [1, 0])
    assert match(problem, two_groups.best, turned).tolist() == [1, 0]
    assert match(problem, two_groups.best, two_groups.best).tolist() == [0, 1]


def test_a_new_check_is_one_function(two_groups):
    @check
    def lucky(evidence):
        return Finding("lucky", "note", f"There are {evidence.fit.data.n} rows.", table=pd.DataFrame({"n": [1]}))

    try:
        assert "There are 100 rows." in bm.diagnose(two_groups).summary()
    finally:
        CHECKS.remove(lucky)
    assert "There are 100 rows." not in bm.diagnose(two_groups).summary()


def test_findings_are_checked():
    with pytest.raises(ValueError, match="level"):
        Finding("x", "bad", "y")
    with pytest.raises(ValueError, match="verdict"):
        Finding("x", "good", "y", "wonderful")
    assert VERDICTS[-1] == "sound"
