"""Every figure exists for every kind of fit, says what it shows, and leaves pyplot alone."""

import sys

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.report import plots
from bayesmix.report.chain_plots import rank_ecdf
from bayesmix.report.data_plots import _bins, _ellipse, _histograms, drawn_features, replicated
from bayesmix.report.features import telling
from bayesmix.report.style import PALETTE, data_uri, powers, quantities
from bayesmix.report.words import number
from figures import drawn, texts
from laplace import laplace_fit, made_up_comparison, made_up_diagnosis

LINES = 20  # at least so many curves before a figure counts as drawn


@pytest.fixture(scope="module")
def em(faithful):
    return bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), faithful, restarts=4, seed=1)


@pytest.fixture(scope="module")
def mcmc(em):
    return laplace_fit(em, switch=True)


def test_em_traces_show_every_restart_and_end_near_the_best(em):
    figure = drawn(plots.em_traces(em))
    curves = figure.axes[0].collections[0].get_segments()
    assert len(curves) == len(em.runs)
    assert min(curve[-1, 1] for curve in curves) < 1e-3
    low, high = figure.axes[0].get_ylim()
    assert all(low < curve[:, 1].min() and curve[:, 1].max() < high for curve in curves)
    assert any("optimum 0" in t and "4×" in t for t in texts(figure))


def test_em_traces_with_several_optima_and_a_collapse():
    x = np.concatenate([np.zeros(5), np.random.default_rng(0).normal(5, 1, 30)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Flat(), var=bm.Flat()), 2)
    fit = bm.fit_em(model, bm.Data(x), restarts=10, seed=0, start="rows")
    assert fit.optima[-1].kind == "collapsed"
    assert any("collapsed" in t for t in texts(drawn(plots.em_traces(fit))))


def test_scatter_names_the_features_and_draws_an_ellipse_per_component_and_draw(em, mcmc):
    figure = drawn(plots.scatter(em, mcmc))
    assert {"eruptions", "waiting"} <= set(texts(figure))
    assert len(figure.axes[0].lines) > LINES
    assert len(drawn(plots.scatter(em)).axes[0].lines) < LINES


def test_an_ellipse_holds_ninety_percent(em):
    """Its outline lies at the chi-square quantile, -2 log 0.1 in squared Mahalanobis distance."""
    outline = _ellipse(em.best, 1, 0, 1).T - em.best["mean"][1]
    distance = np.einsum("ti,ij,tj->t", outline, np.linalg.inv(em.best["cov"][1]), outline)
    np.testing.assert_allclose(distance, -2 * np.log(0.1), rtol=1e-9)


@pytest.mark.parametrize("family", [bm.Gaussian(), bm.Gaussian(shared=True), bm.MvGaussian(shared=True)])
def test_scatter_of_several_features_with_some_labels(iris, family):
    label = np.where((np.arange(150) % 4 == 0) & (iris.label < 2), iris.label, -1)
    data = bm.Data(iris.x[:, :3], label=label, names=iris.names[:3], classes=iris.classes[:2])
    fit = bm.fit_em(bm.Mixture(family, 2), data, restarts=1, seed=1)
    shown = texts(drawn(plots.scatter(fit)))
    assert {"Sepal.Width", "Petal.Length", "setosa", "labelled row"} <= set(shown)


def test_scatter_of_one_feature_is_a_density_that_integrates_to_one(galaxies):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 3), galaxies, restarts=3, seed=1)
    figure = drawn(plots.scatter(fit, laplace_fit(fit, draws=10)))
    whole = next(line for line in figure.axes[0].lines if line.get_linestyle() == "--")
    assert np.trapezoid(whole.get_ydata(), whole.get_xdata()) == pytest.approx(1, abs=0.02)


COUNTS = np.random.default_rng(0).poisson([[2, 5, 1]] * 40 + [[9, 1, 4]] * 40)


@pytest.mark.parametrize(
    "family,x",
    [
        (bm.Poisson, COUNTS),
        (bm.Poisson, COUNTS[:, :1]),
        (bm.Bernoulli, (COUNTS > 3) * 1.0),
        (bm.Gaussian, COUNTS),
    ],
    ids=["Poisson", "Poisson, one feature", "Bernoulli", "Gaussian on counts"],
)
def test_every_family_has_a_picture_of_its_data(family, x):
    fit = bm.fit_em(bm.Mixture(family(), 2), bm.Data(x), restarts=2, seed=1)
    assert drawn(plots.scatter(fit)).axes[0].has_data()
    assert drawn(plots.predictive(fit)).axes[0].has_data()


