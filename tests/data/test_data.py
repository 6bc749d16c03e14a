"""`Data`: what is stored, what is refused and with which sentence, and that nothing can be changed."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bayesmix.data import Data
from bayesmix.errors import InputError

X = np.array([[3.6, 79.0], [1.8, 54.0], [3.3, 74.0]])


def refused(*fragments, **arguments):
    """The message of the InputError these arguments raise: one sentence that holds the fragments."""
    with pytest.raises(InputError) as caught:
        Data(**{"x": X, **arguments})
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message, message
    assert message[-1] in ".?" and ". " not in message and "\n" not in message, message
    return message


# -- features ----------------------------------------------------------------------------------------------


def test_one_dimension_becomes_a_column():
    data = Data([1, 2, 3])
    assert (data.x.shape, data.n, data.d, data.names) == ((3, 1), 3, 1, ("x0",))


def test_x_is_a_float64_c_ordered_copy():
    x = np.asfortranarray(np.arange(6).reshape(3, 2))
    data = Data(x)
    assert data.x.dtype == np.float64 and data.x.flags.c_contiguous and not np.shares_memory(x, data.x)
    np.testing.assert_array_equal(data.x, x)
    assert not np.shares_memory(X, Data(X).x)


def test_names_come_from_argument_columns_series_or_numbers():
    frame = pd.DataFrame(X, columns=["eruptions", "waiting"])
    assert Data(frame).names == ("eruptions", "waiting")
    assert Data(frame, names=["a", "b"]).names == ("a", "b")
    assert Data(frame["waiting"]).names == ("waiting",)
    assert Data(pd.DataFrame(X)).names == ("0", "1")
    assert Data(X).names == ("x0", "x1")
    assert Data(X[:, 0], names="eruptions").names == ("eruptions",)


def test_a_frame_keeps_its_values_whatever_its_dtypes():
    frame = pd.DataFrame(
        {
            "integer": pd.array([1, None, 3], dtype="Int64"),
            "float": pd.array([1.5, 2.5, None], dtype="Float64"),
            "flag": [True, False, True],
            "text": ["0.1", "", "1e3"],
            "category": pd.Categorical([2, 5, 2]),
        }
    )
    nan = np.nan
    expected = [[1, 1.5, 1, 0.1, 2], [nan, 2.5, 0, nan, 5], [3, nan, 1, 1000, 2]]
    np.testing.assert_array_equal(Data(frame).x, expected)


@pytest.mark.parametrize("blank", [None, np.nan, pd.NA, pd.NaT, "", "  "])
def test_blank_cells_are_missing(blank):
    data = Data([[1, blank], [2, 3]])
    assert data.missing and np.isnan(data.x[0, 1]) and not Data(X).missing


def test_masked_cells_are_missing():
    masked = np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]])
    np.testing.assert_array_equal(Data(masked).x, [[1, np.nan], [3, 4]])


def test_infinite_cells_are_refused_by_row_and_column():
    for bad in (np.inf, -np.inf, 1e200):
        x = X.copy()
        x[2, 1] = bad
        refused('column "waiting" of x', "finite", "row 2 (counted from 0)", f"{bad:g}", x=x, names=["a", "waiting"])


def test_a_row_may_be_all_missing():
    assert np.isnan(Data([[1, 2], [np.nan, None], [3, 4]]).x[1]).all()
    assert np.isnan(Data([None]).x).all()


def test_words_and_dates_are_refused_by_column_row_and_value():
    frame = pd.DataFrame({"a": [1, 2], "b": ["3", "four"]})
    refused('column "b" of x', "numbers", "row 1 (counted from 0)", "'four'", x=frame)
    refused('column "x1" of x', "row 0", "'u'", x=[[1, "u"], [2, "v"]])
    refused('column "when" of x', "datetime64", x=pd.DataFrame({"when": pd.to_datetime(["2026-01-01"])}))
    refused('column "x0" of x', "complex", x=[1 + 2j])


@pytest.mark.parametrize("x", [[], np.empty((0, 2)), pd.DataFrame({"a": []})])
def test_no_rows_are_refused(x):
    refused("x must", "no rows", x=x)


@pytest.mark.parametrize("x", [np.empty((2, 0)), pd.DataFrame(index=[0, 1])])
def test_no_columns_are_refused(x):
    refused("x must", "no columns", x=x)


def test_other_shapes_are_refused():
    refused("x must have one or two dimensions", "has 3", x=np.zeros((2, 2, 2)))
    refused("has 0", "read_data", x="faithful.csv")
    refused("x must be a table", "differ in length", x=[[1, 2], [3]])


def test_names_must_fit_and_differ():
    refused("names", "2 columns", "3 came", names=["a", "b", "c"])
    refused("names", '"a" is there twice', names=["a", "a"])
    refused("columns of x", '"a" is there twice', x=pd.DataFrame(X, columns=["a", "a"]))


# -- labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "codes", "classes", "kind"),
    [
        (None, None, (), "none"),
        ([0, 1, 0], [0, 1, 0], (), "all"),
        ([0, -1, 2], [0, -1, 2], (), "some"),
        ([-1, -1, -1], [-1, -1, -1], (), "none"),
        ([0.0, np.nan, 1.0], [0, -1, 1], (), "some"),
        ([True, False, True], [1, 0, 1], (), "all"),
        (pd.Series([0, None, 1], dtype="Int64"), [0, -1, 1], (), "some"),
        (["M", "F", "M"], [1, 0, 1], ("F", "M"), "all"),
        (["M", " ", None], [0, -1, -1], ("M",), "some"),
        (["M", np.nan, pd.NA], [0, -1, -1], ("M",), "some"),
        (["M", np.nan, "F"], [1, -1, 0], ("F", "M"), "some"),
        (["", None, ""], [-1, -1, -1], (), "none"),
        (pd.Series(["b", "a", None], dtype="str"), [1, 0, -1], ("a", "b"), "some"),
        (pd.Categorical(["b", None, "a"]), [1, -1, 0], ("a", "b"), "some"),
        (pd.Series(pd.Categorical([1, 0, None])), [1, 0, -1], (), "some"),
        (np.array(["b", "a", "b"]), [1, 0, 1], ("a", "b"), "all"),
    ],
)
def test_one_label_per_row(label, codes, classes, kind):
    data = Data(X, label=label)
    assert (data.classes, data.kind_of_labels, data.is_labelled) == (classes, kind, kind != "none")
    if codes is None:
        assert data.label is None
    else:
        assert data.label.dtype == np.int64
        np.testing.assert_array_equal(data.label, codes)


def test_class_names_are_plain_strings():
    assert [type(c) for c in Data(X, label=np.array(["b", "a", "b"])).classes] == [str, str]


def test_soft_labels():
    soft = np.array([[0.9, 0.1], [1, 1], [0, 0.2]])
    data = Data(X, label=soft)
    assert (data.kind_of_labels, data.classes, data.label.dtype) == ("soft", (), np.float64)
    np.testing.assert_array_equal(data.label, soft)
    named = Data(X, label=pd.DataFrame(soft, columns=["F", "M"]))
    assert named.classes == ("F", "M") and named.is_labelled


def test_classes_fix_the_codes():
    data = Data(X, label=["M", "", "M"], classes=["M", "F", "other"])
    assert data.classes == ("M", "F", "other") and data.label.tolist() == [0, -1, 0]
    assert Data(X, label=[0, 2, -1], classes=data.classes).classes == data.classes
    assert Data(X, classes=["a", "b"]).classes == ("a", "b")


def test_labels_that_cannot_be_used():
    refused("label", "whole numbers", "row 1 (counted from 0)", "-2", label=[0, -2, 1])
    refused("label", "row 2 (counted from 0)", "0.5", label=[0, 1, 0.5])
    refused("label", "row 0", "inf", label=[np.inf, 0, 1])
    refused("label", "numbers", "row 2", "'b'", label=[0, 1, "b"])
    refused("label", "3 rows", "(2,)", label=[0, 1])
    refused("label", "(3, 1, 1)", label=np.zeros((3, 1, 1)))
    refused("label", '"F", "M"', "row 1", '"X"', label=["F", "X", "M"], classes=["F", "M"])
    refused("label", "below 2", "row 2", "holds 2", label=[0, 1, 2], classes=["F", "M"])
    refused("classes", '"F" is there twice', label=[0, 1, 0], classes=["F", "F"])


def test_soft_labels_that_cannot_be_used():
    refused("label", "row 1 (counted from 0), column 0", "-0.1", label=[[1, 0], [-0.1, 1], [1, 1]])
    refused("label", "row 2 (counted from 0), column 1", "nan", label=[[1, 0], [1, 1], [1, np.nan]])
    refused("label", "row 0", "inf", label=[[np.inf, 0], [1, 1], [1, 1]])
    refused("label", "row 1 (counted from 0)", "all zero", label=[[1, 0], [0, 0], [1, 1]])
    refused("label", "(2, 2)", label=[[1, 0], [0, 1]])
    refused("label", "none", label=np.empty((3, 0)))
    refused("classes", "2 columns", "3 came", label=[[1, 0], [0, 1], [1, 1]], classes=["a", "b", "c"])


# -- weights -----------------------------------------------------------------------------------------------


def test_weights():
    assert Data(X).weight is None and Data(X).row_weight.tolist() == [1, 1, 1]
    data = Data(X, weight=[1, 0, 2])
    assert data.weight.dtype == np.float64 and data.row_weight.tolist() == [1, 0, 2]


def test_weights_that_cannot_be_used():
    refused("weight", "not negative", "row 1 (counted from 0)", "-0.5", weight=[1, -0.5, 1])
    refused("weight", "finite", "row 2", "nan", weight=[1, 1, np.nan])
    refused("weight", "finite", "row 0", "inf", weight=[np.inf, 1, 1])
    refused("weight", "all of it is zero", weight=[0, 0, 0])
    refused("weight", "3 rows", "(2,)", weight=[1, 1])
    refused("weight", "3 rows", "()", weight=2)
    refused("weight", "numbers", "'heavy'", weight=[1, 1, "heavy"])


# -- a value -----------------------------------------------------------------------------------------------


@pytest.fixture(params=["all", "none", "soft"])
def data(request):
    label = {"all": ["b", "a", "b"], "none": None, "soft": [[1, 0], [0.5, 0.5], [0, 1]]}[request.param]
    return Data(X, label=label, weight=[1, 2, 3], names=["a", "b"])


def same(one, other):
    for a, b in ((one.x, other.x), (one.label, other.label), (one.weight, other.weight)):
        np.testing.assert_array_equal(a, b)
    assert (one.names, one.classes) == (other.names, other.classes)


def arrays(data):
    return [a for a in (data.x, data.label, data.weight) if a is not None]


@pytest.mark.parametrize("again", [lambda d: d, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_nothing_can_be_written(data, again):
    same(data, again(data))
    for array in arrays(again(data)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        again(data).x = X


def test_what_came_in_is_neither_changed_nor_shared():
    x, label, weight = X.copy(), np.array([0, 1, 0]), np.array([1.0, 2.0, 3.0])
    data = Data(x, label, weight)
    for given, stored in zip((x, label, weight), arrays(data), strict=True):
        assert given.flags.writeable and not np.shares_memory(given, stored)
    soft = np.full((3, 2), 0.5)
    assert not np.shares_memory(soft, Data(x, soft).label) and soft.flags.writeable


def test_data_from_its_own_parts_is_the_same(data):
    same(data, Data(data.x, data.label, data.weight, data.names, data.classes))


@pytest.mark.parametrize("rows", [[2, 0], [1, 1], slice(1, None), [True, False, True], np.array([0]), 2])
def test_take(data, rows):
    taken, index = data.take(rows), np.atleast_1d(np.arange(3)[rows])
    for whole, part in zip(arrays(data), arrays(taken), strict=True):
        np.testing.assert_array_equal(whole[index], part)
    assert (taken.names, taken.classes) == (data.names, data.classes)


def test_take_nothing_is_refused(data):
    with pytest.raises(InputError, match="no rows"):
        data.take([])


def test_to_frame(data):
    frame = data.to_frame()
    assert list(frame.columns) == ["a", "b"]
    frame.iloc[0, 0] = -1  # a copy
    np.testing.assert_array_equal(data.x, X)


def test_equality_is_identity(data):
    assert data == data and data != copy.copy(data) and len({data, data}) == 1


def test_repr_is_one_line():
    assert repr(Data([1.0])) == "Data(1 row, 1 feature: x0; labels: none)"
    full = Data(np.ones((2, 9)), label=[0, -1], weight=[1, 2])
    assert repr(full) == "Data(2 rows, 9 features: x0, x1, x2, x3, x4, x5, ...; labels: some; weighted)"
    assert repr(Data([[1, None]])).endswith("with missing cells)")


def test_the_module_needs_only_numpy():
    code = "import sys; from bayesmix.data import Data, datasets; Data([1.0]); datasets.iris(); "
    code += "print('pandas' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# -- other rows, labels and scales -------------------------------------------------------------------------


def test_the_labels_of_some_rows_are_kept():
    data = Data(X, label=["b", "a", ""], weight=[1, 2, 3], names=("p", "q"))
    some = data.keep_labels([1])
    assert some.label.tolist() == [-1, 0, -1] and some.classes == ("a", "b") and some.names == data.names
    assert np.array_equal(some.x, data.x) and np.array_equal(some.weight, data.weight)
    assert data.label.tolist() == [1, 0, -1]  # as it was
    assert data.keep_labels(slice(None)).label.tolist() == data.label.tolist()
    none = data.keep_labels(np.zeros(3, dtype=bool))
    assert none.label is None and none.kind_of_labels == "none" and none.classes == ()
    soft = Data(X, label=[[0.9, 0.1], [0.2, 0.8], [0, 1]]).keep_labels(np.array([True, False, False]))
    assert soft.label.tolist() == [[0.9, 0.1], [1, 1], [1, 1]]
    with pytest.raises(InputError, match="no labels to keep"):
        Data(X).keep_labels([0])


def test_columns_are_standardised():
    rng = np.random.default_rng(1)
    x = rng.normal([5.0, -300.0], [0.1, 40.0], (50, 2))
    data = Data(x, label=np.arange(50) % 2, names=("p", "q"))
    out = data.standardised()
    np.testing.assert_allclose(out.x, (x - x.mean(axis=0)) / x.std(axis=0), rtol=1e-12, atol=1e-13)
    assert out.names == data.names and np.array_equal(out.label, data.label)
    weight = np.arange(50) % 3  # as often as each row counts; some never
    weighted, repeated = Data(x, weight=weight).standardised(), Data(np.repeat(x, weight, axis=0)).standardised()
    np.testing.assert_allclose(np.repeat(weighted.x, weight, axis=0), repeated.x, atol=1e-12)
    gaps = x.copy()
    gaps[:10, 1] = np.nan
    filled = Data(gaps).standardised().x
    assert np.array_equal(np.isnan(filled), np.isnan(gaps))
    np.testing.assert_allclose(filled[10:, 1], (x[10:, 1] - x[10:, 1].mean()) / x[10:, 1].std(), atol=1e-12)
    for wrong in ([[0.1, 1], [0.1, 2], [0.1, 3]], [[np.nan, 1], [np.nan, 2], [np.nan, 3]]):
        with pytest.raises(InputError, match='column "p" has one value only'):
            Data(wrong, names=("p", "q")).standardised()
    with pytest.raises(InputError, match='column "p"'):
        Data([1.0, 1.0, 2.0], weight=[1, 1, 0], names=("p",)).standardised()
