"""`read_data`: every format, and a sentence naming the file for whatever is wrong with it."""

import gzip
import struct
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bayesmix.data import datasets, read_data, readers
from bayesmix.errors import InputError

TABLE = "sex,weight,height,count\nM,77,182,1\nF,58,,2\n,53,161,3\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        content = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def refused(path, *fragments, **arguments):
    with pytest.raises(InputError) as caught:
        read_data(path, **arguments)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and message[-1] in ".?", message
    for fragment in fragments:
        assert fragment in message, message


def idx(array, code=0x08, dtype=">u1"):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    return head + array.astype(dtype).tobytes()


# -- CSV ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz"])
def test_text_tables(write, name):
    path = write(TABLE.replace(",", "\t") if ".tsv" in name else TABLE, name)
    data = read_data(path, label="sex", weight="count")
    np.testing.assert_array_equal(data.x, [[77, 182], [58, np.nan], [53, 161]])
    assert (data.names, data.classes, data.kind_of_labels) == (("weight", "height"), ("F", "M"), "some")
    assert data.label.tolist() == [1, 0, -1] and data.weight.tolist() == [1, 2, 3]


def test_columns_choose_and_order(write):
    path = write(TABLE)
    assert read_data(path).names == ("weight", "height", "count")
    assert read_data(str(path), columns=["height", "weight"]).take([0, 2]).x.tolist() == [
        [182, 77],
        [161, 53],
    ]
    assert read_data(path, columns="weight").names == ("weight",)


def test_numeric_labels_stay_codes(write):
    data = read_data(write("x,z\n1,0\n2,\n3,1\n"), label="z")
    assert data.label.tolist() == [0, -1, 1] and data.classes == () and data.names == ("x",)


def test_row_names_are_not_a_feature(write):
    assert read_data(write(",a,b\n1,5,6\n2,7,8\n")).names == ("a", "b")  # as pandas writes them
    data = read_data(write('a b\n"r1" 5 6\n"r2" 7 8\n'.replace(" ", ",")))  # as R does
    assert data.names == ("a", "b") and data.x.tolist() == [[5, 6], [7, 8]]


def test_numbers_are_read_to_the_last_bit(write):
    rng = np.random.default_rng(1)
    x = rng.normal(size=500) * 10.0 ** rng.integers(-20, 20, size=500)
    assert read_data(write("x\n" + "\n".join(map(repr, x.tolist())))).x[:, 0].tolist() == x.tolist()


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "a, b\n1, 2\r\n3.5e-3, -4\r\n",
        "a,b\n1,2\n\n3,4",
        "a,b\n1,2\n3,\n",
        "a,b\n1,2\nnan,4\n",
        'a,"b"\n1,2\n',
        "a,b\n1,yes\n2,no\n",
        "a,b\n1_0,2\n3,4\n",
        "a,b\n0x1F,2\n3,4\n",
        "a,b\n1,True\n3,False\n",
        "a,b\n1,2,3\n",
        "a,b\n1,2#3\n",
        "\ufeffa,b\n1,2\n",
        ",b\n1,2\n",
    ],
)
def test_the_short_way_reads_what_pandas_reads(write, content, monkeypatch):
    """A table of plain numbers is read without pandas; every other one is left to it."""

    def outcome():
        try:
            data = read_data(write(content))
        except InputError as error:
            return str(error)
        return data.names, data.x.tolist()

    short = outcome()
    monkeypatch.setattr(readers, "_numbers", lambda file, separator: None)
    np.testing.assert_equal(short, outcome())


def test_plain_numbers_need_no_pandas(write):
    path = write("a,b\n1,2\n3,4\n")
    found = "import sys, bayesmix as bm; bm.read_data(sys.argv[1]); print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", found, str(path)], capture_output=True, text=True).stdout == "False\n"


def test_blank_and_na_cells_are_missing(write):
    data = read_data(write("a,b\n1, \n2,NA\n3,nan\n4,5\n"))
    np.testing.assert_array_equal(data.x[:, 1], [np.nan, np.nan, np.nan, 5])


def test_a_byte_order_mark_and_other_line_ends(write):
    assert read_data(write("\ufeffa,b\r\n1,2\r\n")).names == ("a", "b")


