"""A saved fit in plain ArviZ: a fresh Python that never imports bayesmix runs LOO, compares and checks predictions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bayesmix as bm
from laplace import packed

SCRIPT = Path(__file__).parents[1] / "models" / "inspect_in_arviz.py"
READER = """
import sys, warnings
import numpy as np, arviz as az, matplotlib
matplotlib.use("Agg")
warnings.filterwarnings("error")
warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")  # about these few rows, not the file
trees = {}
for path in sys.argv[1:]:
    tree = trees[path] = az.from_netcdf(path)
    observed, replicated = tree["observed_data"]["x"], tree["posterior_predictive"]["x"]
    assert replicated.dims == ("chain", "draw", *observed.dims), replicated.dims
    for dim in observed.dims:
        assert (replicated[dim] == observed[dim]).all()
    loo = az.loo(tree, pointwise=True)
    assert np.isfinite(loo.elpd) and loo.elpd < 0
    assert loo.elpd_i.sizes["obs"] == tree["log_likelihood"].sizes["obs"]
    assert set(loo.elpd_i["obs"].values) <= set(observed["obs"].values)
    for group in ("posterior", "posterior_relabelled"):
        assert np.isfinite(az.summary(tree, group=group, var_names=["weight"]).to_numpy(dtype=float)).all()
    for options in ({}, {"cols": ["feature"]})[: observed.sizes["feature"]]:
        picture = az.plot_ppc_dist(tree, num_samples=10, **options)
        assert len(picture.viz["figure"].item().axes) == (observed.sizes["feature"] if options else 1)
        matplotlib.pyplot.close("all")
first = sys.argv[1:3]
table = az.compare({path: trees[path] for path in first})
assert len(table) == 2 and np.isfinite(table["elpd"]).all()
assert not any(name.split(".")[0] == "bayesmix" for name in sys.modules)
print("read", len(trees))
"""


def fits():
    rng = np.random.default_rng(0)
    z = np.arange(50) % 2
    x = rng.normal(size=(50, 2)) + 4.0 * z[:, None]
    gaps = np.where(rng.random(x.shape) < 0.1, np.nan, x)
    gaps[4] = np.nan  # a row with nothing observed: it has no place in LOO
    weight = np.where(np.arange(50) < 10, 2.0, 1.0)
    one, two = bm.Mixture(bm.Gaussian(), 2), bm.Mixture(bm.MvGaussian(), 2)
    return {
        "one": (one, bm.Data(x[:, 0], names=["height"])),
        "one again": (bm.Mixture(bm.Gaussian(shared=True), 2), bm.Data(x[:, 0], names=["height"])),
        "several": (two, bm.Data(x, names=["a", "b"])),
        "labelled": (two, bm.Data(x, label=np.where(np.arange(50) < 9, z, -1))),
        "weighted": (one, bm.Data(x[:, 0], weight=weight)),
        "missing": (two, bm.Data(gaps)),
        "counts": (bm.Mixture(bm.Poisson(), 2), bm.Data(rng.poisson(2 + 10 * z).astype(float))),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    made = {}
    for name, (model, data) in fits().items():
        em = bm.fit_em(model, data, restarts=3, seed=1)
        made[name] = packed(em, chains=4, draws=100).save(folder / f"{name.replace(' ', '_')}.nc")
    return made


def test_arviz_alone_reads_every_kind_of_fit(files, tmp_path):
    command = [sys.executable, "-c", READER, *map(str, files.values())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"read {len(files)}"


@pytest.mark.certify
def test_the_script_runs_without_bayesmix(files, tmp_path):
    """`models/inspect_in_arviz.py` beside a bayesmix that cannot be imported."""
    (tmp_path / "bayesmix.py").write_text("raise ImportError('not here')")
    out = tmp_path / "pictures"
    command = [sys.executable, str(SCRIPT), str(files["several"]), str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in ("r_hat", "mean[1, b]", "elpd_loo", "Least certain rows"):
        assert word in done.stdout
    assert {p.name for p in out.iterdir()} == {"trace.png", "predictive.png"}
