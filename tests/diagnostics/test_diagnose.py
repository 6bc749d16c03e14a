"""Verdicts on made-up draws with a known truth, each with its opposite."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.diagnostics.findings import CHECKS, VERDICTS, Finding, check
from bayesmix.em.kernel import Problem
from bayesmix.em.modes import match
from diagnosis_bench.chains import around, packed, renamed, weighty
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
    assert names(diagnosis, "good") == {
        "above the MAP", "census", "certificate", "convergence", "divergences", "effective size", "several modes",
        "switching",
    } and len(diagnosis.findings) == 8  # fmt: skip
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


@pytest.mark.parametrize("climbing", [False, True])
def test_a_chain_that_passes_through_another_optimum_does_not_stay_there(two_optima, climbing):
    """Nearer to the top of its hill with every draw, or at rest there."""
    from dataclasses import replace

    rng, (first, other) = np.random.default_rng(0), weighty(two_optima)[:2]
    top, chains = two_optima.optima[other], [around(two_optima, first, 120, rng) for _ in range(3)]
    parts = [replace(top, cov_u=scale * top.cov_u) for scale in (np.linspace(3, 0.3, 12) ** 2 if climbing else [1.0])]
    parts = [around(replace(two_optima, optima=(part,)), 0, 120 // len(parts), rng) for part in parts]
    last = {n: np.concatenate([part[n] for part in parts]) for n in chains[0]}
    diagnosis = bm.diagnose(packed(two_optima, [*chains, last]), two_optima)
    assert (diagnosis.occupancy[other] > 0.5).tolist() == [False, False, False, True]
    found = next(f for f in diagnosis.findings if f.name == "several modes")
    assert found.verdict == ("undecided" if climbing else "several modes"), diagnosis.summary()


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


def test_the_verdict_is_the_same_under_any_names_of_components_and_chains(two_optima):
    """A chain in another optimum, switched names and a slow chain at once, under permutations of everything."""
    rng = np.random.default_rng(11)
    modes = [m for m, o in enumerate(two_optima.optima) if o.kind == "interior" and np.isfinite(o.log_mass)]
    chains = [around(two_optima, modes[int(c == 2)], 200, rng, phi=0.95 * (c == 1)) for c in range(4)]
    first = bm.diagnose(packed(two_optima, chains), two_optima)
    for _ in range(2):
        turned = [renamed(two_optima.mixture, chain, rng.permutation(3)) for chain in chains]
        order = rng.permutation(4)
        again = bm.diagnose(packed(two_optima, [turned[c] for c in order]), two_optima)
        told = {"label switching"}  # names that differ between chains are switched, which is what was done
        assert set(again.verdicts) - told == set(first.verdicts) - told and again.verdict == first.verdict
        assert np.allclose(again.occupancy, first.occupancy.to_numpy()[order])


def test_an_order_by_a_coordinate_that_tells_nothing():
    """Equal means, unequal scales, ordered by the mean: flagged, and the coordinate that would do is named."""
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 100), rng.normal(0, 12, 100)])
    family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(1.5, 2))
    for by, cuts in (("mean", True), ("var", False)):
        model = bm.Mixture(family, 2, weight=bm.Dirichlet(4), constraints=(bm.Order(by),))
        em = bm.fit_em(model, bm.Data(x), restarts=4, seed=1)
        chains = []
        for _ in range(4):
            chain = around(em, 0, 300, rng)
            swap = np.argsort(chain[by][:, :, 0], axis=1)
            chains.append(renamed(model, chain, swap))
        diagnosis = bm.diagnose(packed(em, chains), em)
        found = [f for f in diagnosis.findings if f.name == "order"]
        assert bool(found) is cuts, diagnosis.summary()
        if cuts:
            assert diagnosis.verdict == "label switching", diagnosis.summary()
            assert 'bm.Order("var")' in found[0].advice and found[0].table["named alike"].idxmax() == "var"


def test_without_a_census_one_is_made(two_groups):
    from dataclasses import replace

    fit = replace(filled(draws(two_groups)), optima=(), runs=())
    assert bm.diagnose(fit).verdicts == ("sound",)


def test_where_em_finds_no_optimum_the_finding_says_so():
    """A Dirichlet of 0.05 has no bound where a component is empty: no census, and the chains' components are empty."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 1, 30), rng.normal(9, 1, 30)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 9), var=bm.InverseGamma(3, 2)), 4, weight=bm.Dirichlet(0.05))
    fit = bm.fit_mcmc(model, x, start="prior", sampler="gibbs", draws=300, tune=100, seed=1, workers=1)
    diagnosis = bm.diagnose(fit)
    assert diagnosis.verdict == "degenerate", diagnosis.summary()
    assert any(f.name == "census" and "no census" in f.sentence for f in diagnosis.findings)


