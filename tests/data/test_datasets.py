"""The shipped data sets: the very files, and what their docstrings promise."""

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from bayesmix.data import Data, datasets
from bayesmix.errors import InputError

MD5 = {
    "faithful": "d823c3c0efe37fb0c9b85a20380b7d62",
    "galaxies_corrected": "6485d2f37cbb17aad65b67c97e86c378",
    "galaxies_mass": "183b6a12288922de735c9ede359468d1",
    "acidity": "b759685c66690f31dfa5e57f8f72a700",
    "davis": "46a86b2767e92a87574dc14b42fc4ca4",
    "iris": "d100dbed6c5ce6f74e0ba16127fa7e16",
    "bioChemists": "8f18ef3cc007497fbaa9a375dc06f2d4",
    "prussian": "6c800d4df841fcb5244a8a3f3b49c117",
}
SHAPES = {
    "old_faithful": (272, 2),
    "galaxies": (82, 1),
    "acidity": (155, 1),
    "davis": (200, 2),
    "iris": (150, 4),
    "biochemists": (915, 1),
    "prussian": (280, 1),
}


def test_the_files_are_the_ones_all_reference_numbers_were_made_with():
    folder = files("bayesmix.data") / "csv"
    found = {f.name.removesuffix(".csv"): hashlib.md5(f.read_bytes()).hexdigest() for f in folder.iterdir()}
    assert found == MD5


def test_catalogue():
    assert {name: f().x.shape for name, f in datasets.catalogue().items()} == SHAPES


@pytest.mark.parametrize("name", datasets.catalogue())
def test_every_data_set_is_complete_and_cited(name):
    function = datasets.catalogue()[name]
    assert isinstance(function(), Data) and not function().missing
    for promised in (
        str(SHAPES[name][0]),
        "Source:",
        "References:",
        *function().names[: 2 if name != "iris" else 0],
    ):
        assert promised in function.__doc__


def test_old_faithful():
    data = datasets.old_faithful()
    assert data.names == ("eruptions", "waiting") and data.kind_of_labels == "none"
    np.testing.assert_allclose(data.x.mean(axis=0), [3.487783, 70.897059], atol=1e-6)


def test_the_galaxies_differ_in_entry_78_alone():
    corrected, mass = datasets.galaxies().x[:, 0], datasets.galaxies("mass").x[:, 0]
    assert np.flatnonzero(corrected != mass).tolist() == [77]
    assert (corrected[77], mass[77]) == (26.960, 26.690)
    assert datasets.galaxies().names == ("velocity",)
    with pytest.raises(InputError, match=r'version must be "corrected" or "mass", but \'MASS\' came'):
        datasets.galaxies("MASS")


def test_davis():
    data = datasets.davis()
    assert (data.names, data.classes, data.kind_of_labels) == (("weight", "height"), ("F", "M"), "all")
    assert np.bincount(data.label).tolist() == [112, 88]
    assert data.x[11].tolist() == [57, 166]
    height = datasets.davis(columns=["height"])
    assert height.names == ("height",) and height.x[11, 0] == 166
    assert datasets.davis(columns="weight").names == ("weight",)
    for columns in (["hieght"], []):
        with pytest.raises(InputError, match='columns must be among "weight" and "height"'):
            datasets.davis(columns=columns)


def test_iris():
    data = datasets.iris()
    assert data.names == ("Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width")
    assert data.classes == ("setosa", "versicolor", "virginica")
    assert np.bincount(data.label).tolist() == [50, 50, 50]


def test_counts():
    articles, deaths = datasets.biochemists(), datasets.prussian()
    assert (articles.names, deaths.names) == (("articles",), ("deaths",))
    assert (articles.x == 0).sum() == 275 and np.bincount(deaths.x[:, 0].astype(int)).tolist() == [144, 91, 32, 11, 2]
