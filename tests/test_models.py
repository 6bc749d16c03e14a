"""Every script in models/ runs, and its page says the numbers that its lecture prints.

In the ordinary suite each runs with `--quick`, by Gibbs, with few draws and restarts, without figures, without
curvatures of many parameters, and with a made-up diagnosis; under certify with figures and the real one.
"""

import gzip
import html
import re
from pathlib import Path

import numpy as np
import pytest

from bayesmix.cli import main
from bayesmix.cli.script import read_script
from laplace import made_up_diagnosis

MODELS = Path(__file__).parents[1] / "models"
SAYS = {  # what must stand in the story of each page
    "bernoulli_digits": ["92.7% of the rows have their component's digit", "digits without a component"],
    "bound": ["-1031.3013368", "-543.8506463", "-543.4471518", "-543.2182528", "-385.4606956"],
    "galaxies": ["-228.658658", "-241.98", "-220.509474", "verdict label switching", "How many optima"],
    "gaussian_digits": ["their digits", "ended in"],
    "half_moons": ["three Gaussians per class"],
    "heights_semisupervised": ["What each label adds", "least ESS"],
    "heights_unsupervised": ["transform", "potential", "soft", "divergent", "least ESS"],
    "kmeans_faithful": ["174 and 98", "0.2925587", "1 attractor"],
    "kmeans_pathologies": ["truly different optima", "distinct centres", "gets 0 rows and stays at (30, 30)"],
    "lda_heights": ["Ten-fold accuracy", "child"],
    "missing_values": ["-73.174978", "0.901892", "0.905410", "1.167936", "0.862141", "0.862140", "0.947156",
                       "0.522613"],
    "naive_bayes_semisupervised": ["raise the accuracy"],
    "old_faithful": ["-1149.2198", "Step of EM", "steps to the optimum"],
    "singularities": ["collapsed"],
    "three_gaussians": ["499.990543", "510.214634"],
    "two_gaussians_1d": ["and by an exchange of the labels", "1 optimum", "Step of EM from start B"],
    "unit_covariance": ["-2668.2486", "-2620.1355", "-2065.2760", "-1239.1534", "-1167.6254", "-1167.4144715938",
                        "in 11 iterations"],
    "zero_inflated_poisson": ["2.133772", "0.206618", "-1679.391", "0.781567", "0.104363", "-313.5909", "-314.1545",
                              "the zero-inflated Poisson for the articles, the plain for the horse kicks"],
}  # fmt: skip
JUDGED = {"galaxies": ["verdict label switching"]}  # what only a real diagnosis says
FEW = {"restarts": 4, "draws": 40, "tune": 40, "chains": 2}
STARTS = {"bernoulli_digits": 10, "gaussian_digits": 1}  # restarts: to the best optimum; of twenty centres
READER = "inspect_in_arviz"  # reads a saved fit; tests/test_plain_arviz.py runs it
SCRIPTS = sorted(path.stem for path in MODELS.glob("*.py") if path.stem != READER)


def story(page):
    """The text of a page's own sections."""
    parts = re.findall(r'<section id="story-.*?</section>', page, re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r'="data:[^"]*"', "", " ".join(parts))))
    return re.sub(r"\s+", " ", text).replace("−", "-")


def page_of(name, folder):
    """The page that `bayesmix run models/NAME.py --quick` writes, without MCMC's compilation."""
    assert main(["run", str(MODELS / f"{name}.py"), "--quick", "--sampler", "gibbs"]) == 0
    return (folder / "reports" / name / "index.html").read_text(encoding="utf-8")


def unsaid(name, page):
    """The words that the story of this page should hold and does not."""
    told = story(page).lower()
    return [words for words in SAYS.get(name, ()) if words.lower() not in told]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_quickly(name, tmp_path, monkeypatch, no_figures):
    from bayesmix.cli import commands

    monkeypatch.setattr("bayesmix.em.modes.LARGEST_HESSIAN", 30)  # curvatures of hundreds of parameters take seconds
    monkeypatch.setattr("bayesmix.diagnostics.diagnose.diagnose", lambda *fits, **options: made_up_diagnosis())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "QUICK", FEW | {"restarts": STARTS.get(name, FEW["restarts"])})
    page = page_of(name, tmp_path)
    assert [words for words in unsaid(name, page) if words not in JUDGED.get(name, ())] == []
    assert page.count("<figure") >= 4 and ('<section id="chains">' in page) == (read_engine(name) == "both")


def read_engine(name):
    return read_script(MODELS / f"{name}.py").settings.get("engine", "both")


@pytest.mark.certify
@pytest.mark.parametrize("name", sorted(SAYS))
def test_a_script_tells_its_story(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert unsaid(name, page_of(name, tmp_path)) == []


def test_every_script_with_a_story_is_held_to_it():
    told = {name for name in SCRIPTS if "\ndef story(" in (MODELS / f"{name}.py").read_text(encoding="utf-8")}
    assert told == set(SAYS)


def write_mnist(folder, side=3, n=60, zipped=False):
    """A tiny stand-in for MNIST in its own format: digit k lights row k % side of the image, with noise."""
    rng = np.random.default_rng(1)
    digit = np.arange(n) % 10
    ink = rng.random((n, side, side)) < np.where(np.arange(side)[:, None] == digit[:, None, None] % side, 0.95, 0.05)
    for part, array in (("images-idx3", (255 * ink).astype("u1")), ("labels-idx1", digit.astype("u1"))):
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        content = head + array.tobytes()
        (folder / f"train-{part}-ubyte{'.gz' * zipped}").write_bytes(gzip.compress(content) if zipped else content)


def test_digits_read_mnist_from_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script = str(MODELS / "bernoulli_digits.py")
    for wrong, words in (
        (["--mnist", "nowhere"], "train-images-idx3-ubyte"),
        (["--mnits", "."], "no option --mnits"),
        (["--mnist"], "after its name"),
    ):
        assert main(["run", script, *wrong]) == 2
        assert words in capsys.readouterr().err
    for zipped in (False, True):
        here = tmp_path / f"mnist{zipped}"
        here.mkdir()
        write_mnist(here, zipped=zipped)
        found = read_script(script, options={"mnist": str(here)})
        assert (found.data.n, found.data.d) == (18, 9)  # the digits 0, 1, 2 of 60 rows
        assert np.array_equal(np.unique(found.data.x), [0, 1])
        assert np.array_equal(found.data.x.reshape(-1, 3, 3).sum(axis=2).argmax(axis=1), np.arange(18) % 3)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    "name,change,words",
    [
        (LABELS, None, "expected train-images-idx3-ubyte and train-labels-idx1-ubyte"),
        (IMAGES, lambda content: content[:-7], "must hold 540 bytes of values, but 533 came"),
        (IMAGES, lambda content: b"PK" + content[2:], "cannot be read as IDX"),
        (LABELS, lambda content: content[:4] + bytes([0, 0, 0, 59]) + content[8:-1], "one value for each of the 60"),
    ],
    ids=["missing", "cut short", "wrong magic", "too few labels"],
)
def test_a_damaged_mnist_is_one_sentence(name, change, words, tmp_path, capsys):
    write_mnist(tmp_path)
    path = tmp_path / name
    path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
    assert (
        main(["run", str(MODELS / "bernoulli_digits.py"), "--mnist", str(tmp_path), "--out", str(tmp_path / "x")]) == 2
    )
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (tmp_path / "x").exists()
