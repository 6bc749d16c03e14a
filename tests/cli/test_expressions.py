"""Families and priors written on the command line: what they mean, and one sentence for whatever is wrong."""

import re

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.cli import main
from bayesmix.cli.expressions import build_model, columns_of

PEOPLE = bm.Product(height=(bm.Gaussian(), ["height"]), visits=(bm.Poisson(), ["visits"]))


@pytest.mark.parametrize(
    "family,priors,expected",
    [
        ("gaussian", [], bm.Gaussian()),
        ("GAUSSIAN", ["mean=Normal(0, 10)"], bm.Gaussian(mean=bm.Normal(0, 10))),
        ("gaussian", ["sd=halfnormal(sd=5)", "mean = Flat"], bm.Gaussian(mean=bm.Flat(), sd=bm.HalfNormal(5))),
        ("Gaussian(isotropic=True)", ["var=Fixed(1)"], bm.Gaussian(var=bm.Fixed(1), isotropic=True)),
        (
            "mvgaussian",
            ["mean=Normal([3.5, 70], [1, 15])", "cov=InverseWishart(4, [[.4, 0], [0, 80]])"],
            bm.MvGaussian(mean=bm.Normal([3.5, 70], [1, 15]), cov=bm.InverseWishart(4, [[0.4, 0], [0, 80]])),
        ),
        ("gaussian", ["mean=Normal(-1, 2)"], bm.Gaussian(mean=bm.Normal(-1, 2))),
        ("height=gaussian,visits=poisson", [], PEOPLE),
        (
            "height = Gaussian(shared=True), visits = Poisson",
            ["visits.rate=Gamma(2, .5)"],
            bm.Product(
                height=(bm.Gaussian(shared=True), ["height"]),
                visits=(bm.Poisson(rate=bm.Gamma(2, 0.5)), ["visits"]),
            ),
        ),
        (
            "height+weight=MvGaussian, visits=Poisson",
            ["height_weight.mean=Normal([170, 70], 20)"],
            bm.Product(
                height_weight=(bm.MvGaussian(mean=bm.Normal([170, 70], 20)), ["height", "weight"]),
                visits=(bm.Poisson(), ["visits"]),
            ),
        ),
        (
            "Components(PointMass(0), Poisson(rate=Gamma(1, .1)))",
            [],
            bm.Components(bm.PointMass(0), bm.Poisson(rate=bm.Gamma(1, 0.1))),
        ),
        ('Product(a=(Gaussian, ["height"]), b=(Poisson, ["visits"]))', [],
         bm.Product(a=(bm.Gaussian(), ["height"]), b=(bm.Poisson(), ["visits"]))),
    ],
)  # fmt: skip
def test_an_expression_is_the_model_that_python_would_write(family, priors, expected):
    model = build_model(family, 2, priors=[*priors, "weight=Dirichlet(2)"])
    assert repr(model.family) == repr(expected)
    assert model.weight == bm.Dirichlet(2.0)


def test_columns_are_those_that_the_family_names():
    assert columns_of(PEOPLE) == ["height", "visits"]
    assert columns_of(bm.Product(a=(bm.Gaussian(), [0, 1]))) is None
    assert columns_of(bm.Gaussian()) is None


@pytest.mark.parametrize(
    "family,priors,words",
    [
        ("cauchy", [], "no such family as cauchy"),
        ("Gaussian(shared=", [], "cannot be read"),
        ("Gaussian(colour=3)", [], "unexpected keyword argument 'colour'"),
        ("open('/etc/passwd').read()", [], "no such family"),
        ("Gaussian(mean=__import__('os').getcwd())", [], "no such family"),
        ("Gaussian(mean=[x for x in (1, 2)])", [], "not allowed there"),
        ("Gaussian(mean=Normal(0, 10))", ["mean=Flat"], "drop one of them"),
        ("height=gaussian, poisson", [], "COLUMN=FAMILY"),
        ("height=gaussian, height=poisson", [], "named twice"),
        ("height=gaussian, visits=poisson", ["visits.mean=Flat"], "visits.rate"),
        ("height=gaussian, visits=poisson", ["rate=Flat"], "height.mean, height.var, visits.rate"),
        ("Components(PointMass(0), Poisson)", ["rate=Flat"], "into --family"),
        ("gaussian", ["mean"], "FIELD=PRIOR"),
        ("gaussian", ["mean=3"], "Fixed(3)"),
        ("gaussian", ["mean=Normal(0)"], "missing a required argument: 'sd'"),
        ("gaussian", ["mean=Normal(0, 1, 2)"], "too many positional"),
        ("gaussian", ["mean=Normal(0, -1)"], "positive numbers"),
        ("gaussian", ["mean=Norml(0, 1)"], "no such prior as Norml"),
        ("gaussian", ["mean=Normal(0, 10**2)"], "not allowed there"),
        ("gaussian", ["mean=Gaussian()"], "no such prior as Gaussian"),
        ("gaussian", ["mu=Flat"], "mean, var, sd"),
        ("gaussian", ["var=Flat", "sd=Flat"], "exactly one"),
        ("gaussian", ["var=Normal(0, 1)"], "var"),
        ("gaussian", ["weight=Normal(0, 1)"], "Dirichlet"),
    ],
)
def test_what_is_wrong_is_one_sentence(family, priors, words):
    with pytest.raises(bm.InputError, match=re.escape(words)) as caught:
        build_model(family, 2, priors=priors)
    assert str(caught.value).endswith(".")


