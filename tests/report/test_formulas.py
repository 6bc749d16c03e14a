"""The model in formulas: every field, constraint and kind of row once, indices as indices, nothing unescaped."""

import numpy as np
import pytest

import bayesmix as bm
import cases
from bayesmix.report import references
from bayesmix.report.formulas import formulas, markup
from bayesmix.report.words import prior_text

CASES = cases.extras()


@pytest.mark.parametrize("case", CASES, ids=cases.name)
def test_every_field_has_its_line(case):
    model = case.model.resolve(case.data)
    lines = formulas(model, case.data)
    left = [line.partition("~")[0].partition("=")[0].strip() for line in lines]
    for name, p in model.parameters.items():
        if name == "weight" and model.components == 1:
            continue
        own = name if name == "weight" or p.shared else f"{name}_{{k}}"
        assert own in left or f"p({own}) ∝ 1" in lines, name
    assert sum("≥" in line or " < " in line for line in lines) == len(model.constraints)
    assert lines[-1].startswith("log p(θ | x) = ")


def test_the_formulas_of_old_faithful(faithful, faithful_model):
    assert formulas(faithful_model.resolve(faithful), faithful) == (
        "z_{i} ~ Categorical(weight),   i = 1, …, 272",
        "x_{i} | z_{i} = k ~ MvGaussian(mean_{k}, cov_{k})",
        "weight ~ Dirichlet(concentration=2)",
        "mean_{k} ~ Normal(mean=[3.5, 70], sd=[1, 15])",
        "cov_{k} ~ InverseWishart(df=4, scale=[[0.4, 0], [0, 80]])",
        "mean_{0}[eruptions] < mean_{1}[eruptions]   (transform)",
        "weight_{k} ≥ 0.05   (transform)",
        "log p(θ | x) = Σ_{i} log Σ_{k} weight_{k} p(x_{i} | θ_{k}) + Σ log p(priors) + constant",
    )


def test_indices_become_html_and_signs_are_escaped():
    assert markup("mean_{0}[a<b] < mean_{1}") == "mean<sub>0</sub>[a&lt;b] &lt; mean<sub>1</sub>"


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        (bm.Normal([3.5, 70], [1, 15]), "Normal(mean=[3.5, 70], sd=[1, 15])"),
        (bm.Dirichlet(2.0), "Dirichlet(concentration=2)"),
        (bm.Gamma(0.25, 1e-3), "Gamma(shape=0.25, rate=0.001)"),
    ],
)
def test_priors_as_one_would_type_them(prior, text):
    assert prior_text(prior) == text


def test_entries_are_bibtex():
    for text in references.ENTRIES.values():
        assert text.startswith("@") and text.count("{") == text.count("}")
        assert all(f"{field} = {{" in text for field in ("author", "title", "year"))


def test_only_what_was_used_is_cited(faithful):
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), faithful, restarts=2, seed=1)
    assert references.methods(fit, None) == ["em", "mixtures", "kmeans++", "laplace"]
    hard = bm.kmeans(faithful.x, 2, restarts=2, seed=1)
    assert "hard" in references.methods(hard, None) and "nuts" not in references.methods(hard, None)
    annealed = bm.fit_em(fit.mixture, faithful, restarts=2, seed=1, stiffness=np.array([0.5, 1.0]), start="random")
    assert {"annealing"} == set(references.methods(annealed, None)) - set(references.methods(fit, None))
    assert "kmeans++" not in references.methods(annealed, None)
    assert "@software{bayesmix" in references.used(fit, None)