def test_reading_a_shipped_file_gives_the_shipped_data(write):
    frame = datasets.old_faithful().to_frame()
    path = write(frame.to_csv(index=False))
    np.testing.assert_array_equal(read_data(path).x, datasets.old_faithful().x)


def test_a_row_with_nothing_in_it_is_refused_by_its_number(write):
    with pytest.raises(InputError, match=r"all cells of row 1 \(counted from 0"):
        read_data(write("a,b\n1,2\n,\n3,4\n"))


def test_a_missing_or_unreadable_file(tmp_path, write):
    refused(tmp_path / "none.csv", "no such file")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "cannot be read", "directory")
    refused(write("a,b\n1,2\n", "table.xlsx"), ".csv", ".parquet", "convert")
    path = write("a\n1\n", "cut.csv.gz")
    path.write_bytes(path.read_bytes()[:-6])
    refused(path, "cannot be read")
    path.write_bytes(b"not gzip")
    refused(path, "cannot be read")


def test_an_empty_file(write):
    refused(write(""), "empty")
    refused(write("", "t.csv.gz"), "empty")
    refused(write("\n\n"), "cannot be read as a table")
    refused(write("a,b\n"), "at least one row", "only a header")


def test_a_file_that_is_no_table(write):
    refused(write("a,b\n1,2\n1,2,3,4\n"), "cannot be read as a table", "line 3")
    refused(write(b"a,b\n1,\xff\xfe\n"), "cannot be read as a table")


def test_a_missing_column_is_answered_with_those_there_are(write):
    path = write(TABLE)
    refused(
        path,
        "columns",
        '"wieght"',
        '"sex", "weight", "height", "count"',
        'did you mean "weight"?',
        columns=["wieght"],
    )
    refused(path, "label", '"zzz"', "name one of these", label="zzz")
    refused(path, "weight", '"counts"', 'did you mean "count"?', weight="counts")


def test_a_column_of_words(write):
    path = write(TABLE)
    refused(path, 'column "sex"', "row 0", "'M'", columns=["weight", "sex"])
    typo = write("a,b\n1,2\n2,3o\n3,4\n", "typo.csv")
    refused(typo, 'column "b"', "row 1 (counted from 0)", "'3o'")  # never silently left out
    refused(write("a|b\n1|2\n", "pipes.csv"), "some column must hold numbers", '"a|b"', "separator")
    refused(path, "columns must name at least one column", columns=[])


SPREADSHEETS = {
    "semicolons": "a;b;who\n1;2.5;x\n3;4;y\n",
    "decimal commas": "a;b;who\n1;2,5;x\n3;4,0;y\n",
    "tabs": "a\tb\twho\n1\t2.5\tx\n3\t4\ty\n",
    "a comma in a quoted name": '"a";b;"who, then"\n1;2,5;x\n3;4;y\n',
    "blanks about names": "a , b ,who\n1,2.5,x\n3,4,y\n",
    "names of rows, as R writes them": '"a","b","who"\n"1",1,2.5,x\n"2",3,4,y\n',
}


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_tables_of_spreadsheets(write, form):
    data = read_data(write(SPREADSHEETS[form]))
    assert data.x.tolist() == [[1, 2.5], [3, 4]] and data.names == ("a", "b")


def test_numbers_alone_separated_by_semicolons(write):
    """The path that does not wait for pandas."""
    assert read_data(write("a;b\n1;2.5\n3;4\n")).x.tolist() == [[1, 2.5], [3, 4]]


def test_numbers_with_commas_are_not_words(write):
    """A column of 1,234 is not left out in silence, and no whole part of 1,5 is taken for the name of a row."""
    refused(write('a,b\n"1,234",2\n"3,000",4\n'), 'column "a" holds numbers with commas', "'1,234'")
    refused(write("a;b\n1.234,5;2\n3.000,1;4\n"), 'column "a" holds numbers with commas', "'1.234,5'")
    for text in ("a\n1,5\n2,7\n3,1\n", "a,b\n1,5,2,5\n3,5,4,5\n", "a,b\n1,5,2\n3,4,7\n"):
        refused(write(text), "each line must have one cell for each", "decimal point")
    assert read_data(write('a,who\n1,"3,4"\n2,Ann\n'), columns="a").names == ("a",)
    assert read_data(write('a,who\n1,"3,4"\n2,Ann\n')).names == ("a",)  # words after all