def test_a_prior_that_is_given_twice_is_refused():
    with pytest.raises(bm.InputError, match="mean is given twice"):
        build_model("gaussian", 2, priors=["mean=Flat", "mean=Normal(0, 1)"])


@pytest.fixture
def people(tmp_path, monkeypatch, no_figures):
    """A table of two groups with gaps, words, weights and some labels, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    z = np.repeat([0, 1], 30)
    rows = zip(rng.normal(165 + 15 * z, 4).round(1), rng.poisson(2 + 6 * z), z, range(60), strict=True)
    lines = [
        f"{h if i % 7 else ''},{v if i % 11 else ''},{'FM'[k] if i % 5 == 0 else ''},{1 + i % 3},c"
        for h, v, k, i in rows
    ]
    lines = [line for line in lines if not line.startswith(",,")]
    (tmp_path / "people.csv").write_text("\n".join(["height,visits,sex,times,town", *lines]) + "\n")
    return tmp_path


def test_everything_at_once_from_the_command_line(people, capsys):
    """Columns, labels, row weights, gaps, families by column, priors, constraints, engine, seed, folder."""
    assert main(["fit", "people.csv", "-k", "2", "--family", "height=gaussian, visits=poisson",
                 "--prior", "height.mean=Normal(170, 20)", "--prior", "weight=Dirichlet(2)", "--label", "sex",
                 "--row-weight", "times", "--order", "height.mean", "--min-weight", "0.1", "--engine", "em",
                 "--restarts", "3", "--seed", "4", "--out", "r/people"]) == 0  # fmt: skip
    fit = bm.load("r/people")
    assert fit.data.names == ("height", "visits") and fit.data.classes == ("F", "M")
    assert set(fit.data.weight) == {1.0, 2.0, 3.0} and np.isnan(fit.data.x).any()
    priors = {name: p.prior for name, p in fit.mixture.parameters.items()}
    assert priors["height.mean"] == bm.Normal(170, 20) and priors["weight"] == bm.Dirichlet(2)
    assert [c.name for c in fit.mixture.constraints] == ["order_height.mean_0", "min_weight"]
    assert fit.settings["seed"] == 4 and fit.best["height.mean"][0, 0] < 170 < fit.best["height.mean"][1, 0]
    assert "--prior 'height.mean=Normal(170, 20)'" in (people / "r/people/index.html").read_text().replace("&#39;", "'")
    assert main(["predict", "r/people", "people.csv"]) == 0
    assert "F" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words,sentence",
    [
        (["--prior", "mean=open(1)"], "no such prior"),
        (["--family", "height=gaussian, town=poisson"], "town"),
        (["--family", "height=gaussian, age=poisson"], "age"),
        (["--columns", "times", "--family", "height=gaussian, visits=poisson"], "there is no column 'height'"),
        (["--family", "multinomial", "--columns", "visits"], "all cells of row 10"),
        (["--family", "multinomial", "--columns", "visits,times"], "Multinomial"),
        (["--label", "times"], "label"),
        (["--row-weight", "sex"], "weight"),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_options_leave_one_sentence_and_status_2(people, capsys, words, sentence):
    family = [] if "--family" in words else ["--family", "gaussian"]
    assert main(["fit", "people.csv", "-k", "2", "--engine", "em", "--restarts", "1", *family, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and re.search(sentence, err) and "Traceback" not in err
