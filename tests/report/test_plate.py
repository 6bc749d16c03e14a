"""The plate diagram: every variable once, an edge for every dependence, nothing on top of anything else."""

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle, FancyArrowPatch, Wedge

import bayesmix as bm
import cases
from bayesmix.report.graph import leaves_of, parameter_node, prior_lines
from bayesmix.report.plate import plate_diagram

EXTRAS = {c.id: c for c in cases.extras()}
CASES = [  # the ordinary run draws every eighth
    case if i % 8 == 0 else pytest.param(case, marks=pytest.mark.certify)
    for i, case in enumerate(cases.pairwise() + cases.extras())
]
FEW = [EXTRAS[n] for n in ("mixed_types", "unlike_products", "noise_component", "zero_inflated", "one_component")]

FRAMES = ("components", "k = ", "rows")  # how the titles of frames begin


def drawn(case):
    figure = plate_diagram(case.model, case.data)
    figure.savefig(io.BytesIO(), format="png", dpi=40)  # warnings are errors: a bad layout would fail here
    return figure.axes[0]


def circles(ax):
    return [p for p in ax.patches if isinstance(p, Circle) and p.get_radius() > 0.1 and p.get_fill()]


def words(ax):
    return [t.get_text() for t in ax.texts if t.get_text()]


@pytest.mark.parametrize("case", CASES, ids=cases.name)
def test_every_variable_is_there_and_none_hides_another(case):
    ax, model = drawn(case), case.model.resolve(case.data)
    free = [n for n in model.parameters if not model.is_constant(n)]
    parts = len({tuple(i for i, leaf in enumerate(leaves_of(model.family, model.components, case.data.d))
                       if j in leaf.columns) for j in range(case.data.d)})  # fmt: skip
    found = circles(ax)
    assert len(found) == len(free) + parts + (model.components > 1)
    text = words(ax)
    for name in free:
        assert name.rpartition(".")[2] in text or name in text
        for line in prior_lines(model.parameters[name].prior):
            assert line in text
    for a, b in combinations(found, 2):
        assert np.hypot(*np.subtract(a.center, b.center)) > 2 * a.get_radius()
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for c in found:
        assert low < c.center[0] - c.radius and c.center[0] + c.radius < high
        assert bottom < c.center[1] - c.radius and c.center[1] + c.radius < top


def overlapping(ax):
    """Pairs of texts that lie on each other or beyond the page."""
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in ax.texts if t.get_text()]
    edge = ax.get_window_extent(renderer)
    out = [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if one.padded(-1.5).overlaps(two.padded(-1.5))]
    return out + [(text,) for text, box in boxes if not (edge.x0 <= box.x0 and box.x1 <= edge.x1)]


@pytest.mark.parametrize("case", FEW, ids=cases.name)
def test_no_words_lie_on_each_other(case):
    ax = drawn(case)
    assert overlapping(ax) == []
    ax.text(*circles(ax)[0].center, "on top of it", ha="center", va="center")
    assert overlapping(ax)  # negative control


def struck(ax):
    """Titles of frames that an arrow or a line runs through."""
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ways = [p.get_path().interpolated(40).vertices for p in ax.patches if isinstance(p, FancyArrowPatch)]
    ways += [np.linspace(*line.get_xydata()[[0, -1]], 200) for line in ax.lines]
    titles = [
        t for t in ax.texts if t.get_text().startswith(("components", "k = ", "rows")) or "features" in t.get_text()
    ]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in titles]
    return [text for text, box in boxes if any(box.count_contains(ax.transData.transform(way)) for way in ways)]


@pytest.mark.parametrize("model", ["faithful", "galaxies"])
def test_no_line_runs_through_the_title_of_a_frame(model, faithful, faithful_model, galaxies):
    pair = (faithful_model, faithful) if model == "faithful" else (bm.Mixture(bm.Gaussian(), 3), galaxies)
    ax = plate_diagram(*pair).axes[0]
    assert struck(ax) == []
    title = next(t for t in ax.texts if t.get_text().startswith(FRAMES[:2]))
    ax.plot(*np.array([title.get_position()] * 2).T + np.array([[0, 0.5], [0.02, 0.02]]))
    assert struck(ax)  # negative control


