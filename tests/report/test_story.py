"""What a script may put into its own sections, and the figures that are made for them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import bayesmix as bm
from bayesmix.report import dynamics
from figures import drawn, texts


@pytest.fixture(scope="module")
def hard(faithful):
    """k-means from three starts, its steps kept."""
    data = bm.Data((faithful.x - faithful.x.mean(axis=0)) / faithful.x.std(axis=0), names=faithful.names)
    sphere = bm.Gaussian(mean=bm.Flat(), var=bm.Fixed(1.0), isotropic=True, shared=True)
    model = bm.Mixture(sphere, 3, weight=bm.Fixed([1 / 3] * 3))
    return bm.fit_em(model, data, stiffness=np.inf, start="rows", restarts=3, seed=1, keep_trace=True)


def test_a_figure_brings_its_own_text_or_is_given_one():
    own, other = dynamics.curves({"a": [1.0, 3.0]}, "height"), Figure()
    part = bm.section("Two", figures=[(own, "One caption."), (other, "A blank.", "Another.")])
    assert [p.alt for p in part.pictures] == ["Height by iteration, 0 to 1: a from 1.000 to 3.000.", "A blank."]
    assert [p.caption for p in part.pictures] == ["One caption.", "Another."]
    for wrong in ((Figure(), "caption"), (Figure(), " ", "caption"), ("figure", "text", "caption")):
        with pytest.raises(bm.InputError, match=r"section\('Wrong'\)"):
            bm.section("Wrong", figures=[wrong])


def test_parts_of_a_section_are_told_by_what_they_are():
    figure, frame = dynamics.curves({"a": [1.0, 3.0]}, "height"), pd.DataFrame({"n": [1]}, index=["a"])
    steps = [("one", figure), ("two", figure)]
    table, lines = (frame, "A table."), ({"a": {"n": 1}}, "what", "Lines.")
    mixed = bm.section("All", table, "First.", (figure, "A figure."), (steps, "Step", "A slider."), "Second.", lines)
    sorted_out = bm.section(
        "All", "First.", "Second.", slides=[(steps, "Step", "A slider.")], figures=[(figure, "A figure.")],
        tables=[table, lines],
    )  # fmt: skip
    assert mixed == sorted_out and mixed.text == ("First.", "Second.")
    assert [(p.slider, p.caption) for p in mixed.pictures] == [("Step", "A slider."), ("", "A figure.")]
    assert [t.caption for t in mixed.tables] == ["A table.", "Lines."]
    for wrong in (figure, frame, (), ("text", "caption"), (figure,), (steps, "no caption"), 3):
        with pytest.raises(bm.InputError, match=r"section\('Wrong'\): expected paragraphs.*, got "):
            bm.section("Wrong", wrong)


def test_a_story_may_yield_its_sections(tmp_path):
    from bayesmix.cli.script import Story

    def yields(em, mcmc, quick):
        yield bm.section("One", f"{em}{mcmc}{quick}")
        yield bm.section("Two")

    told = Story(yields, quick=True).tell("a", "b")
    assert [part.title for part in told] == ["One", "Two"] and told[0].text == ("abTrue",)


def test_lines_of_a_table_may_be_a_dict():
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="what"))
    part = bm.section("Tables", tables=[(frame, "One."), ({"a": {"n": 1}, "b": {"n": 2}}, "what", "One.")])
    assert part.tables[0] == part.tables[1] and part.tables[0].head == ("what", "n")


def test_curves_of_a_frame_are_its_columns():
    frame = pd.DataFrame({"up": [1.0, 4.0], "down": [3.0, 2.0]}, index=pd.Index([10, 20], name="rows"))
    figure = drawn(dynamics.curves(frame, "height", log=True))
    (up, down), ax = figure.axes[0].lines, figure.axes[0]
    assert up.get_xdata().tolist() == [10, 20] and down.get_ydata().tolist() == [3, 2]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rows", "height") and {"up", "down"} <= set(texts(figure))
    assert drawn(dynamics.curves(frame["up"], "height", "other")).axes[0].get_xlabel() == "other"


def test_the_ascent_of_the_best_climb(galaxies):
    flat = bm.Gaussian(mean=bm.Flat(), sd=bm.Flat())
    fit = bm.fit_em(bm.Mixture(flat, 2, weight=bm.Flat()), galaxies, restarts=3, seed=1)
    ax = drawn(dynamics.ascent(fit)).axes[0]
    best = fit.runs[fit.optima[0].start].trace[:, 1]
    assert ax.get_ylabel() == "log likelihood" and np.array_equal(ax.lines[0].get_ydata(), best)
    prior = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), galaxies, restarts=1, seed=1)
    ax = drawn(dynamics.ascent({"a": prior, "b": prior}, below=True)).axes[0]
    assert ax.get_ylabel() == "log posterior below the best" and ax.get_yscale() == "log" and len(ax.lines) == 2
    assert ax.lines[0].get_ydata()[0] == pytest.approx(np.ptp(prior.runs[0].trace[:, 1]))


def test_half_steps_of_k_means(hard):
    run = hard.optima[0].start
    figure = drawn(dynamics.distortion(hard, run))
    steps = bm.distortion_trace(hard, run)
    fall = figure.axes[0].lines[0].get_ydata()
    assert np.array_equal(fall, steps["distortion"]) and (np.diff(fall) <= 1e-12).all()
    assert figure.axes[1].lines[0].get_ydata()[-1] == 0.0 and "falling from" in figure.alt_text


def test_ways_are_coloured_by_component_or_by_where_they_end(hard):
    from dataclasses import replace

    figure = drawn(dynamics.trajectories(hard))
    ways = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert len(ways) == 3 * len(hard.runs)
    assert len({line.get_color() for line in ways}) == len(hard.optima)
    one = drawn(dynamics.trajectories(replace(hard, runs=hard.runs[:1])))
    assert len({line.get_color() for line in one.axes[0].lines if line.get_marker() == "."}) == 3


def test_hard_optima_are_ranked_by_the_objective_that_was_climbed(hard):
    """k-means' objective: -(sum of squared distances) / 2, up to a constant; table, text, map and legend use it."""
    from bayesmix.report.fit_sections import optima
    from bayesmix.report.words import ranked_by

    frame = hard.modes
    squares = [hard.data.n * bm.distortion_trace(hard, m.start)["distortion"].iloc[-1] for m in hard.optima]
    assert next(iter(frame)) == "objective" and frame["objective"].is_monotonic_decreasing
    np.testing.assert_allclose(frame["gap"], (np.array(squares) - squares[0]) / 2, atol=1e-9)
    assert ranked_by(hard) == ("objective", frame["objective"].tolist())
    shown = optima(hard)
    assert "objective" in shown.text[0] and "ranked by the objective" in shown.text[1]
    assert shown.tables[0].head[1] == "objective"
    soft = bm.fit_em(hard.mixture, hard.data, restarts=2, seed=1)
    assert "objective" not in soft.modes and ranked_by(soft)[0] == "log posterior"  # negative control


