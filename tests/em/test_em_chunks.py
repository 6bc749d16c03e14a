"""Rows read in chunks give the fit of the rows in memory, in memory bounded by the chunk."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

import bayesmix as bm
import newcomers
from bayesmix.data import chunks as reading
from bayesmix.data.chunks import Chunks
from bayesmix.em import chunks as em_chunks

FAMILIES = {
    "gaussian": bm.Gaussian(),
    "sd": bm.Gaussian(sd=bm.HalfNormal(3.0), isotropic=True),
    "full": bm.MvGaussian(),
    "conjugate": bm.MvGaussian(mean=bm.ConjugateNormal([1.0, -1.0], 0.1), cov=bm.InverseWishart(5, 1.0), shared=True),
    "flat": bm.MvGaussian(mean=bm.Flat(), cov=bm.Flat(), shared=True),
    "poisson": bm.Poisson(),
    "bernoulli": bm.Bernoulli(),
}


@pytest.fixture(autouse=True)
def no_hessian(request, monkeypatch):
    """The census without its numeric Hessians, but for the one test that asks for them."""
    if "gaps" not in request.fixturenames or request.node.callspec.params["gaps"]:
        monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 0)


def rows(name, n=400, gaps=0.0):
    rng = np.random.default_rng(3)
    z = rng.integers(0, 2, n)
    if name == "poisson":
        x = rng.poisson(np.stack([1.0 + 6 * z, 4.0 - 2 * z], axis=1)).astype(float)
    elif name == "bernoulli":
        x = (rng.random((n, 2)) < np.stack([0.2 + 0.6 * z, 0.9 - 0.5 * z], axis=1)).astype(float)
    else:
        x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.7]]) + 3.0 * z[:, None]
    return np.where(rng.random(x.shape) < gaps, np.nan, x), z


def cut(data, *at):
    ends = [0, *at, data.n]
    return [data.take(slice(a, b)) for a, b in pairwise(ends)]


def same(a, b):
    """To 1e-10, as promised."""
    assert b.log_posterior == pytest.approx(a.log_posterior, rel=1e-10, abs=1e-10)
    assert b.log_likelihood == pytest.approx(a.log_likelihood, rel=1e-10)
    assert b.bic == pytest.approx(a.bic, rel=1e-10)
    for name in a.best:
        np.testing.assert_allclose(b.best[name], a.best[name], rtol=1e-10, atol=1e-10, err_msg=name)
    assert [r.status for r in a.runs] == [r.status for r in b.runs]
    assert a.optima[0].log_mass == pytest.approx(b.optima[0].log_mass, rel=1e-5, nan_ok=True)


@pytest.fixture(params=["sampled", "whole"])
def keeps(request, monkeypatch):
    """Whether the rows are more than the sample holds."""
    monkeypatch.setattr(reading, "SAMPLE", 150 if request.param == "sampled" else 10_000)
    monkeypatch.setattr(reading, "OF_EACH_CLASS", 10)
    return request.param


@pytest.mark.parametrize("name,gaps", [*((n, 0.2) for n in FAMILIES), ("full", 0.0), ("flat", 0.0), ("poisson", 0.0)])
def test_the_fit_is_that_of_the_rows_in_memory(name, gaps, keeps):
    x, z = rows(name, gaps=gaps)
    model = bm.Mixture(FAMILIES[name], 2, weight=bm.Dirichlet(2.0))
    first = bm.fit_em(model, x, start=z, max_iter=3, seed=0)
    start = {n: v.copy() for n, v in first.best.items()}
    a = bm.fit_em(model, x, start=start, seed=0)
    b = bm.fit_em(model, cut(bm.Data(x), 100, 101, 280), start=start, seed=0)
    same(a, b)
    assert b.certificate.ok
    assert b.data.n == (150 if keeps == "sampled" else 400)
    assert b.settings["chunks"] == {"rows": 400, "weight": 400.0, "sample": b.data.n}
    assert any("sample" in note for note in b.settings["notes"]) == (keeps == "sampled")


def test_labels_weights_and_constraints(keeps):
    x, z = rows("full", gaps=0.1)
    label = np.where(np.arange(400) % 9 == 0, z, -1)
    names = np.array(["left", "right", ""])[label]
    data = bm.Data(x, label=names, weight=np.linspace(0.1, 2, 400))
    model = bm.Mixture(bm.MvGaussian(), 2, constraints=(bm.Order("mean", by=0), bm.MinWeight(0.1)))
    start = bm.fit_em(model, data, restarts=1, max_iter=2, seed=0)
    a = bm.fit_em(model, data, start=start, seed=0)
    b = bm.fit_em(model, lambda: iter(cut(data, 5, 300)), start=start, seed=0)
    same(a, b)
    assert b.data.classes == ("left", "right") and b.data.is_labelled
    assert b.settings["chunks"]["weight"] == pytest.approx(data.weight.sum(), rel=1e-12)


@pytest.mark.parametrize("stiffness", [0.5, np.inf])
def test_stiffness(stiffness, keeps):
    x, _ = rows("gaussian")
    start = {"weight": [0.5, 0.5], "mean": [[0.0, 0.0], [3.0, 3.0]], "var": np.ones((2, 2))}
    model = bm.Mixture(bm.Gaussian(), 2)
    a, b = (bm.fit_em(model, d, start=start, stiffness=stiffness, seed=0) for d in (x, [x[:9], x[9:]]))
    np.testing.assert_allclose(a.runs[0].trace, b.runs[0].trace, rtol=1e-10)


def test_random_starts_find_the_same_optimum(keeps):
    x, _ = rows("full")
    model = bm.Mixture(bm.MvGaussian(), 2)
    a, b = (bm.fit_em(model, d, restarts=3, seed=1) for d in (x, [x[:250], x[250:]]))
    assert b.log_posterior == pytest.approx(a.log_posterior, rel=1e-10)
    if keeps == "whole":  # and begin at the very same places
        for r, s in zip(a.runs, b.runs, strict=True):
            np.testing.assert_allclose(r.trace[0], s.trace[0], rtol=1e-10)


def test_files(tmp_path):
    import pandas as pd

    x, _ = rows("full")
    model = bm.Mixture(bm.MvGaussian(), 2)
    a = bm.fit_em(model, x, restarts=1, seed=1)
    np.save(tmp_path / "x.npy", x)
    same(a, bm.fit_em(model, np.load(tmp_path / "x.npy", mmap_mode="r"), restarts=1, seed=1))
    pd.DataFrame(x, columns=["a", "b"]).to_parquet(tmp_path / "x.parquet", row_group_size=100)
    same(a, bm.fit_em(model, tmp_path / "x.parquet", restarts=1, seed=1))
    same(a, bm.fit_em(model, Chunks(tmp_path / "x.parquet", rows=33), restarts=1, seed=1))


def test_imputing_means(keeps):
    x, z = rows("full", gaps=0.2)
    model = bm.Mixture(bm.MvGaussian(), 2)
    start = bm.fit_em(model, x, start=z, max_iter=2, seed=0)
    a, b = (bm.fit_em(model, d, start=start, impute="mean", seed=0) for d in (x, [x[:250], x[250:]]))
    np.testing.assert_allclose(a.best["cov"], b.best["cov"], rtol=1e-9)
    none = bm.fit_em(model, [np.nan_to_num(x)], start=start, impute="mean", seed=0)
    assert none.settings["impute"] is None


def test_a_saved_fit_remembers_what_it_is_of(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SAMPLE", 100)
    x, _ = rows("gaussian")
    fit = bm.fit_em(bm.Mixture(bm.Gaussian(), 2), [x[:250], x[250:]], restarts=2, seed=1)
    again = bm.load(fit.save(tmp_path / "fit.nc"))
    assert again.log_likelihood == fit.log_likelihood and again.bic == fit.bic
    for each in (fit, again):
        with pytest.raises(bm.InputError, match="sample"):
            _ = each.icl
    assert fit.predict_proba().shape == (100, 2) and fit.predict_proba(x).shape == (400, 2)


def test_memory_is_bounded_by_the_chunk():
    """Ten times the rows, the same peak."""
    size = 4_000

    def source(count):
        def chunks():
            rng = np.random.default_rng(0)
            for _ in range(count):
                z = rng.integers(0, 2, size)
                yield rng.normal(size=(size, 3)) + 4.0 * z[:, None]

        return chunks

    model = bm.Mixture(bm.MvGaussian(), 2)
    start = {"weight": [0.5, 0.5], "mean": [[0.0] * 3, [4.0] * 3], "cov": np.stack([np.eye(3)] * 2)}
    peaks = []
    for count in (15, 150):
        tracemalloc.start()
        fit = bm.fit_em(model, source(count), start=start, max_iter=2, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert fit.settings["chunks"]["rows"] == count * size
    row = 3 * 8  # bytes; a moment's second copy of the sample and of a chunk is all that may differ
    assert peaks[1] - peaks[0] < (reading.SAMPLE + size) * row < 0.03 * 150 * size * row


def accepts(family, x):
    try:
        family.check(x, ["a", "b"])
    except bm.InputError:
        return False
    return True


@pytest.mark.parametrize("n", [30, 900])
def test_default_priors_from_moments(n, monkeypatch):
    """Every family's left-out priors, from the moments of the columns, are those of the rows in memory."""
    monkeypatch.setattr(reading, "SAMPLE", 20)
    rng = np.random.default_rng(0)
    x = (rng.random((n, 2)) < 0.4).astype(float)
    x[:2] = [[0.0, 1.0], [1.0, 0.0]]
    tried, refused = 0, set()
    for cls in bm.families().values():
        try:
            family, rows = cls(), x
            if not accepts(family, x):
                rows = x + 1
            in_memory = family.resolve(rows)
        except (TypeError, bm.InputError):
            continue
        try:
            found = em_chunks.resolve(family, reading.survey(Chunks([rows[: n // 3], rows[n // 3 :]])))
        except bm.InputError as error:  # a default that looks at something else: the sentence asks for the prior
            assert "prior" in str(error)
            refused.add(cls.__name__)
            continue
        np.testing.assert_allclose(em_chunks.numbers(found), em_chunks.numbers(in_memory), rtol=1e-9)
        tried += 1
    assert tried >= 8 and len(refused) <= 3, refused


class _Median(bm.Gaussian):
    """A family whose default looks at something else."""

    def default(self, name, x):
        return bm.Normal(np.median(x, axis=0), 1.0) if name == "mean" else super().default(name, x)


class _Logarithms(bm.Gaussian):
    def default(self, name, x):
        return bm.Normal(np.log(x).mean(axis=0), np.log(x).std(axis=0)) if name == "mean" else super().default(name, x)


def test_defaults_that_moments_cannot_give(monkeypatch):
    monkeypatch.setattr(reading, "SAMPLE", 101)
    x = np.exp(rows("full")[0])
    with pytest.raises(bm.InputError, match="explicit numbers"):
        bm.fit_em(bm.Mixture(_Median(var=bm.InverseGamma(2, 1)), 2), [x], restarts=1, seed=0)
    family = _Logarithms(var=bm.InverseGamma(2, 1))
    found = em_chunks.resolve(family, reading.survey(Chunks([x])))
    np.testing.assert_allclose(found.mean.mean, np.log(x).mean(axis=0), rtol=1e-9)
    with pytest.raises(bm.InputError, match="explicit numbers"):
        em_chunks.resolve(_Logarithms(), reading.survey(Chunks([x])))  # one column, two kinds of moments


@pytest.mark.parametrize(
    "call,words",
    [
        (lambda m, x: bm.fit_em(m, (x[i : i + 9] for i in range(9))), "only once"),
        (lambda m, x: bm.fit_em(m, Chunks([x[:80], x[80:]]), start=np.zeros(150, int)), "not an array"),
        (lambda m, x: bm.fit_em(bm.Mixture(bm.Poisson(), 2), [np.abs(np.round(x[:99])), x[99:]]), "chunk 1 .*counts"),
        (lambda m, x: bm.fit_em(m, [np.full((5, 2), np.nan)]), "all cells"),
        (lambda m, x: bm.fit_em(bm.Mixture(newcomers.Laplace(), 2), [x]), "Laplace has no additive statistics"),
    ],
)
def test_what_is_refused(call, words, monkeypatch):
    monkeypatch.setattr(reading, "SAMPLE", 100)
    x, _ = rows("full", n=150)
    with pytest.raises(bm.InputError, match=words):
        call(bm.Mixture(bm.Gaussian(), 2), x)


def test_a_function_must_return_a_new_iterator():
    x, _ = rows("full", n=150)
    once = iter([x[:100], x[100:]])
    with pytest.raises(bm.InputError, match=r"at least one chunk|a later one"):
        bm.fit_em(bm.Mixture(bm.Gaussian(), 2), lambda: once, restarts=1, seed=0)