@pytest.mark.parametrize(("labels", "shaded"), [("none", 0), ("some", 0.5), ("soft", 0.5), ("all", 1)])
def test_the_allocation_is_shaded_as_far_as_it_is_labelled(labels, shaded):
    ax = drawn(cases.make("gaussian_var", 1, labels=labels))
    halves = [p for p in ax.patches if isinstance(p, Wedge)]
    white = [c for c in circles(ax) if c.get_facecolor()[:3] == (1, 1, 1)]
    assert len(halves) == (shaded == 0.5)
    assert len(circles(ax)) - len(white) == 1 + (shaded == 1)  # x, and z where every row is labelled


def test_missing_cells_shade_x_by_half():
    x = np.array(EXTRAS["left_out"].data.x)
    x[0, 0] = np.nan
    ax = plate_diagram(EXTRAS["left_out"].model, bm.Data(x)).axes[0]
    assert len([p for p in ax.patches if isinstance(p, Wedge)]) == 1


def test_arrows_and_constraints_and_plates():
    model = bm.Mixture(
        bm.Gaussian(mean=bm.ConjugateNormal([1, 2], 0.3), var=bm.InverseGamma(2, 1), shared=True), 3,
        constraints=(bm.Order("mean", by="b", enforce="potential"), bm.MinWeight(0.1)),
    )  # fmt: skip
    data = bm.Data(np.random.default_rng(0).normal(size=(20, 2)), names=["a", "b"])
    ax = plate_diagram(model, data).axes[0]
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    # three priors, var -> mean, mean -> x, var -> x, weight -> z, z -> x
    assert len(arrows) == 8
    assert {"increasing\npotential", "≥ 0.1\ntransform", "components 0 … 2", "2 features", "rows 1 … 20"} <= set(
        words(ax)
    )
    assert {"Dirichlet", "concentration 1", "mean 1, 2", "kappa 0.3", "a, b"} <= set(words(ax))


@pytest.mark.parametrize("latent", ["marginal", "explicit"])
def test_pymc_draws_it_too(latent):
    pytest.importorskip("networkx", reason="pm.model_to_networkx needs the package networkx")
    import pymc as pm

    case = EXTRAS["mixed_types"]
    graph = pm.model_to_networkx(case.model.to_pymc(case.data, latent=latent))
    want = {"weight", "a.mean", "a.sd", "b.rate", "c.prob", "x"} | (
        {"z", "z_labelled"} if latent == "explicit" else set()
    )
    assert want <= set(graph.nodes)
    assert {("weight", "x"), ("b.rate", "x")} <= set(graph.edges)


def test_pymcs_graphviz_draws_it_too():
    pytest.importorskip("graphviz", reason="pm.model_to_graphviz needs the package graphviz")
    import pymc as pm

    case = EXTRAS["mixed_types"]
    source = pm.model_to_graphviz(case.model.to_pymc(case.data)).source
    assert all(name in source for name in ("weight", "a.mean", "b.rate", "cluster"))


def test_an_unknown_hyperparameter_is_a_parent_of_its_field_alone():
    family = bm.Gaussian(var=bm.InverseGamma(2.0, bm.Gamma(0.5, 1.0)))
    model, data = bm.Mixture(family, 2), bm.Data([[0.0], [1.0], [5.0]])
    case = type("Case", (), {"model": model, "data": data})
    assert {"var_scale", "scale ?"} <= set(words(drawn(case)))
    (leaf,), resolved = leaves_of(model.resolve(data).family, 2, 1), model.resolve(data)
    nodes = {n: parameter_node(resolved, leaf, n) for n in leaf.fields}
    assert nodes["var"].parents == ("var_scale",) and nodes["var_scale"].parents == ()
    assert [n for n in nodes if nodes[n].direct] == ["var", "mean"] and not nodes["var_scale"].each
