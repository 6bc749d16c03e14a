"""Standard deviations at the mode, the bootstrap, restarts until stable, what a run keeps of its way."""

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em import stable
from bayesmix.em.modes import Mode
from bayesmix.em.progress import meter

F = bm.Flat
P1 = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), 2)


# ---- Laplace standard deviations ----------------------------------------------------------------------------


def test_standard_errors_of_one_gaussian(rng):
    """The inverse observed information in closed form: sd / sqrt(n), var sqrt(2 / n), sd / sqrt(2 n)."""
    x, n = rng.normal(3.0, 2.0, size=(50, 1)), 50
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=F(), var=F()), 1), x, restarts=1, seed=0)
    found, var = fit.standard_deviations(), x.var()
    assert found.name == "standard error" and found.attrs["reason"] == ""
    assert found["mean[0, x0]"] == pytest.approx(np.sqrt(var / n), rel=1e-6)
    assert found["var[0, x0]"] == pytest.approx(var * np.sqrt(2 / n), rel=1e-6)
    assert found["sd[0]"] == pytest.approx(np.sqrt(var / (2 * n)), rel=1e-6)
    table = fit.summary()
    assert list(table.columns) == ["value", "standard error", "derived"]


def test_standard_errors_of_a_full_covariance(rng):
    """Var(V_ij) = (V_ii V_jj + V_ij^2) / n, Var(corr) = (1 - corr^2)^2 / n (Anderson 2003, section 4.2)."""
    x = rng.normal(size=(80, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), 1), x, restarts=1, seed=0)
    V, found = np.cov(x.T, bias=True), fit.standard_deviations()
    assert found["cov[0, x0, x1]"] == pytest.approx(np.sqrt((V[0, 0] * V[1, 1] + V[0, 1] ** 2) / 80), rel=1e-5)
    assert found["cov[0, x1, x1]"] == pytest.approx(V[1, 1] * np.sqrt(2 / 80), rel=1e-5)
    corr = V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])
    assert found["corr[0, x0, x1]"] == pytest.approx((1 - corr**2) / np.sqrt(80), rel=1e-5)


def test_standard_deviation_of_a_conjugate_posterior():
    """Known variance and a normal prior: the posterior of the mean is Gaussian, and Laplace exact."""
    x = np.array([0.3, 1.1, 2.0, 4.2])
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Normal(1, 3), var=bm.Fixed(1.5)), 1), x, restarts=1, seed=0)
    found = fit.standard_deviations()
    assert found.name == "sd"
    assert found["mean[0, x0]"] == pytest.approx(1 / np.sqrt(1 / 9 + 4 / 1.5), rel=1e-6)


def test_standard_errors_of_supervised_weights(iris):
    """All labels given: weights are multinomial shares, w (1 - w) / n."""
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), 3, weight=F()), iris, restarts=1, seed=0)
    found = fit.standard_deviations()
    for k in range(3):
        assert found[f"weight[{k}]"] == pytest.approx(np.sqrt(1 / 3 * 2 / 3 / 150), rel=1e-5)


def test_no_standard_deviation_at_an_edge(galaxies):
    """NaN with the reason: an active floor, an empty component."""
    floor = bm.fit_em(bm.Mixture(P1.family, 3, constraints=(bm.MinWeight(0.2),)), galaxies, restarts=2, seed=2)
    found = floor.standard_deviations()
    assert found.isna().all() and "constraint" in found.attrs["reason"]
    assert "constraint" in floor.summary().attrs["reason"]
    start = {
        "weight": [0.3, 0.7 - 1e-6, 1e-6],
        "mean": [[19.5], [21.4], [20.0]],
        "var": [[46.0], [3.7], [5.0]],
    }
    empty = bm.fit_em(bm.Mixture(P1.family, 3), galaxies, start=start, seed=0)
    assert empty.optima[0].kind == "empty component"
    assert empty.standard_deviations().isna().all() and "empty" in empty.standard_deviations().attrs["reason"]


def test_no_standard_deviation_off_the_maximum(galaxies):
    """Hard EM ends elsewhere, and so does a climb that was cut short and left unpolished."""
    hard = bm.fit_em(P1, galaxies, restarts=2, start="rows", stiffness=np.inf, seed=1)
    found = hard.standard_deviations()
    assert found.isna().all() and found.attrs["reason"] != ""