def test_what_data_refuses_names_the_file(write):
    refused(write("a,b\n1,2\ninf,3\n"), 'column "a"', "row 1", "inf")
    refused(write("a,w\n1,2\n2,-3\n"), "weight", "row 1", "-3", weight="w")


def test_headers_that_mislead(write):
    refused(write("3.6,79\n1.8,54\n"), "first line must name the columns", "3.6, 79", "header line")
    refused(write("a,b,a\n1,2,3\n"), '"a" is there twice')


# -- Parquet -----------------------------------------------------------------------------------------------


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1.5, 2.5], "s": ["u", "v"]}).to_parquet(path)
    data = read_data(path, label="s")
    assert (data.x.tolist(), data.names, data.classes) == ([[1.5], [2.5]], ("a",), ("u", "v"))
    refused(path, "columns", '"b"', '"a", "s"', columns=["b"])


def test_parquet_that_is_none(write):
    pytest.importorskip("pyarrow")
    refused(write("nothing of the kind", "t.parquet"), "cannot be read as Parquet")


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(write("any", "t.parquet"), "pip install pyarrow")


# -- NPZ ---------------------------------------------------------------------------------------------------


def test_npz(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x=[[1, 2], [3, 4]], label=["u", ""], weight=[1, 2], names=["a", "b"], z=[1, 0])
    data = read_data(path)
    assert data.x.tolist() == [[1, 2], [3, 4]] and data.names == ("a", "b") and data.classes == ("u",)
    assert data.label.tolist() == [0, -1] and data.weight.tolist() == [1, 2]
    assert read_data(path, label="z").label.tolist() == [1, 0]
    chosen = read_data(path, columns=["b"])
    assert chosen.x.tolist() == [[2], [4]] and chosen.classes == ("u",)
    refused(path, "columns", '"c"', '"a", "b"', columns=["c"])
    refused(path, "weight", '"w"', weight="w")


def test_npz_that_cannot_be_used(tmp_path, write):
    np.savez(tmp_path / "y.npz", y=[1, 2])
    refused(tmp_path / "y.npz", '"x" is not', '"y"')
    np.savez(tmp_path / "o.npz", x=np.array([1, "a", None], dtype=object))
    refused(tmp_path / "o.npz", "cannot be read as NPZ")
    refused(write("nothing", "n.npz"), "cannot be read as NPZ")


# -- IDX ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["images.idx", "train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"])
def test_idx_images_and_labels(write, name):
    images = np.arange(24).reshape(2, 3, 4)
    labels = write(idx(np.array([7, 3])), "train-labels-idx1-ubyte")
    data = read_data(write(idx(images), name), label=labels)
    np.testing.assert_array_equal(data.x, images.reshape(2, 12))
    assert data.label.tolist() == [7, 3] and data.names[-1] == "x11"


@pytest.mark.parametrize(("code", "dtype"), [(9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_idx_types(write, code, dtype):
    x = np.array([[1, -2], [100, 4]])
    data = read_data(write(idx(x, code, dtype), "t.idx"), columns=["x1"])
    assert data.x.tolist() == [[-2], [4]]
    assert read_data(write(idx(x[:, 0], code, dtype), "one.idx")).x.tolist() == [[1], [100]]


def test_idx_that_cannot_be_used(tmp_path, write):
    whole = idx(np.ones((2, 3)))
    refused(write(whole[:-1], "cut.idx"), "6 bytes", "5 came")
    refused(write(whole[:6], "head.idx"), "bytes of values", "0 came")
    refused(write(b"\0\0\x08", "short.idx"), "cannot be read as IDX")
    refused(write(b"PNG, perhaps", "other.idx"), "cannot be read as IDX")
    path = write(whole, "t.idx")
    refused(path, "weight must be left out", weight="w")
    refused(path, "labels.idx", "no such file", label=tmp_path / "labels.idx")
    refused(path, "label", "2 rows", label=write(idx(np.array([1, 2, 3])), "three.idx"))