def test_responsibilities_stack_to_one_for_each_engine(em, mcmc):
    figure = drawn(plots.responsibilities(em, mcmc))
    assert len(figure.axes) == 2
    assert {"component 0", "component 1"} <= set(texts(figure))
    assert len(drawn(plots.responsibilities(None, mcmc)).axes) == 1


def test_traces_show_raw_and_relabelled(mcmc):
    figure = drawn(plots.traces(mcmc))
    assert {"raw", "relabelled", "chain"} <= set(texts(figure))
    raw, mended = figure.axes[:2]
    middle = mcmc.draws["weight"][:, :, 0].mean()
    assert np.ptp(raw.lines[0].get_ydata()) > np.ptp(mended.lines[0].get_ydata())
    assert min(raw.lines[0].get_ydata()) < middle < max(raw.lines[0].get_ydata())


def test_ranks_leave_the_band_only_where_labels_are_raw(em):
    stuck = laplace_fit(em, chains=2, draws=200)
    swapped = np.array([[0, 1], [1, 0]])
    for name, value in stuck.draws.items():
        value[1] = value[1][:, ::-1] if name in em.mixture.parameters else value[1]
    stuck.permutation[:] = swapped[:, None]
    figure = drawn(plots.ranks(stuck))
    reach = [max(np.abs(line.get_ydata()).max() for line in ax.lines[1:]) for ax in figure.axes[:2]]
    assert reach[0] == pytest.approx(0.5, abs=0.01) and reach[1] < 0.15


def test_rank_ecdf_of_two_disjoint_chains():
    p = np.array([0, 0.25, 0.5, 0.75, 1.0])
    got = rank_ecdf(np.array([np.arange(100.0), np.arange(100.0, 200)]), p)
    np.testing.assert_allclose(got, [[0, 0.5, 1, 1, 1], [0, 0, 0, 0.5, 1]], atol=0.011)


def test_comparison_and_occupancy(em, mcmc):
    figure = drawn(plots.comparison(made_up_comparison(em, mcmc)))
    assert "mean[0, eruptions]" in [t.get_text() for t in figure.axes[0].get_yticklabels()]
    figure = drawn(plots.occupancy(made_up_diagnosis()))
    assert [t.get_text() for t in figure.axes[0].texts][-1] == "17 %"


def test_a_switch_shows_as_a_break_in_the_strip_of_labels(mcmc):
    figure = drawn(plots.traces(mcmc))
    raw, mended = (ax.images[0].get_array() for ax in figure.axes if ax.images)
    np.testing.assert_array_equal(raw, mcmc.permutation.reshape(-1, 2).T)
    assert np.ptp(raw, axis=1).tolist() == [1, 1] and np.ptp(mended, axis=1).tolist() == [0, 0]


def test_the_r_hat_ladder_has_a_rung_for_each_kind():
    table = made_up_diagnosis().table
    ax = drawn(plots.r_hat_ladder(table)).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["raw", "relabelled", "invariant"]
    at = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(at, [0.9, 0.002, 0.001], rtol=1e-9)
    low, high = ax.get_xlim()
    assert low < min(at) and max(at) < high


@pytest.fixture(scope="module")
def several():
    """Four optima: three clusters, two components."""
    x = np.concatenate([np.random.default_rng(0).normal(m, 0.5, 40) for m in (0.0, 6.0, 12.0)])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(6, 10), var=bm.InverseGamma(3, 2.0)), 2)
    return bm.fit_em(model, bm.Data(x), restarts=20, seed=1)


def test_the_mode_map_places_optima_and_names_their_chains(several):
    assert len(several.optima) >= 2
    share = np.zeros((4, len(several.optima)))
    share[[0, 1], 0], share[2, 1], share[3, :2] = 1.0, 1.0, (0.6, 0.4)
    figure = drawn(plots.mode_map(several, several.optima, share))
    ax = figure.axes[0]
    at = np.array([c.get_offsets()[0] for c in ax.collections if len(c.get_offsets())])
    gaps = sorted(several.optima[0].log_posterior - m.log_posterior for m in several.optima)
    np.testing.assert_allclose(sorted(at[:, 1]), gaps)
    assert {"0", "1"} <= {t.get_text() for t in ax.texts}
    assert {"optimum 0: chains 0, 1, 3 (60 %)", "optimum 1: chains 2, 3 (40 %)"} <= set(texts(figure))