def test_a_probability_of_one_has_none():
    """A column of ones under Beta(1, 1): the maximum is the edge; the other probability keeps its own."""
    x = np.column_stack([np.ones(20), np.arange(20) % 4 == 0]).astype(float)
    fit = bm.fit_em(bm.Mixture(bm.Bernoulli(prob=bm.Beta(1, 1)), 1), x, restarts=1, seed=0)
    found = fit.standard_deviations()
    assert np.isnan(found["prob[0, x0]"]) and "edge" in found.attrs["reason"]
    assert found["prob[0, x1]"] == pytest.approx(np.sqrt(0.25 * 0.75 / 20), rel=1e-6)


def test_standard_deviations_survive_saving(faithful, tmp_path):
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), faithful, restarts=3, seed=1)
    back = bm.load(fit.save(tmp_path / "fit.nc"))
    np.testing.assert_allclose(back.standard_deviations(), fit.standard_deviations(), rtol=1e-9)
    assert [m.start for m in back.optima] == [m.start for m in fit.optima]
    np.testing.assert_array_equal(back.start_of(0)["mean"], fit.start_of(0)["mean"])


# ---- the bootstrap ---------------------------------------------------------------------------------------------


def test_bootstrap_of_a_mean(rng):
    """K = 1: the bootstrap sd of a mean is sd / sqrt(n), within five of its own standard errors."""
    x, B = rng.normal(size=60), 150
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=F(), var=F()), 1), x, restarts=1, seed=0)
    for parametric in (False, True):
        boot = bm.bootstrap(fit, replicates=B, seed=3, parametric=parametric)
        expected = x.std() / np.sqrt(len(x))
        assert boot.sd["mean[0, x0]"] == pytest.approx(expected, rel=5 / np.sqrt(2 * B))
        assert boot.changed == 0 and boot.collapsed == 0
        low, high = boot.intervals(0.9).loc["mean[0, x0]"]
        assert (high - low) / (2 * 1.645) == pytest.approx(expected, rel=0.3)


def test_bootstrap_replicates_are_relabelled(faithful):
    """Twice: exactly the same under any number of workers, and no component mixes two humps."""
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), faithful, restarts=3, seed=0)
    boot = bm.bootstrap(fit, replicates=6, seed=3)
    again = bm.bootstrap(fit, replicates=6, seed=3, workers=2)
    for name, value in boot.draws.items():
        np.testing.assert_array_equal(value, again.draws[name])
        assert value.shape == (6, *fit.best[name].shape)
    near = np.abs(boot.draws["mean"][:, :, 1] - fit.best["mean"][:, 1])
    assert (near < 5).all() and np.ptp(fit.best["mean"][:, 1]) > 20
    assert dict(boot.dataset.sizes) == {"replicate": 6, "component": 2, "feature": 2, "feature2": 2}
    assert list(boot.summary().columns) == ["value", "mean", "sd", "5%", "95%", "derived"]


@pytest.mark.certify
def test_bootstrap_agrees_with_laplace(faithful):
    """Well separated and regular: the two standard deviations are alike."""
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(mean=F(), cov=F()), 2, weight=F()), faithful, restarts=3, seed=0)
    boot = bm.bootstrap(fit, replicates=100, seed=1).sd
    ratio = (boot / fit.standard_deviations()).filter(regex="mean|weight")
    assert (ratio > 0.7).all() and (ratio < 1.4).all()


def test_bootstrap_names_what_changed_mode(galaxies):
    """Four components on 82 rows do not return to one mode; collapsed replicates are counted, not averaged."""
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(mean=F(), var=F()), 4, weight=F()), galaxies, restarts=6, seed=0)
    boot = bm.bootstrap(fit, replicates=12, seed=0)
    assert 0 < boot.changed + boot.collapsed <= 1
    lost = boot.status == "collapsed"
    assert np.isnan(boot.draws["mean"][lost]).all() and np.isfinite(boot.draws["mean"][~lost]).all()
    assert np.isfinite(boot.sd).all()


def test_bootstrap_keeps_labels_and_weights(davis):
    label = np.where(np.arange(davis.n) < 40, davis.label, -1)
    data = bm.Data(davis.x, label, np.full(davis.n, 2.0), davis.names, davis.classes)
    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), data, restarts=1, seed=0)
    boot = bm.bootstrap(fit, replicates=5, seed=0)
    assert (np.abs(boot.draws["mean"] - fit.best["mean"]) < 5).all()
    with pytest.raises(bm.InputError, match="labels"):
        bm.bootstrap(fit, parametric=True)


@pytest.mark.parametrize("options", [{"replicates": 0}, {"workers": True}, {"replicates": 2.5}])
def test_bootstrap_bad_options(options, galaxies):
    fit = bm.fit_em(P1, galaxies, restarts=1, seed=0)
    with pytest.raises(bm.InputError, match=next(iter(options))):
        bm.bootstrap(fit, **options)


