"""Rows read in chunks: every loop the same, whatever they come from, and what one pass tells of them."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.data import chunks as reading
from bayesmix.data.chunks import Chunks, Moments, opened, survey


def table(n=500, d=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * [1.0, 10.0, 0.1][:d] + [0.0, 1e6, -3.0][:d]
    return np.where(rng.random((n, d)) < 0.1, np.nan, x)


def whole(chunks):
    return np.concatenate([chunk.x for chunk in chunks])


class Reader:
    """A class whose instances can be looped over again and again."""

    x = table()

    def __iter__(self):
        for at in range(0, len(self.x), 120):
            yield self.x[at : at + 120]


X = Reader.x
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


@pytest.fixture
def memmap(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.fixture
def parquet(tmp_path):
    frame = FRAME.assign(kind=np.where(np.arange(500) % 7 == 0, "even", None), w=np.arange(500) % 3 + 0.5)
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=90)
    return tmp_path / "x.parquet"


@pytest.mark.parametrize(
    "source",
    [
        [X[:200], X[200:]],
        (X[:1], X[1:]),
        [FRAME[:100], FRAME[100:]],
        [bm.Data(X[:30]), bm.Data(X[30:])],
        lambda: (X[at : at + 77] for at in range(0, 500, 77)),
        Reader,
        Reader(),
    ],
    ids=["list", "tuple", "frames", "data", "function", "class", "object"],
)
def test_everything_that_can_be_looped_over(source):
    chunks = opened(source)
    assert isinstance(chunks, Chunks)
    for _ in range(2):
        np.testing.assert_array_equal(whole(chunks), X)


def test_a_memory_mapped_array(memmap):
    assert isinstance(opened(memmap), Chunks)
    chunks = Chunks(memmap, rows=64)
    assert [c.n for c in chunks] == [64] * 7 + [52]
    np.testing.assert_array_equal(whole(chunks), X)
    np.testing.assert_array_equal(whole(Chunks(memmap[:, 0])), X[:, :1])


def test_a_parquet_file(parquet):
    chunks = Chunks(parquet, rows=60, label="kind", weight="w")
    found = list(chunks)
    assert [c.names for c in found] == [("a", "b", "c")] * len(found) and max(c.n for c in found) <= 60
    np.testing.assert_array_equal(whole(chunks), X)
    np.testing.assert_array_equal(np.concatenate([c.weight for c in chunks]), np.arange(500) % 3 + 0.5)
    names = np.concatenate([reading.class_names(c) for c in chunks])
    assert (names == np.where(np.arange(500) % 7 == 0, "even", "")).all()
    assert [c.names for c in Chunks(parquet, columns=["c", "a"])] == [("c", "a")]
    assert next(iter(opened(str(parquet)))).names == ("a", "b", "c", "w")


@pytest.mark.parametrize("data", [X, X.tolist(), FRAME, FRAME["a"], bm.Data(X), range(5), [1.0, 2.0]])
def test_what_is_in_memory_stays_there(data):
    assert isinstance(opened(data), bm.Data)


def test_a_path_of_another_file_is_read_whole(tmp_path):
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    assert isinstance(opened(tmp_path / "x.csv"), bm.Data)


@pytest.mark.parametrize(
    "make,words",
    [
        (lambda: opened(X[i : i + 9] for i in range(3)), "a generator can be read only once"),
        (lambda: opened(iter([X])), "read only once"),
        (lambda: Chunks([X], rows=0), "rows"),
        (lambda: Chunks("x.csv"), "bm.read_data"),
        (lambda: list(Chunks([])), "at least one chunk"),
        (lambda: list(Chunks(lambda: 3)), "int"),
        (lambda: list(Chunks([X, X[:, :2]])), r"chunk 1 \(counted from 0\): expected the columns"),
        (lambda: list(Chunks([X, np.full((2, 3), np.inf)])), r"chunk 1 .*finite"),
        (lambda: list(Chunks("nowhere.parquet")), "no such file"),
        (lambda: list(Chunks([FRAME], label="kind")), "kind"),
    ],
)
def test_bad_sources(make, words):
    with pytest.raises(bm.InputError, match=words):
        make()


def test_bad_parquet_columns(parquet, tmp_path):
    with pytest.raises(bm.InputError, match='did you mean "a"'):
        list(Chunks(parquet, columns=["aa"]))
    (tmp_path / "no.parquet").write_text("not a table")
    with pytest.raises(bm.InputError, match="Parquet"):
        list(Chunks(tmp_path / "no.parquet"))


@pytest.mark.parametrize("cuts", [[500], [1, 499], [100, 0, 150, 250], [37] * 13 + [19]])
def test_moments_do_not_depend_on_the_cuts(cuts):
    x = np.abs(X)
    ends = np.cumsum(cuts)
    found = None
    for low, high in zip(ends - cuts, ends, strict=True):
        here = Moments.of(x[low:high])
        found = here if found is None else found.join(here)
    np.testing.assert_array_equal(found.count, (~np.isnan(x)).sum(axis=0))
    np.testing.assert_allclose(found.mean, np.nanmean(x, axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.sd, np.nanstd(x, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.log_sd, np.nanstd(np.log(x), axis=0), rtol=1e-9)
    np.testing.assert_array_equal(found.low, np.nanmin(x, axis=0))
    assert np.isnan(Moments.of(X - 5.0).log_mean).any()  # a column that is not positive has no logarithms


def test_a_survey_of_few_rows_keeps_them_all():
    data = bm.Data(X, label=np.arange(500) % 3 - 1, weight=np.arange(500.0))
    found = survey(Chunks([data.take(slice(0, 123)), data.take(slice(123, 500))]))
    assert found.whole and found.n == 500 and found.weight == data.weight.sum()
    for name in ("x", "label", "weight"):
        np.testing.assert_array_equal(getattr(found.sample, name), getattr(data, name))
    np.testing.assert_allclose(
        found.origin, np.nansum(X * data.weight[:, None], axis=0) / (~np.isnan(X) * data.weight[:, None]).sum(axis=0)
    )


def test_a_survey_of_many_rows_keeps_a_sample(monkeypatch):
    monkeypatch.setattr(reading, "SAMPLE", 50)
    monkeypatch.setattr(reading, "OF_EACH_CLASS", 3)
    label = np.full(500, -1)
    label[[3, 400, 450, 451, 452, 453, 499]] = [0, 1, 1, 1, 1, 1, 0]
    data = bm.Data(np.column_stack([np.arange(500), X[:, 0]]), label=label)
    found = survey(Chunks([data.take(slice(0, 410)), data.take(slice(410, 500))]))
    other = survey(Chunks([data.take(slice(i, i + 25)) for i in range(0, 500, 25)]))
    np.testing.assert_array_equal(found.sample.x, other.sample.x)  # whatever the chunks
    rows = found.sample.x[:, 0].astype(int)
    assert not found.whole and 50 <= len(rows) <= 55 and (np.diff(rows) > 0).all()
    assert set(rows) >= {3, 499} and (found.sample.label == 1).sum() >= 3
    assert rows.max() > 400 and rows.min() < 100


def test_class_names_are_those_of_all_chunks():
    parts = [bm.Data(X[:3], label=["b", "", "b"]), bm.Data(X[3:5]), bm.Data(X[5:7], label=["a", "c"])]
    found = survey(Chunks(parts))
    assert found.classes == ("a", "b", "c")
    assert found.sample.label.tolist() == [1, -1, 1, -1, -1, 0, 2]
    with pytest.raises(bm.InputError, match="class numbers"):
        survey(Chunks([parts[0], bm.Data(X[:2], label=[0, 1])]))
    with pytest.raises(bm.InputError, match="soft"):
        survey(Chunks([parts[0], bm.Data(X[:2], label=np.ones((2, 2)))]))