def test_the_distance_on_the_map_forgets_labels(several):
    from dataclasses import replace

    from bayesmix.report.mode_plots import _moved

    best = several.optima[0]
    turned = replace(best, theta=several.mixture.permute(best.theta, [1, 0]))
    assert _moved(several, best, turned) == pytest.approx(0, abs=1e-12)
    assert _moved(several, best, several.optima[1]) > 0.1  # negative control


def test_co_clustering_brings_together_what_belongs_together(em):
    figure = drawn(plots.co_clustering(em))
    shown = next(ax.images[0].get_array() for ax in figure.axes if ax.images and ax.images[0].get_array().shape[0] > 1)
    assert shown.shape == (272, 272)
    jumps = lambda matrix: np.abs(np.diff(matrix, axis=0)).sum()  # noqa: E731
    assert jumps(shown) < 0.1 * jumps(em.co_clustering())


def test_unsure_rows_have_their_interval(em, mcmc):
    interval = mcmc.predict_proba(interval=0.9)
    figure = drawn(plots.responsibilities(em, mcmc, interval=interval))
    assert len(figure.axes) == 3
    lines = figure.axes[2].collections[0].get_segments()
    low = np.take_along_axis(interval["lower"].values, interval["mean"].values.argmax(axis=1)[:, None], axis=1)
    assert len(lines) == (low < 0.999).sum() > 0
    assert min(segment[0, 1] for segment in lines) == pytest.approx(low.min())


def test_discriminant_directions_are_fishers(iris):
    """Two classes: W^-1 (m_1 - m_0) up to length; and unit variance within the classes."""
    from bayesmix.report.projection import directions

    x, r = iris.x[:100], np.eye(2)[iris.label[:100]]
    within = sum(np.cov(x[iris.label[:100] == c].T, bias=True) for c in (0, 1)) / 2
    want = np.linalg.solve(within, x[50:].mean(axis=0) - x[:50].mean(axis=0))
    (got,) = directions(x, r).T
    cosine = got @ want / np.linalg.norm(got) / np.linalg.norm(want)
    assert abs(cosine) == pytest.approx(1, abs=1e-9) and got @ within @ got == pytest.approx(1)
    assert directions(iris.x, np.eye(3)[iris.label]).shape == (4, 2)


@pytest.mark.parametrize("family", [bm.MvGaussian(shared=True), bm.Gaussian()], ids=["shared cov", "sd"])
def test_the_projection_draws_every_component(iris, family):
    from bayesmix.report.projection import projectable

    fit = bm.fit_em(bm.Mixture(family, 3), iris.x, restarts=2, seed=1)
    assert projectable(fit)
    ax = drawn(plots.discriminant(fit)).axes[0]
    assert sum(len(line.get_xdata()) == 121 for line in ax.lines) == 3
    two = bm.fit_em(bm.Mixture(family, 2), iris.x, restarts=1, seed=1)
    assert "discriminant direction" in texts(drawn(plots.discriminant(two)))
    flat = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), iris.x[:, :2], restarts=1, seed=1)
    assert not projectable(flat)


def test_the_density_has_a_band_of_the_draws(galaxies):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, restarts=1, seed=1)
    band = drawn(plots.scatter(fit, laplace_fit(fit, draws=10))).axes[0].collections[0].get_paths()[0].vertices
    assert np.ptp(band[:, 0]) > np.ptp(galaxies.x) and band[:, 1].max() > band[:, 1].min() >= 0


def test_frames_of_a_climb_begin_in_a_row_and_end_at_the_last_step(faithful):
    from bayesmix.report import dynamics

    fit = bm.fit_em(bm.Mixture(bm.MvGaussian(), 2), faithful, restarts=1, seed=1, start="random", keep_trace=True)
    kept = fit.runs[0].kept
    frames = dynamics.frames(fit, most=6)
    assert len(kept) > 6 == len(frames)
    assert [title for title, _ in frames[:3]] == [f"iteration {i}" for i in kept[:3]]
    assert frames[-1][0] == f"iteration {kept[-1]}"
    for _, figure in frames[::5]:
        assert len(drawn(figure).axes[0].lines) == 4  # an ellipse and a centre each


def test_predictive_of_draws_and_of_a_point(em, mcmc):
    for fit, source in ((mcmc, "posterior predictive"), (em, "simulated at the MAP")):
        assert any(source in t for t in texts(drawn(plots.predictive(fit))))