def test_centres_with_the_rows_they_answer_for():
    x = np.random.default_rng(1).normal(np.repeat([[0.0], [9.0]], 20, axis=0), 1.0, (40, 4))
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), x, restarts=2, seed=1)
    rows = dynamics.exemplars(fit, 3)
    density, own = fit.mixture.log_joint(fit.data.x, fit.best), fit.predict()
    for k in (0, 1):
        among = np.flatnonzero(own == k)
        assert set(rows[k]) == set(among[np.argsort(-density[among, k])[:3]])
    figure = drawn(dynamics.montage(fit, (2, 2), [1], 3))
    assert texts(figure)[2::3] == ["centre 1", *(f"row {i}" for i in rows[1])]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array().ravel(), fit.data.x[rows[1][0]])
    assert drawn(dynamics.images(x[:2], (2, 2), ["a", "b"], black=9.0)).axes[0].images[0].get_clim() == (0.0, 9.0)
    assert any(t.startswith("component 1, 50 %") for t in texts(drawn(dynamics.portraits(fit, (2, 2)))))


def test_panels_colour_rows_by_shares_or_by_numbers():
    """Whole numbers are certain shares; more than four panels stand in lines of three, each column with its axis."""
    data, z = bm.Data(np.random.default_rng(1).normal(size=(30, 2)), names=("p", "q")), np.arange(30) % 3
    tints = {"numbers": z, "shares": np.eye(3)[z], "grey": None, "others": 1 - z % 2, "fifth": z}
    figure = drawn(dynamics.panels(data, tints))
    shown = [ax for ax in figure.axes if ax.axison]
    numbers, shares, grey, others, _ = (ax.collections[0].get_facecolor() for ax in shown)
    np.testing.assert_array_equal(numbers, shares)
    assert len(np.unique(numbers, axis=0)) == 3 and len(np.unique(others, axis=0)) == 2
    assert len(np.unique(grey, axis=0)) == 1
    assert [ax.get_title(loc="left") for ax in shown] == list(tints) and len(figure.axes) == 6
    assert [ax.get_xlabel() for ax in shown] == ["", "", "p", "p", "p"]
    assert [ax.get_ylabel() for ax in shown] == ["q", "", "", "q", ""]
    four = drawn(dynamics.panels(data, dict(list(tints.items())[:4])))
    assert [ax.get_xlabel() for ax in four.axes] == ["p"] * 4


def test_calibration_takes_one_or_both_probabilities():
    p, truth = np.repeat([0.15, 0.85], 50), np.arange(100) % 2
    both = np.stack([1 - p, p], axis=1)
    figure = drawn(dynamics.calibration(truth, {"one": p, "both": both}))
    one, two = (
        line.get_xydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, [[0.15, 0.5], [0.85, 0.5]])


def test_portraits_of_probabilities_are_black_at_one():
    x = (np.random.default_rng(1).random((40, 4)) < 0.4).astype(float)
    fit = bm.fit_em(bm.Mixture(bm.Bernoulli(), 2), x, restarts=1, seed=1)
    assert {ax.images[0].get_clim() for ax in drawn(dynamics.portraits(fit, (2, 2))).axes} == {(0.0, 1.0)}


def test_a_hessian_that_was_not_taken_is_not_called_indefinite(galaxies, monkeypatch):
    from bayesmix.report.words import census

    model = bm.Mixture(bm.Gaussian(), 2)
    assert census(bm.fit_em(model, galaxies, restarts=3, seed=1))["definite"].iloc[0] == "yes"
    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 1)
    assert set(census(bm.fit_em(model, galaxies, restarts=3, seed=1))["definite"]) == {"–"}


def test_a_boundary_of_anything_with_probabilities(davis):
    """The boundary of a linear probability is its line: contours interpolate linearly."""

    class Known:
        def predict_proba(self, x):
            p = 0.5 + (x[:, 1] - 170.0) / 1000
            return np.stack([1 - p, p], axis=1)

    data = bm.Data(davis.x[:, ::-1], label=davis.label, names=davis.names[::-1], classes=davis.classes)
    figure = drawn(dynamics.regions(data, {"known": Known()}))
    border = np.concatenate([path.vertices for path in figure.axes[0].collections[-1].get_paths()])
    np.testing.assert_allclose(border[:, 1], 170.0, atol=1e-6)
    assert {"F", "M", "known"} <= set(texts(figure))
