"""EM against independent numbers: mclust's fits, quasi-Newton optima, the lectures' traces.

Tolerances: 1e-4 on a log likelihood reached from a stored partition (mclust stops at a relative change of
1e-11, and an independent NumPy EM agrees to 1e-6); 1e-10 relative where only rounding can differ.
"""

import json

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesmix as bm
from goldens import GOLDEN, read_golden

F = bm.Flat
MODELS = ("VVV", "EEE", "VVI", "EEI", "VII", "EII")
WITH_HESSIAN = ("test_old_faithful_best_mode",)
REACH = {"max_iter": 30_000, "tol": 1e-9}


@pytest.fixture(autouse=True)
def no_hessian(request, monkeypatch):
    """The census without its numeric Hessians (seconds at 29 parameters): these tests are about EM itself."""
    if request.node.name not in WITH_HESSIAN:
        monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


def flat(model):
    """mclust's covariance model as a family under flat priors; E and V are its names at d = 1."""
    if model in ("VVV", "EEE"):
        return bm.MvGaussian(mean=F(), cov=F(), shared=model == "EEE")
    isotropic = model in ("VII", "EII")
    return bm.Gaussian(mean=F(), var=F(), isotropic=isotropic, shared=model[0] == "E")


def theta_of(model, fit, d):
    """mclust's stored parameters as theta."""
    G = fit["G"]
    mean = np.reshape(fit["mean"], (G, d))
    theta = {"weight": np.atleast_1d(np.asarray(fit["pro"], float)), "mean": mean}
    sigma = np.asarray(fit["sigma"], float)
    if model in ("VVV", "EEE"):
        return theta | {"cov": sigma[:1] if model == "EEE" else sigma}
    var = sigma.reshape(-1, 1) if d == 1 else np.diagonal(sigma, axis1=1, axis2=2)
    var = var[:1] if model[0] == "E" else var
    return theta | {"var": var[:, :1] if model in ("VII", "EII") else var}


def data_of(name):
    if name == "davis_height":
        return bm.datasets.davis("height")
    data = {"faithful": bm.datasets.old_faithful, "iris": bm.datasets.iris, "galaxies": bm.datasets.galaxies}[name]()
    return data


def unlabelled(data):
    return bm.Data(data.x, names=data.names)


def entries(models, data, G):
    fits = read_golden(f"mclust_{data}")["fits"]
    return [(data, m, g) for m in models for g in G if f"{m}_{g}" in fits]


TWO_D = entries(MODELS, "faithful", (2, 3)) + entries(MODELS, "iris", (2, 3))
ONE_D = entries(("E", "V"), "galaxies", (2, 3)) + entries(("E", "V"), "davis_height", (2, 3))


def test_no_fit_is_left_out():
    assert len(TWO_D) == 24 and len(ONE_D) == 8


# ---- log densities at stored parameters --------------------------------------------------------------------


@pytest.mark.parametrize("name,model,G", [*TWO_D, *ONE_D, ("faithful", "VVV", 5), ("iris", "EEE", 6)])
def test_log_density_at_stored_parameters(name, model, G, golden):
    """`log_joint` and `log_posterior` against a textbook sum in NumPy and mclust's loglik, 1e-10 relative."""
    data, stored = unlabelled(data_of(name)), golden(f"mclust_{name}")["fits"][f"{model}_{G}"]
    mixture = bm.Mixture(flat(model), G)
    theta = theta_of(model, stored, data.d)
    log_f = np.empty((data.n, G))
    for k in range(G):
        cov = np.atleast_2d(np.asarray(stored["sigma"], float)[k])
        y = data.x - theta["mean"][k]
        quadratic = np.einsum("ni,ij,nj->n", y, np.linalg.inv(cov), y)
        log_f[:, k] = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * cov)[1])
    joint = mixture.log_joint(data.x, theta)
    np.testing.assert_allclose(joint, log_f + np.log(theta["weight"]), rtol=1e-10, atol=1e-10)
    total = mixture.log_posterior(data, theta)["x"]
    assert total == pytest.approx(logsumexp(joint, axis=1).sum(), rel=1e-12)
    assert total == pytest.approx(stored["loglik"], rel=1e-10)
    share = np.exp((joint - logsumexp(joint, axis=1, keepdims=True)).max(axis=1))
    assert stored["bic"] + 2 * np.log(share).sum() == pytest.approx(stored["icl"], rel=1e-9)  # what ICL means
    worse = dict(theta, mean=theta["mean"] * (1 + 1e-5))  # negative control: the comparison notices
    assert abs(mixture.log_posterior(data, worse)["x"] / stored["loglik"] - 1) > 1e-10