def test_figures_repeat_byte_for_byte(em):
    assert data_uri(plots.em_traces(em)) == data_uri(plots.em_traces(em))


def test_powers_of_ten_are_written_out():
    assert [powers(v) for v in (1e-9, 1.0, 10.0, 1e12)] == ["10⁻⁹", "10⁰", "10¹", "10¹²"]
    assert powers(2e-9) == powers(0.0) == ""


def test_replicated_histograms_are_numpys():
    """Weighted counts as np.histogram gives them: the last edge belongs to the last bin, what is outside to none."""
    x = np.random.default_rng(3).normal(size=(4, 60)).round(1)
    weight, bins = np.random.default_rng(4).random(60), np.array([-1.0, -0.3, 0.4, 1.5])
    want = [np.histogram(row, bins, weights=weight)[0] for row in x]
    assert (x == bins[-1]).any() and (x < bins[0]).any() and (x > bins[-1]).any()
    np.testing.assert_allclose(_histograms(x, bins, weight), want, rtol=1e-12)


PROPER = bm.Gaussian(mean=bm.Normal(0.5, 1), var=bm.InverseGamma(3, 1))


@pytest.mark.parametrize("family", [bm.Bernoulli(), PROPER], ids=lambda f: type(f).__name__)
def test_of_many_features_those_are_drawn_by_which_the_classes_differ(family):
    """Columns 3, 8 and 17 tell the groups apart; the first ones are constant, others noise, one misses cells."""
    rng = np.random.default_rng(1)
    z = np.repeat([0, 1], 100)
    x = (rng.random((200, 20)) < 0.5).astype(float)
    x[:, [3, 8, 17]] = rng.random((200, 3)) < np.where(z == 1, 0.98, 0.02)[:, None]
    x[:, :3] = [0.0, 1.0, 1.0]
    x[::3, 5] = np.nan
    fit = bm.fit_em(bm.Mixture(family, 2), bm.Data(x), restarts=3, seed=1)
    for most in (3, 4, 6):
        chosen = telling(fit, most)
        assert len(chosen) == most and (np.diff(chosen) > 0).all()
        assert {3, 8, 17} <= set(chosen) and not {0, 1, 2} & set(chosen)
    assert telling(fit, 20).tolist() == list(range(20))
    chosen = drawn_features(fit)
    labels = {ax.get_xlabel() for ax in drawn(plots.scatter(fit)).axes}
    assert {"x3", "x8"} <= labels and len(chosen) == (4 if isinstance(family, bm.Gaussian) else 6)
    assert replicated(fit, 2).shape == (2, 200, 6)
    np.testing.assert_array_equal(
        [ax.get_xlabel() for ax in drawn(plots.predictive(fit)).axes], [f"x{j}" for j in telling(fit)]
    )


def test_replicates_in_pieces_have_the_data_s_shape(em, monkeypatch):
    monkeypatch.setattr("bayesmix.report.data_plots.AT_ONCE", 3 * em.data.n * em.data.d)
    found = replicated(em, count=7)  # pieces of 3, 3 and 1
    assert found.shape == (7, em.data.n, em.data.d) and len(np.unique(found[:, 0, 0])) == 7


def test_pyplot_is_never_loaded_by_the_plots():
    import subprocess

    code = "import bayesmix.report.plots, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_bins_cover_the_data_and_keep_whole_numbers_together():
    for x in (
        np.array([3.0]),
        np.array([1.0, 2, 5]),
        np.arange(100.0),
        np.random.default_rng(0).normal(size=500),
    ):
        edges, whole = _bins(x)
        assert edges[0] < x.min() and edges[-1] > x.max()
        assert np.histogram(x, edges)[0].sum() == len(x)
        assert not whole or (edges % 1 == 0.5).all()


def test_quantities_are_few_and_never_constant(faithful):
    model = bm.Mixture(bm.Gaussian(sd=bm.Fixed([1.0, 10.0])), 2).resolve(faithful)
    assert [q[0] for q in quantities(model, faithful)] == ["weight", "mean[eruptions]", "mean[waiting]"]


@pytest.mark.parametrize(
    "value,text",
    [(0.0, "0.000"), (1.23456, "1.235"), (-1149.2198, "−1149.22"), (1e-9, "1.00e−09"), (np.nan, "–"),
     (-np.inf, "−∞"), (True, "yes"), (3, "3"), (np.int64(7), "7"), ("word", "word")],
)  # fmt: skip
def test_numbers_as_text(value, text):
    assert number(value) == text


