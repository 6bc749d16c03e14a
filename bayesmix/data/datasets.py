"""The small public data sets shipped with the package, each with its citation."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib.resources import files

from bayesmix.data.data import Data
from bayesmix.errors import InputError


def old_faithful() -> Data:
    """272 eruptions of the Old Faithful geyser: `eruptions` (length) and `waiting` (to the next), in minutes.

    Recorded in Yellowstone National Park, 1–15 August 1985. Source: R's `datasets::faithful`.

    References:
        A. Azzalini and A. W. Bowman (1990). A look at some data on the Old Faithful geyser. Applied
        Statistics 39, 357–365. W. Härdle (1991). Smoothing Techniques with Implementation in S. Springer.
    """
    return _data("faithful", ("eruptions", "waiting"))


def galaxies(version: str = "corrected") -> Data:
    """82 velocities of galaxies in the Corona Borealis region: `velocity` (1000 km/s).

    Source: R's `MASS::galaxies`, divided by 1000. MASS has a typing error, which its help page documents:
    its entry 78 is 26.690 where Roeder's Table 1 has 26.960. Published results use both, so both are here.

    Args:
        version: `"corrected"` (entry 78 is 26.960, as in Roeder) or `"mass"` (26.690, as in MASS).

    Raises:
        InputError: for another version.

    References:
        K. Roeder (1990). Density estimation with confidence sets exemplified by superclusters and voids in
        the galaxies. JASA 85, 617–624. M. Postman, J. P. Huchra and M. J. Geller (1986). Probes of
        large-scale structure in the Corona Borealis region. Astronomical Journal 92, 1238–1247.
    """
    if version not in ("corrected", "mass"):
        raise InputError(f'version must be "corrected" or "mass", but {version!r} came; use one of these two.')
    return _data(f"galaxies_{version}", ("velocity",))


def acidity() -> Data:
    """155 lakes of north-central Wisconsin: `acidity`, log(ANC + 50) of the acid neutralising capacity ANC.

    Source: R's `mclust::acidity` (whose help page places the lakes in the northeastern United States).

    References:
        S. L. Crawford, M. H. DeGroot, J. B. Kadane and M. J. Small (1992). Modeling lake-chemistry
        distributions: approximate Bayesian methods for estimating a finite-mixture model. Technometrics 34,
        441–453.
        S. Richardson and P. J. Green (1997). On Bayesian analysis of mixtures with an unknown number of
        components. JRSS B 59, 731–792.
    """
    return _data("acidity", ("acidity",))


def davis(columns: tuple[str, ...] = ("weight", "height")) -> Data:
    """200 people who exercise: measured `weight` (kg) and `height` (cm), labelled by sex (112 `F`, 88 `M`).

    Source: R's `carData::Davis`, whose row 12 has weight and height exchanged (166 kg, 57 cm): put right.

    Args:
        columns: which of the two features, in order.

    Raises:
        InputError: for another column.

    References:
        C. Davis (1990). Body image and weight preoccupation: a comparison between exercising and
        non-exercising women. Appetite 15, 13–21. J. Fox and S. Weisberg (2019). An R Companion to Applied
        Regression. Sage.
    """
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    if not columns or not set(columns) <= {"weight", "height"}:
        raise InputError(f'columns must be among "weight" and "height", but {columns!r} came; name one or both.')
    return _data("davis", columns, label="sex")


def iris() -> Data:
    """150 iris flowers: length and width of sepal and petal (cm), labelled by species (50 of each of three).

    Source: R's `datasets::iris`.

    References:
        E. Anderson (1935). The irises of the Gaspé Peninsula. Bulletin of the American Iris Society 59, 2–5.
        R. A. Fisher (1936). The use of multiple measurements in taxonomic problems. Annals of Eugenics 7,
        179–188.
    """
    return _data("iris", ("Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"), label="Species")


def biochemists() -> Data:
    """915 doctoral students of biochemistry: number of `articles` in the last three years of the degree.

    Source: R's `pscl::bioChemists` (its column `art`). There are more zeros than a Poisson distribution allows.

    References:
        J. S. Long (1990). The origins of sex differences in science. Social Forces 68, 1297–1316.
    """
    return _data("bioChemists", ("art",), names=("articles",))


def prussian() -> Data:
    """280 corps-years of the Prussian army: number of `deaths` by the kick of a horse.

    Source: R's `pscl::prussian` (its column `y`). The classic Poisson data: no zeros too many.

    References:
        L. von Bortkiewicz (1898). Das Gesetz der kleinen Zahlen. Teubner, Leipzig.
    """
    return _data("prussian", ("y",), names=("deaths",))


def catalogue() -> dict[str, Callable[[], Data]]:
    """The data sets by name; the first line of each docstring says what was measured."""
    return {f.__name__: f for f in (old_faithful, galaxies, acidity, davis, iris, biochemists, prussian)}


def _data(name: str, columns: tuple[str, ...], label: str | None = None, names=None) -> Data:
    with (files("bayesmix.data") / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    x = [[float(row[c]) for c in columns] for row in rows]
    return Data(x, label=None if label is None else [row[label] for row in rows], names=names or columns)