# ---- maximum likelihood from mclust's stored partitions ----------------------------------------------------


@pytest.mark.parametrize("name,model,G", [*TWO_D, *ONE_D])
def test_reaches_mclust_from_its_partition(name, model, G, golden):
    data, reference = unlabelled(data_of(name)), golden(f"mclust_{name}")
    stored = reference["fits"][f"{model}_{G}"]
    start = np.array(reference["init_partition"][str(G)]) - 1
    weight = F() if G == 2 else bm.Dirichlet(1.0)  # both are maximum likelihood
    fit = bm.fit_em(bm.Mixture(flat(model), G, weight=weight), data, start=start, seed=0, **REACH)
    assert [r.status for r in fit.runs] == ["converged"]
    assert fit.log_likelihood == pytest.approx(stored["loglik"], abs=1e-4)
    assert fit.df == stored["df"]
    assert -fit.bic == pytest.approx(stored["bic"], abs=2e-4)  # mclust prints the negative
    assert fit.icl == pytest.approx(fit.bic - 2 * np.log(fit.predict_proba().max(axis=1)).sum(), abs=1e-8)
    constant = 0.0 if G == 2 else np.log(2.0)  # Dirichlet(1) on the 3-simplex has density 2! everywhere
    assert fit.log_posterior == pytest.approx(fit.log_likelihood + constant, rel=1e-12)


def test_a_wrong_partition_does_not_reach_it(golden):
    """Negative control: galaxies V, 3 has other optima, and mclust's is not the best."""
    data = bm.datasets.galaxies()
    start = np.repeat([0, 1, 2], [7, 72, 3])  # velocities are sorted: the three obvious groups
    fit = bm.fit_em(bm.Mixture(flat("V"), 3), data, start=start, seed=0, **REACH)
    assert fit.log_likelihood == pytest.approx(-203.4819801482049, abs=1e-6)
    assert fit.log_likelihood > golden("mclust_galaxies")["fits"]["V_3"]["loglik"] + 8


def test_old_faithful_best_mode(faithful, golden):
    fit = bm.fit_em(bm.Mixture(flat("VVV"), 2, weight=F()), faithful, restarts=10, seed=1)
    best = golden("local_optima_faithful")["VVV_K2"]["optima"][0]
    assert fit.log_posterior == pytest.approx(best["ll"], abs=1e-6)
    assert round(fit.log_posterior, 5) == -1130.26396
    order = np.argsort(fit.best["mean"][:, 0])
    np.testing.assert_allclose(fit.best["weight"][order], best["w"], rtol=1e-5)
    np.testing.assert_allclose(fit.best["mean"][order], best["mu"], rtol=1e-5)
    np.testing.assert_allclose(fit.best["cov"][order], best["Sigma"], rtol=1e-4)
    assert fit.modes.loc[0, "kind"] == "interior" and fit.modes.loc[0, "definite"]


@pytest.mark.parametrize("index", range(1, 5))
def test_every_listed_optimum_is_a_fixed_point(index, faithful, golden):
    """Strict local maxima found by quasi-Newton: EM started there stays there."""
    best = golden("local_optima_faithful")["VVV_K2"]["optima"][index]
    theta = {"weight": best["w"], "mean": best["mu"], "cov": best["Sigma"]}
    fit = bm.fit_em(bm.Mixture(flat("VVV"), 2, weight=F()), faithful, start=theta, seed=0)
    assert fit.log_posterior == pytest.approx(best["ll"], abs=1e-7)
    np.testing.assert_allclose(fit.best["mean"], best["mu"], rtol=1e-4)


# ---- labels --------------------------------------------------------------------------------------------


def partly_labelled(data, rows):
    label = np.full(data.n, -1)
    label[rows] = data.label[rows]
    return bm.Data(data.x, label=label, names=data.names, classes=data.classes)