# ---- until stable ----------------------------------------------------------------------------------------------


def optima(*times):
    return [Mode({}, 0.0, 0.0, t, 0.0, "interior", 0.0, True, 0.0, "", "") for t in times]


def test_good_turing():
    """s / n, and the binomial upper limit: the probability of at most s surprises in n at that limit is 1 - c."""
    from scipy.stats import binom

    for times in ((5, 3, 1, 1), (7, 3), (1, 1, 1)):
        n, s = sum(times), sum(t == 1 for t in times)
        seen = stable.coverage(optima(*times), n, 0.9)
        assert seen.unseen == s / n and seen.singletons == s
        if s < n:
            assert binom.cdf(s, n, seen.upper) == pytest.approx(0.1, abs=1e-9)
        else:
            assert seen.upper == 1
    assert stable.coverage(optima(60), 60).upper == pytest.approx(1 - 0.05 ** (1 / 60))
    assert stable.coverage(optima(58), 58).upper > 0.05 > stable.coverage(optima(59), 59).upper


def test_until_stable(galaxies):
    """It ends at the bound with all three maxima of P1, says so, and neither workers nor rounds matter."""
    fit = bm.fit_em(P1, galaxies, restarts="until-stable", start="prior", seed=1)
    assert len(fit.runs) == fit.settings["restarts"] == 60 and len(fit.optima) == 3
    assert fit.settings["unseen_mode_upper"] < 0.05
    assert any("unseen optimum" in note for note in fit.settings["notes"])
    plain = bm.fit_em(P1, galaxies, restarts=60, start="prior", seed=1, workers=2)
    assert [r.log_posterior for r in fit.runs] == [r.log_posterior for r in plain.runs]
    assert [m.restarts for m in fit.optima] == [m.restarts for m in plain.optima]


def test_until_stable_has_a_cap(galaxies):
    rule = bm.UntilStable(bound=0.01, cap=30)
    fit = bm.fit_em(P1, galaxies, restarts=rule, start="prior", seed=1)
    assert len(fit.runs) == 30 and "was not met within 30 restarts" in fit.settings["notes"][-1]


def test_until_stable_goes_on_while_singletons_come(galaxies):
    """P2 at K = 3 has 21 maxima, some rare: 40 restarts show it."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(2, 1)), 3, weight=bm.Dirichlet(2.0))
    fit = bm.fit_em(model, galaxies, restarts=bm.UntilStable(cap=40), start="prior", seed=1)
    assert len(fit.runs) == 40
    assert sum(m.times_reached == 1 for m in fit.optima) == round(fit.settings["unseen_mode"] * 40) > 0


def test_mixed_takes_every_kind_of_start_in_turn(galaxies):
    """Restart i is that of its kind alone, by the i-th child of the same seed, however many restarts there are."""
    from bayesmix.em.kernel import Problem
    from bayesmix.em.restarts import climb_all
    from bayesmix.em.starts import MIXED

    problem = Problem.of(P1.resolve(galaxies), galaxies)
    fit = bm.fit_em(P1, galaxies, restarts=8, start="mixed", seed=4)
    more, _ = climb_all(problem, "mixed", restarts=6, first=2, seed=4)
    assert len(fit.runs) == 8 and fit.settings["start"] == "mixed"
    for i, run in enumerate(fit.runs):
        (own,), _ = climb_all(problem, MIXED[i % 5], restarts=1, first=i, seed=4)
        np.testing.assert_array_equal(run.trace[:5], own.trace[:5])
        assert i < 2 or np.array_equal(more[i - 2].trace, own.trace)


def test_mixed_restarts_that_are_interrupted_keep_what_ended(galaxies):
    def stop(done, total):
        assert total == 10
        if done == 3:
            raise KeyboardInterrupt

    fit = bm.fit_em(P1, galaxies, restarts=10, start="mixed", seed=4, progress=stop, keep_trace=True)
    assert fit.settings["partial"] and len(fit.runs) == 3


def test_until_stable_takes_every_kind_of_start_in_turn(galaxies):
    """Left to itself it finds most of the maxima of P2 at K = 3, where k-means++ alone meets a few and is content."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(2, 1)), 3, weight=bm.Dirichlet(2.0))
    rule = bm.UntilStable(bound=0.04)
    fit = bm.fit_em(model, galaxies, restarts=rule, seed=1)
    alone = bm.fit_em(model, galaxies, restarts=rule, start="kmeans++", seed=1)
    assert fit.settings["start"] == "mixed"
    assert fit.settings["unseen_mode_upper"] < 0.04 and alone.settings["unseen_mode_upper"] < 0.04
    assert len(fit.optima) >= 2 * len(alone.optima)