def test_fits_of_different_models_are_refused(two_groups, two_optima):
    with pytest.raises(bm.InputError, match="different models or data"):
        bm.diagnose(draws(two_groups, draws=20), two_optima)
    with pytest.raises(bm.InputError, match="expected an MCMC or EM fit"):
        bm.diagnose(two_groups.best)


def test_new_optima_join_the_census_and_get_a_mass(two_optima):
    """A census of one optimum: the chains in the other find it, and their verdict is the same as with it known."""
    from dataclasses import replace

    rng = np.random.default_rng(8)
    modes = [m for m, o in enumerate(two_optima.optima) if o.kind == "interior" and np.isfinite(o.log_mass)]
    fit = packed(two_optima, [around(two_optima, modes[c // 2], 150, rng) for c in range(4)])
    short = replace(two_optima, optima=two_optima.optima[:1])
    diagnosis = bm.diagnose(fit, short)
    assert diagnosis.verdict == "several modes" and len(diagnosis.modes) == 2
    ours, theirs = diagnosis.evidence.matching.optima[1], two_optima.optima[modes[1]]
    assert ours.log_posterior == pytest.approx(theirs.log_posterior, abs=1e-6)
    assert ours.log_mass == pytest.approx(theirs.log_mass, abs=1e-4)


@pytest.mark.parametrize("known", [None, 1], ids=["all optima", "one of them"])
def test_a_census_from_a_file_says_the_same(two_optima, known, tmp_path):
    """Masses by importance sampling need the covariances of the optima; so do starts around them."""
    from dataclasses import replace

    em = replace(two_optima, optima=two_optima.optima[:known])
    em.save(tmp_path / "em.nc")
    loaded = bm.load(tmp_path / "em.nc")
    np.testing.assert_array_equal(loaded.optima[0].cov_u, em.optima[0].cov_u)
    rng = np.random.default_rng(1)
    chains = [around(two_optima, m, 40, rng) for m in weighty(two_optima)[:2]]
    ours, theirs = (bm.diagnose(packed(e, chains), e) for e in (em, loaded))
    pd.testing.assert_frame_equal(ours.modes, theirs.modes)
    assert ours.summary() == theirs.summary() and ours.verdict == "several modes"


def test_importance_sampling_corrects_the_laplace_mass(two_optima):
    """The shares sum to one, their errors are small, and both agree where the posterior is nearly normal."""
    fit = packed(two_optima, [around(two_optima, 0, 100, np.random.default_rng(c)) for c in range(2)])
    table = bm.diagnose(fit, two_optima).modes
    assert table["share"].sum() == pytest.approx(1)
    heavy = table[table["share"] > 0.05]
    assert len(heavy) >= 2 and (heavy["se"] < 0.1).all()
    assert (np.abs(heavy["share"] - heavy["laplace"]) < 5 * heavy["se"] + 0.1).all()
    assert heavy["worth"].str.startswith("importance sampling").all()


@pytest.mark.parametrize("shift,told", [(-0.5, True), (1.0, False)])
def test_labels_that_lean_against_the_order(shift, told):
    """Two labelled classes of 50, the second 0.5 lower: 2.5 standard errors against the order, or 5 along it."""
    normal = np.linspace(-2, 2, 50) / 1.18
    x, label = np.concatenate([normal, normal + shift]), np.repeat([0, 1], 50)
    family = bm.Gaussian(mean=bm.Normal(0, 5), var=bm.InverseGamma(3, 2))
    model = bm.Mixture(family, 2, weight=bm.Dirichlet(2), constraints=(bm.Order("mean"),))
    diagnosis = bm.diagnose(bm.fit_em(model, bm.Data(x, label=label), restarts=2, seed=1))
    assert any(f.name == "labels against the order" for f in diagnosis.findings) is told


def test_a_floor_that_binds():
    """A floor of 0.3 under a group of a tenth: the optimum sits on it, and the finding says what EM says without."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 180), rng.normal(9, 1, 20)])
    for least, binds in ((0.3, True), (0.02, False)):
        family = bm.Gaussian(mean=bm.Normal(4, 9), var=bm.InverseGamma(3, 2))
        model = bm.Mixture(family, 2, weight=bm.Dirichlet(2), constraints=(bm.MinWeight(least),))
        found = [f for f in bm.diagnose(bm.fit_em(model, bm.Data(x), restarts=3, seed=1)).findings if f.name == "floor"]
        assert bool(found) is binds
        assert not binds or "0.104" in found[0].sentence  # (20 + 1) / (200 + 2)


def test_a_prior_that_the_data_contradict():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 50), rng.normal(9, 1, 50)])
    for centre, conflict in ((4.0, False), (400.0, True)):
        family = bm.Gaussian(mean=bm.Normal(centre, 9), var=bm.InverseGamma(3, 2))
        found = bm.diagnose(bm.fit_em(bm.Mixture(family, 2), bm.Data(x), restarts=2, seed=1)).findings
        assert any(f.name == "prior-data conflict" for f in found) is conflict


def test_divergences_and_their_likely_cause(two_groups):
    """Divergent draws where a weight is small, anywhere, and none; low energy; trajectories that were cut."""
    from dataclasses import replace

    fit = filled(draws(two_groups, draws=200))
    rng, small = np.random.default_rng(0), fit.draws["weight"].min(axis=2)
    where = {"a weight is small": small < np.quantile(small, 0.05), "": rng.random(fit.shape) < 0.05}
    for clause, diverging in where.items():
        stats = fit.groups["sample_stats"].assign(diverging=(("chain", "draw"), diverging))
        found = bm.diagnose(replace(fit, groups={**fit.groups, "sample_stats": stats}), two_groups).findings
        finding = next(f for f in found if f.name == "divergences")
        assert finding.level == "warning" and ("they lie where a weight is small" in finding.sentence) is bool(clause)
    walk = rng.normal(size=fit.shape).cumsum(axis=1)
    stats = fit.groups["sample_stats"].assign(
        energy=(("chain", "draw"), walk), maxdepth_reached=(("chain", "draw"), rng.random(fit.shape) < 0.1)
    )
    found = {f.name for f in bm.diagnose(replace(fit, groups={"sample_stats": stats}), two_groups).findings}
    assert {"energy", "tree depth"} <= found
    assert not {"energy", "tree depth"} & {f.name for f in bm.diagnose(fit, two_groups).findings}


@pytest.mark.parametrize("chains,length", [(1, 1), (4, 1), (4, 2), (1, 200)])
def test_a_handful_of_draws_is_undecided_and_no_error(two_groups, chains, length):
    rng = np.random.default_rng(0)
    fit = packed(two_groups, [around(two_groups, 0, length, rng) for _ in range(chains)])
    diagnosis = bm.diagnose(fit, two_groups)
    assert diagnosis.verdicts == ("undecided",) and "undecided" in diagnosis.summary()
    assert np.isnan(bm.compare(two_groups, fit)["sd"]).all() == (chains * length == 1)


def test_ambiguous_means_one_thing():
    """`diagnose` and `relabel` count the same draws of a fit."""
    rng = np.random.default_rng(4)
    model = bm.Mixture(bm.Poisson(rate=bm.Gamma(2.0, 0.3)), 2, weight=bm.Dirichlet(4))
    em = bm.fit_em(model, bm.Data(rng.poisson(np.repeat([4.0, 7.0], 60))), seed=1)
    fit = packed(em, [around(em, 0, 125, rng) for _ in range(4)])
    relabelled = bm.relabel(fit)
    assert (relabelled.permutation.values == fit.permutation).all()
    share = bm.diagnose(fit, em).evidence.ambiguous
    assert 0 < share == relabelled.ambiguous


def test_a_draw_that_is_no_number_is_undecided(two_groups):
    from dataclasses import replace

    fit = filled(draws(two_groups))
    log_posteriors = fit.log_posteriors.copy()
    log_posteriors[1, 3] = np.nan
    diagnosis = bm.diagnose(replace(fit, log_posteriors=log_posteriors), two_groups)
    assert diagnosis.verdict == "undecided" and "draws of log posterior are not finite" in diagnosis.summary()


def test_a_single_chain_is_undecided(two_groups):
    fit = filled(draws(two_groups, chains=1, draws=800))
    assert bm.diagnose(fit, two_groups).verdict == "undecided"