@pytest.mark.parametrize(
    "name,model,joint",
    [
        ("iris", "EEE", -263.203743),
        ("iris", "VVV", -188.375555),
        ("iris", "EII", -444.667778),
        ("iris", "VVI", -326.050081),
        ("davis", "EEE", -1478.624491),
        ("davis", "VVV", -1462.042515),
    ],
)
def test_supervised(name, model, joint, golden, request):
    """EDDA: the joint log likelihood with all labels, and the closed-form parameters."""
    data = request.getfixturevalue(name)
    K = len(data.classes)
    fit = bm.fit_em(bm.Mixture(flat(model), K, weight=F()), data, restarts=1, seed=0)
    assert fit.log_likelihood == pytest.approx(joint, abs=1e-6)
    if name == "iris":
        stored = golden("mclust_ssc_edda_map")[f"edda_iris_{model}"]
        np.testing.assert_allclose(fit.best["mean"], stored["mean"], rtol=1e-9)
        # mclust prints the marginal log likelihood at the same parameters
        marginal = fit.mixture.log_posterior(unlabelled(data), fit.best)["x"]
        assert marginal == pytest.approx(stored["loglik"], abs=1e-6)
        assert fit.df == stored["df"] + K - 1  # EDDA does not count the class shares
        own, x = fit.predict(), fit.predict(data.x)  # with and without the labels of the rows
        assert (own == np.array(data.classes)[data.label]).all()
        assert np.mean(x != own) == pytest.approx(stored["train_error"], abs=1e-9)


@pytest.mark.parametrize("model", ["EEE", "VVV", "EII", "VVI", "EEI"])
def test_semi_supervised_iris(model, iris, golden):
    stored = golden("mclust_ssc_edda_map")[f"ssc_iris_{model}"]
    data = partly_labelled(iris, np.array(stored["labelled_rows_1based"]) - 1)
    mixture = bm.Mixture(flat(model), 3, weight=F())
    start = np.searchsorted(iris.classes, stored["classification"])
    fit = bm.fit_em(mixture, data, start=start, seed=0, **REACH)
    assert fit.log_likelihood == pytest.approx(stored["loglik"], abs=1e-4)
    assert fit.df == stored["df"]
    np.testing.assert_allclose(fit.best["weight"], stored["pro"], atol=1e-3)
    assert (fit.predict() == np.array(stored["classification"])).all()
    # from our own starts: as good or better (VVV has one at -182.18)
    ours = bm.fit_em(mixture, data, restarts=4, seed=0)
    assert ours.log_likelihood >= stored["loglik"] - 1e-4


@pytest.mark.parametrize("model,loglik", [("EEE", -1431.3384), ("VVV", -1412.1415)])
def test_semi_supervised_davis(model, loglik, davis):
    data = partly_labelled(davis, np.arange(20))
    fit = bm.fit_em(bm.Mixture(flat(model), 2, weight=F()), data, restarts=4, seed=0)
    assert fit.log_likelihood == pytest.approx(loglik, abs=1e-4)


# ---- MAP-EM with the conjugate prior -------------------------------------------------------------------


def conjugate(model, prior):
    """mclust's prior as ours; for one variance it is InverseGamma(df / 2, scale / 2)."""
    mean = bm.ConjugateNormal(prior["mean"], prior["shrinkage"])
    if model in ("EII", "VII"):
        var = bm.InverseGamma(prior["dof"] / 2, np.mean(prior["scale"]) / 2)
        return bm.Gaussian(mean=mean, var=var, isotropic=True, shared=model == "EII")
    return bm.MvGaussian(mean=mean, cov=bm.InverseWishart(prior["dof"], prior["scale"]), shared=model == "EEE")


MAPS = [key for key, entry in read_golden("mclust_ssc_edda_map").items() if key.startswith("map_")
        and "WARNING" not in entry]  # fmt: skip


def test_no_map_fit_is_left_out():
    """EII with more than one component is mclust's mistake (its prior scale is left out), and only that."""
    assert len(MAPS) == 26
    every = [key for key in read_golden("mclust_ssc_edda_map") if key.startswith("map_")]
    assert all("_EII_" in key and not key.endswith("_1") for key in set(every) - set(MAPS))