def test_colours_differ():
    assert len(set(PALETTE)) == len(PALETTE)


def test_the_border_of_a_gaussian_s_region_is_its_ellipse(em):
    """The density at the border of the region that holds the share s of one Gaussian is (1 - s) / (2 pi det^.5)."""
    from bayesmix.report.density_plots import _grid, density, level

    one = bm.fit_em(bm.Mixture(bm.MvGaussian(), 1), em.data, restarts=1, seed=1)
    a, b, area = _grid(em.data.x)
    values = density(one, one.best, np.stack([a.ravel(), b.ravel()], axis=1))
    assert values.sum() * area == pytest.approx(1, abs=2e-3)  # the tails beyond the grid
    for share in (0.5, 0.9):
        exact = (1 - share) / (2 * np.pi * np.sqrt(np.linalg.det(one.best["cov"][0])))
        cells = level(np.sort(values)[::-1], share, area), values.max() * area  # one cell more or less
        assert cells[0] == pytest.approx(exact, rel=0.02 + cells[1])


def test_the_band_of_a_contour_is_where_draws_differ(em, mcmc):
    from bayesmix.report.density_plots import _grid, contourable, contours, density, within

    a, b, area = _grid(em.data.x)
    at = np.stack([a.ravel(), b.ravel()], axis=1)
    draws = np.stack([density(mcmc, theta, at) for theta in list(mcmc.thetas())[::40]])
    sure, unsure = within(draws[[0, 0, 0]], 0.9, area), within(draws, 0.9, area)
    assert set(sure) == {0.0, 1.0}
    assert 20 < ((unsure > 0.05) & (unsure < 0.95)).sum() < 0.3 * len(at)
    assert any("90 % region, draws" in t for t in texts(drawn(contours(em, mcmc))))
    assert any("90 % region, MAP" in t for t in texts(drawn(contours(em)))) and contourable(em)
    counts = bm.fit_em(bm.Mixture(bm.Poisson(), 1), np.arange(8.0).reshape(4, 2), restarts=1, seed=1)
    assert not contourable(counts)


def test_frames_of_one_feature_and_of_images(galaxies):
    from bayesmix.report import dynamics

    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, restarts=1, seed=1, start="clumps", keep_trace=True)
    assert dynamics.kept(fit, 0)
    figure = drawn(dynamics.frames(fit, most=4)[-1][1])
    assert len([line for line in figure.axes[0].lines if len(line.get_xdata()) > 100]) == 3  # two parts, their sum
    assert len(drawn(dynamics.climb(fit, steps=3)).axes) == 3
    x = (np.random.default_rng(1).random((40, 6)) < 0.5).astype(float)
    fit = bm.fit_em(bm.Mixture(bm.Bernoulli(), 2), x, restarts=1, seed=1, start="random", keep_trace=True)
    (title, figure), *_ = dynamics.frames(fit, most=3, shape=(2, 3))
    assert title == "iteration 0" and figure.get_label() == "true shades"
    for ax, k in zip(drawn(figure).axes, (0, 1), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array().ravel(), fit.runs[0].thetas[0]["prob"][k])
    assert drawn(dynamics.frames(fit, most=3)[0][1]).axes[0].images[0].get_array().shape == (2, 6)


def test_what_nobody_climbed_is_not_drawn(em, galaxies):
    """The maximum of one Gaussian under flat priors is reached in the first step; two components climb."""
    one = bm.fit_em(bm.Mixture(bm.Gaussian(mean=bm.Flat(), sd=bm.Flat()), 1), galaxies, restarts=1, seed=1)
    assert plots.climbed(em) and not plots.climbed(one)


def test_a_climb_names_its_components_as_the_best_optimum_does(galaxies):
    """Restarts that end in one optimum with other names are drawn in the colours of the other figures."""
    from bayesmix.report.steps import _named

    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, restarts=8, seed=1, start="rows", keep_trace=True)
    own = [fit.runs[i].theta["mean"] for i in fit.optima[0].restarts]
    assert any((np.abs(mean - fit.best["mean"]) > 1).any() for mean in own)  # the names do differ
    for i in fit.optima[0].restarts:
        theta, shares = _named(fit, i, fit.runs[i].kept[-1])
        np.testing.assert_allclose(theta["mean"], fit.best["mean"], rtol=1e-3)
        np.testing.assert_allclose(shares, fit.predict_proba(), atol=0.02)
