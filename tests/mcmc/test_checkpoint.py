"""A run that is killed and resumed gives the fit of one that was not, to the last bit."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.errors import InputError

P1 = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), components=3, weight=bm.Dirichlet(1.0))
SIZE = {"draws": 60, "tune": 20, "chains": 3, "sampler": "gibbs", "seed": 7}


def same(a, b):
    for name in a.draws:
        np.testing.assert_array_equal(a.draws[name], b.draws[name])
    np.testing.assert_array_equal(a.log_posteriors, b.log_posteriors)
    np.testing.assert_array_equal(a.permutation, b.permutation)
    for group in ("log_likelihood", "posterior_predictive", "starts", "sample_stats"):
        assert a.groups[group].equals(b.groups[group])
    assert a.settings["chain_modes"] == b.settings["chain_modes"] and a.modes.equals(b.modes)
    assert a.certificate == b.certificate


@pytest.fixture(scope="module")
def em(galaxies):
    return bm.fit_em(P1, galaxies, restarts=5, seed=1)


@pytest.fixture(scope="module")
def whole(galaxies, em):
    return bm.fit_mcmc(P1, galaxies, start=em, **SIZE)


@pytest.fixture
def folder(galaxies, em, tmp_path):
    """A checkpoint of the same fit in which chain 1 is missing."""
    bm.fit_mcmc(P1, galaxies, start=em, checkpoint=tmp_path / "run", **SIZE)
    (tmp_path / "run" / "chain_1.npz").unlink()
    return tmp_path / "run"


def test_a_missing_chain_is_run_and_nothing_else(folder, whole, galaxies, em, monkeypatch):
    from bayesmix.mcmc import gibbs

    ran, chain = [], gibbs.chain
    monkeypatch.setattr(gibbs, "chain", lambda *args: ran.append(args[2]) or chain(*args))
    same(bm.resume(folder), whole)
    assert len(ran) == 1
    same(bm.fit_mcmc(P1, galaxies, start=em, checkpoint=folder, **SIZE), whole)  # the same call again is a resume
    assert len(ran) == 1


KILLED = """
import sys, bayesmix as bm
from bayesmix.mcmc import gibbs
import time
chain, first = gibbs.chain, []
def slow(*args):
    if first:
        time.sleep(60)
    first.append(1)
    return chain(*args)
gibbs.chain = slow
model = bm.Mixture(bm.Gaussian(mean=bm.Normal(20, 10), var=bm.InverseGamma(3, 20)), components=3,
                   weight=bm.Dirichlet(1.0))
bm.fit_mcmc(model, bm.datasets.galaxies(), checkpoint=sys.argv[1], draws=60, tune=20, chains=3, sampler="gibbs",
            seed=7)
"""


def test_kill_minus_nine_loses_no_finished_chain(tmp_path, galaxies):
    """The process is killed while its second chain runs, without a word."""
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)]) as process:
        end = time.monotonic() + 120
        while not (folder / "chain_0.npz").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -9
    assert [p.name for p in sorted(folder.glob("chain_*"))] == ["chain_0.npz"]
    same(bm.resume(folder), bm.fit_mcmc(P1, galaxies, **SIZE))


def test_a_seed_that_was_not_given_is_the_checkpoints(galaxies, em, tmp_path):
    size = SIZE | {"seed": None}
    first = bm.fit_mcmc(P1, galaxies, start=em, checkpoint=tmp_path / "run", **size)
    again = bm.fit_mcmc(P1, galaxies, start=em, checkpoint=tmp_path / "run", **size)
    assert first.settings["seed"] == again.settings["seed"]
    same(first, again)


OTHERS = {
    "model": ({"model": bm.Mixture(P1.family, 2)}, "another model"),
    "data": ({"data": bm.Data(np.arange(20.0))}, "another (model|data)"),
    "seed": ({"seed": 8}, "seed=7"),
    "draws": ({"draws": 61}, "draws=60"),
    "sampler": ({"sampler": "nutpie"}, "sampler='gibbs'"),
    "start": ({"start": "prior"}, "another start"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_fit_is_refused(folder, galaxies, em, name):
    change, said = OTHERS[name]
    arguments = {"model": P1, "data": galaxies, "start": em} | SIZE | change
    with pytest.raises(InputError, match=f"holds another fit, with {said}"):
        bm.fit_mcmc(arguments.pop("model"), arguments.pop("data"), checkpoint=folder, **arguments)


def test_damaged_files_are_named(folder):
    whole_file = (folder / "chain_0.npz").read_bytes()
    for damage in (whole_file[: len(whole_file) // 2], whole_file[:300] + b"x" + whole_file[301:], b""):
        (folder / "chain_0.npz").write_bytes(damage)
        with pytest.raises(InputError, match=r"chain_0\.npz is damaged .* delete that file"):
            bm.resume(folder)
    (folder / "chain_0.npz").write_bytes(whole_file)
    (folder / "fit.json").write_text((folder / "fit.json").read_text()[:-20])
    with pytest.raises(InputError, match=r"fit\.json is damaged"):
        bm.resume(folder)


def test_other_versions_are_refused(folder):
    said = json.loads((folder / "fit.json").read_text())
    said["versions"]["numpy"] = "1.0"
    (folder / "fit.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match=r"other versions \(numpy 1\.0\)"):
        bm.resume(folder)


def test_a_folder_that_is_no_checkpoint(tmp_path, galaxies, em):
    with pytest.raises(InputError, match="holds no checkpoint"):
        bm.resume(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        bm.fit_mcmc(P1, galaxies, start=em, checkpoint=tmp_path, **SIZE)


def test_labels_weights_and_gaps_survive(tmp_path):
    """The data in the folder are the data that were fitted."""
    x = np.r_[np.random.default_rng(0).normal(size=20), np.nan]
    data = bm.Data(x, label=["a", *[""] * 19, "b"], names=["height"])
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2)
    size = {"draws": 20, "tune": 5, "chains": 2, "sampler": "gibbs", "seed": 1}
    first = bm.fit_mcmc(model, data, start="prior", checkpoint=tmp_path / "run", **size)
    (tmp_path / "run" / "chain_0.npz").unlink()
    shutil.copytree(tmp_path / "run", tmp_path / "moved")
    again = bm.resume(tmp_path / "moved")
    same(again, first)
    assert again.data.names == ("height",) and again.data.classes == ("a", "b")
    np.testing.assert_array_equal(again.data.x, data.x)