@pytest.mark.parametrize("key", MAPS)
def test_map_em_fixed_point(key, golden):
    """mclust's MAP-EM limit is a fixed point of ours, and satisfies the closed formulas."""
    stored = golden("mclust_ssc_edda_map")[key]
    assert "WARNING" not in stored
    data, model, G = unlabelled(data_of(stored["data"])), stored["model"], stored["G"]
    mixture = bm.Mixture(conjugate(model, stored["prior"]), G, weight=F())
    start = theta_of(model, stored, data.d)
    fit = bm.fit_em(mixture, data, start=start, seed=0, **REACH)
    assert fit.runs[0].status == "converged"
    np.testing.assert_allclose(fit.best["mean"], start["mean"], rtol=1e-5)
    spread = "var" if model in ("EII", "VII") else "cov"
    np.testing.assert_allclose(fit.best[spread], start[spread], rtol=1e-4, atol=1e-6)
    assert fit.log_likelihood == pytest.approx(stored["loglik"], abs=1e-4)

    theta, prior = fit.best, stored["prior"]
    r = fit.predict_proba()
    kappa, m, nu, scale = prior["shrinkage"], np.array(prior["mean"]), prior["dof"], np.array(prior["scale"])
    n = r.sum(axis=0)
    bar = r.T @ data.x / n[:, None]
    d = data.d
    B = (kappa * n / (kappa + n))[:, None, None] * np.einsum("ki,kj->kij", bar - m, bar - m)
    W = np.stack([(r[:, k, None] * (data.x - bar[k])).T @ (data.x - bar[k]) for k in range(G)])
    mean = (n[:, None] * bar + kappa * m) / (n[:, None] + kappa)
    if spread == "var":
        total = np.einsum("kii->k", B + W)
        if model == "EII":
            total, n_var = total.sum(keepdims=True), np.array([data.n + G])
        else:
            n_var = n + 1
        var = (scale + total) / (nu + n_var * d + 2)
        np.testing.assert_allclose(theta["weight"], n / data.n, atol=1e-7)
        np.testing.assert_allclose(theta["mean"], mean, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(theta["var"][:, 0], var, rtol=1e-5)
        return
    if model == "VVV":
        cov = (scale + B + W) / (nu + n + d + 2)[:, None, None]
    else:
        cov = ((scale + (B + W).sum(axis=0)) / (nu + data.n + d + G + 1))[None]
    np.testing.assert_allclose(theta["weight"], n / data.n, atol=1e-7)
    np.testing.assert_allclose(theta["mean"], mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(theta["cov"], cov, rtol=1e-5, atol=1e-8)


# ---- all local optima: galaxies under explicit priors --------------------------------------------------


def galaxy_model(prior, K):
    concentration, shape, scale = {"P1": (1.0, 3.0, 20.0), "P2": (2.0, 2.0, 1.0)}[prior]
    return bm.Mixture(
        bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(shape, scale)),
        K,
        weight=bm.Dirichlet(concentration),
    )


def optimum_theta(optimum):
    order = np.argsort(optimum["mu"])
    column = {
        "mean": np.array(optimum["mu"])[order, None],
        "var": np.array(optimum["sigma"])[order, None] ** 2,
    }
    return {"weight": np.array(optimum["w"])[order] / np.sum(optimum["w"])} | column


@pytest.mark.parametrize("case", ["P1_K2", "P1_K3", "P2_K3"])
def test_listed_optima_have_the_stated_value(case, galaxies, golden):
    """Log posterior, constants included, at every stored optimum; EM stays at the best ones."""
    prior, K = case.split("_K")
    model = galaxy_model(prior, int(K))
    optima = golden("local_optima_galaxies")["cases"][case]["optima"]
    assert len(optima) >= 2
    for optimum in optima:
        terms = model.log_posterior(galaxies, optimum_theta(optimum))
        assert sum(terms.values()) == pytest.approx(optimum["objective"], abs=1e-8)
        assert terms["x"] == pytest.approx(optimum["loglik"], abs=1e-8)
    for optimum in optima[:2]:
        if not optimum["boundary_zero_weight"]:
            fit = bm.fit_em(model, galaxies, start=optimum_theta(optimum), seed=0)
            assert fit.log_posterior == pytest.approx(optimum["objective"], abs=1e-7)


@pytest.mark.parametrize("K,best", [(2, -237.30502526557711), (3, -228.65865790251252)])
def test_galaxies_p1(K, best, galaxies):
    fit = bm.fit_em(galaxy_model("P1", K), galaxies, restarts=8, seed=2)
    assert fit.log_posterior == pytest.approx(best, abs=1e-6)
    assert fit.modes.loc[0, "kind"] == "interior"


def test_galaxies_p1_boundary_optimum(galaxies):
    """K = 3 under P1 has a second optimum: the K = 2 mode with an empty component at its prior mode."""
    model = galaxy_model("P1", 3)
    start = {
        "weight": [0.28483805, 1e-3, 1 - 0.28483805 - 1e-3],
        "mean": [[19.518117685959822], [20.0], [21.357541774943723]],
        "var": [[6.841235751645366**2], [5.0], [1.9195577075993702**2]],
    }
    fit = bm.fit_em(model, galaxies, start=start, seed=0, max_iter=20_000)
    assert fit.log_posterior == pytest.approx(-241.977104, abs=1e-5)
    assert fit.modes.loc[0, "kind"] == "empty component" and np.isnan(fit.modes.loc[0, "log_mass"])


def test_galaxies_p1_four(galaxies):
    """From a partition near it (EM from random starts needs minutes here, the surface being that flat)."""
    start = np.digitize(galaxies.x[:, 0], [14.0, 21.5, 28.0])
    fit = bm.fit_em(galaxy_model("P1", 4), galaxies, start=start, seed=0, max_iter=20_000)
    assert fit.log_posterior == pytest.approx(-232.738982, abs=2e-5)


@pytest.mark.parametrize("K,best", [(3, -212.680226), (4, -208.247131), (5, -205.342297)])
def test_galaxies_common_variance(K, best, galaxies):
    """At least as good as the stored optimum (README section 1: multi-start is gated from below)."""
    fit = bm.fit_em(bm.Mixture(flat("E"), K, weight=F()), galaxies, restarts=10, seed=3)
    assert fit.log_likelihood >= best - 1e-5


# ---- the lectures' own numbers -------------------------------------------------------------------------


def test_faithful_z_scored_trace(faithful, golden):
    seed = golden("seeds")["seed000_faithful_em"]
    x = (faithful.x - faithful.x.mean(axis=0)) / faithful.x.std(axis=0)
    start = {"weight": [0.5, 0.5], "mean": [[-1.1, 1.0], [1.0, -1.0]], "cov": [np.eye(2), np.eye(2)]}
    model = bm.Mixture(flat("VVV"), 2, weight=F())
    fit = bm.fit_em(model, x, start=start, seed=0, keep_trace=True)
    np.testing.assert_allclose(fit.runs[0].trace[:10, 0], seed["trace_first10"], rtol=1e-10)
    assert fit.log_likelihood == pytest.approx(seed["final"], abs=1e-8)
    np.testing.assert_allclose(fit.best["weight"], seed["pi"], rtol=1e-6)
    np.testing.assert_allclose(fit.best["mean"], seed["mu"], rtol=1e-6)
    np.testing.assert_allclose(fit.best["cov"], seed["Sigma"], rtol=1e-5)
    assert len(fit.runs[0].thetas) == len(fit.runs[0].trace)
    shift = 272 * np.log(faithful.x.std(axis=0)).sum()  # the density of the raw rows
    assert fit.log_likelihood - shift == pytest.approx(seed["raw_scale_loglik"], abs=1e-6)


def test_k_means_is_hard_em(faithful, golden):
    seed = golden("seeds")["seed000_kmeans"]
    x = (faithful.x - faithful.x.mean(axis=0)) / faithful.x.std(axis=0)
    family = bm.Gaussian(mean=F(), var=bm.Fixed(1.0), isotropic=True, shared=True)
    start = {"weight": [0.5, 0.5], "mean": [[-1.0, 1.0], [1.0, -1.1]], "var": [[1.0]]}
    model = bm.Mixture(family, 2, weight=bm.Fixed(0.5))
    fit = bm.fit_em(model, x, start=start, stiffness=np.inf, seed=0)
    distance = ((x[:, None] - fit.best["mean"]) ** 2).sum(axis=2)
    sizes = np.bincount(distance.argmin(axis=1), minlength=2)
    assert sorted(sizes.tolist(), reverse=True) == seed["sizes"]
    assert distance.min(axis=1).mean() == pytest.approx(seed["distortion"], rel=1e-10)
    # free weights give another partition, 175/97
    free = bm.fit_em(bm.Mixture(family, 2, weight=F()), x, start=start, stiffness=np.inf, seed=0)
    hard = fit.mixture.log_joint(x, free.best).argmax(axis=1)
    assert sorted(np.bincount(hard).tolist(), reverse=True) == [175, 97]


def test_comp755(golden):
    """Exact EM from the lecture's start: its trace and its limit. The notes' M-step divides by 1e-5 + n_k and
    gives other digits: the negative control."""
    seed, rows = golden("seeds")["seed001"], golden("seed001_data")
    mean = np.array(seed["initial_mus"]).T
    model = bm.Mixture(bm.Gaussian(mean=F(), var=bm.Fixed(1.0), isotropic=True, shared=True), 3, weight=F())
    start = {"weight": np.full(3, 1 / 3), "mean": mean, "var": [[1.0]]}
    fit = bm.fit_em(model, rows[:, :2], start=start, seed=0, tol=1e-12)
    trace = fit.runs[0].trace[:, 0]
    exact, notes = np.array(seed["exact_Mstep_trace_5"]), np.array(seed["notes_trace"])
    np.testing.assert_allclose(trace[:5], exact, rtol=1e-10)
    assert np.abs(trace[1:5] / notes[1:] - 1).max() > 1e-10
    assert fit.log_likelihood == pytest.approx(seed["converged_loglik"], abs=1e-8)
    np.testing.assert_allclose(fit.best["mean"].T, seed["converged_mus"], rtol=1e-7)
    np.testing.assert_allclose(fit.best["weight"], seed["converged_alpha"], rtol=1e-7)


def test_comp755_as_the_notes_run_it(golden):
    """The notes' own M-step, sum_i q_ik x_i / (1e-5 + n_k), on this package's E-step: their printed trace."""
    seed, x = golden("seeds")["seed001"], golden("seed001_data")[:, :2]
    model = bm.Mixture(bm.Gaussian(mean=F(), var=bm.Fixed(1.0), isotropic=True, shared=True), 3, weight=F())
    theta = {"weight": np.full(3, 1 / 3), "mean": np.array(seed["initial_mus"]).T, "var": np.ones((1, 1))}
    trace = []
    for _ in range(5):
        joint = model.log_joint(x, theta)
        trace.append(logsumexp(joint, axis=1).sum())
        r = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        n = r.sum(axis=0)
        theta = theta | {"weight": n / len(x), "mean": r.T @ x / (1e-5 + n[:, None])}
    np.testing.assert_allclose(trace, seed["notes_trace"], rtol=1e-10)


def test_bishop_three_gaussians(golden):
    seed, rows = golden("seeds")["seed000_bishop"], golden("seed000_bishop3_seed0")
    x, z = rows[:, :2], rows[:, 2].astype(int)
    assert np.bincount(z).tolist() == seed["counts"] or np.bincount(z)[1:].tolist() == seed["counts"]
    model = bm.Mixture(flat("VVV"), 3, weight=F())
    # the notebook's means; the file keeps only the log likelihood there, which identifies them
    truth = {"weight": [0.5, 0.3, 0.2], "mean": [[0.25, 0.45], [0.5, 0.5], [0.8, 0.6]], "cov": seed["sigmas"]}
    fit = bm.fit_em(model, x, start=truth, seed=0, **REACH)
    np.testing.assert_allclose(fit.runs[0].trace[:5, 0], seed["trace_first5"], rtol=1e-9)
    assert fit.log_likelihood == pytest.approx(seed["em_from_truth_loglik"], abs=1e-6)
    np.testing.assert_allclose(fit.best["weight"], seed["pi"], rtol=1e-4)
    np.testing.assert_allclose(fit.best["mean"], seed["mu"], rtol=1e-4)


def test_golden_files_are_whole(golden):
    """The copies parse, and the README says where they come from."""
    text = (GOLDEN / "README.md").read_text(encoding="utf-8")
    assert "R 4.2.2 + mclust 6.0.0" in text
    for path in GOLDEN.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))
        assert path.stat().st_size < 500_000
