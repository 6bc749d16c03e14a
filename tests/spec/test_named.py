"""mclust's names of covariance models."""

import numpy as np
import pytest

import bayesmix as bm
from goldens import read_golden

NAMES = ("VVV", "EEE", "VVI", "EEI", "VII", "EII")


def formula(name, G, d):
    """mclust's number of parameters (golden README, section 1)."""
    t = d * (d - 1) // 2
    covariance = {"EII": 1, "VII": G, "EEI": d, "VVI": G * d, "EEE": d + t, "VVV": G * (d + t), "E": 1, "V": G}
    return G * d + G - 1 + covariance[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("G", [1, 2, 4])
def test_df_is_mclusts(name, d, G):
    assert bm.Mixture(bm.MvGaussian.named(name), G).df(d) == formula(name, G, d)


@pytest.mark.parametrize("name", ["E", "V"])
def test_names_of_one_column(name):
    assert bm.Mixture(bm.MvGaussian.named(name), 3).df(1) == formula(name, 3, 1)


@pytest.mark.parametrize("name", NAMES)
def test_log_likelihood_at_mclusts_parameters(name, iris):
    """The named family under flat priors, at mclust's stored fit of iris: its log likelihood to 1e-9."""
    stored = read_golden("mclust_iris")["fits"][f"{name}_3"]
    scale = "cov" if name in ("VVV", "EEE") else "var"
    family = bm.MvGaussian.named(name, mean=bm.Flat(), **{scale: bm.Flat()})
    sigma = np.asarray(stored["sigma"], float)
    value = sigma if scale == "cov" else np.diagonal(sigma, axis1=1, axis2=2)
    value = value[:1] if name[0] == "E" else value
    value = value[:, :1] if name in ("VII", "EII") else value
    theta = {"weight": np.array(stored["pro"]), "mean": np.reshape(stored["mean"], (3, 4)), scale: value}
    terms = bm.Mixture(family, 3).log_posterior(bm.Data(iris.x), theta)
    assert terms["x"] == pytest.approx(stored["loglik"], rel=1e-9)


def test_priors_by_keyword():
    family = bm.MvGaussian.named("EEI", mean=bm.Normal(0, 1), sd=bm.HalfNormal(2))
    assert isinstance(family, bm.Gaussian) and family.shared and not family.isotropic
    assert family.sd == bm.HalfNormal(2) and family.var is None and family.mean == bm.Normal(0, 1)
    full = bm.MvGaussian.named("EEE", cov=bm.InverseWishart(4, 1.0))
    assert isinstance(full, bm.MvGaussian) and full.shared


@pytest.mark.parametrize("name", ["VEV", "vvv", "X", None])
def test_other_names_are_refused(name):
    with pytest.raises(bm.InputError, match="VVV, EEE, VVI, EEI, VII, EII"):
        bm.MvGaussian.named(name)


@pytest.mark.parametrize("name,prior", [("EEI", "cov"), ("VVV", "var"), ("VVV", "shared")])
def test_a_keyword_that_is_no_prior_of_the_family(name, prior):
    with pytest.raises(bm.InputError, match=f"has no parameter '{prior}'"):
        bm.MvGaussian.named(name, **{prior: bm.Flat()})