@pytest.mark.parametrize("bad", ["forever", 0, 2.5])
def test_bad_restarts(bad, galaxies):
    with pytest.raises(bm.InputError, match="restarts"):
        bm.fit_em(P1, galaxies, restarts=bad)


def test_until_stable_needs_a_random_start(galaxies):
    with pytest.raises(bm.InputError, match="random start"):
        bm.fit_em(P1, galaxies, restarts="until-stable", start=np.zeros(82, int))
    with pytest.raises(bm.InputError, match="bound"):
        bm.UntilStable(bound=1.5)


# ---- where it began, and the way ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["prior", "kmeans++"])
def test_a_start_can_be_replayed(start, galaxies):
    fit = bm.fit_em(P1, galaxies, restarts=8, start=start, seed=5)
    for m, mode in enumerate(fit.optima):
        assert mode.start == min(mode.restarts) == fit.modes.loc[m, "start"]
        again = bm.fit_em(P1, galaxies, start=fit.start_of(m), seed=0)
        assert again.log_posterior == pytest.approx(mode.log_posterior, abs=1e-8)
        np.testing.assert_allclose(again.runs[0].trace, fit.runs[mode.start].trace, rtol=1e-9)
    given = bm.fit_em(P1, galaxies, start=fit.best, seed=0)
    np.testing.assert_array_equal(given.start_of()["mean"], fit.best["mean"])
    with pytest.raises(bm.InputError, match="start_of"):
        fit.start_of(99)


@pytest.mark.parametrize("stiffness", [1.0, 2.0, np.inf])
def test_a_trace_keeps_responsibilities(stiffness, galaxies):
    fit = bm.fit_em(P1, galaxies, restarts=2, start="rows", seed=1, stiffness=stiffness, keep_trace=True)
    for run in fit.runs:
        assert len(run.thetas) == len(run.trace) == len(run.responsibilities) == len(run.kept)
        np.testing.assert_allclose(run.responsibilities.sum(axis=2), 1, atol=1e-12)
        joint = fit.mixture.log_joint(galaxies.x, run.thetas[-1])
        if np.isinf(stiffness):
            assert (run.responsibilities[-1].argmax(axis=1) == joint.argmax(axis=1)).all()
        else:
            r = np.exp(stiffness * (joint - joint.max(axis=1, keepdims=True)))
            np.testing.assert_allclose(run.responsibilities[-1], r / r.sum(axis=1, keepdims=True), atol=1e-10)


def test_a_trace_keeps_within_its_memory(galaxies):
    """Each theta costs 82 x 2 x 8 bytes; first and last are always kept while there is room for them."""
    whole = bm.fit_em(P1, galaxies, restarts=3, seed=1, keep_trace=True)
    total = sum(len(r.trace) for r in whole.runs)
    small = bm.fit_em(P1, galaxies, restarts=3, seed=1, keep_trace=0.5 * total * 82 * 2 * 8 / 2**20)
    assert sum(len(r.kept) for r in small.runs) <= 0.5 * total + 2 * len(small.runs)
    for a, b in zip(whole.runs, small.runs, strict=True):
        assert b.kept[0] == 0 and b.kept[-1] == len(b.thetas) - 1 and len(b.thetas) == len(a.thetas)
        np.testing.assert_array_equal(b.responsibilities, a.responsibilities[list(b.kept)])
    assert bm.fit_em(P1, galaxies, restarts=1, seed=1).runs[0].responsibilities is None


@pytest.mark.parametrize("bad", [-1, "yes", float("nan")])
def test_bad_keep_trace(bad, galaxies):
    with pytest.raises(bm.InputError, match="keep_trace"):
        bm.fit_em(P1, galaxies, restarts=1, keep_trace=bad)


def test_progress(capsys, monkeypatch, galaxies):
    """A function is called; True draws a bar; None draws none where stderr is no terminal, or within two seconds."""
    seen = []
    bm.fit_em(P1, galaxies, restarts=3, seed=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    bm.fit_em(P1, galaxies, restarts=2, seed=1)
    assert capsys.readouterr().err == ""
    bm.fit_em(P1, galaxies, restarts=2, seed=1, progress=True)
    assert "EM restarts" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for patience, drawn in ((60.0, False), (0.0, True)):
        monkeypatch.setattr("bayesmix.em.progress.PATIENCE", patience)
        with meter(None, "waiting") as step:
            step(1, 2)
        assert ("waiting" in capsys.readouterr().err) == drawn
