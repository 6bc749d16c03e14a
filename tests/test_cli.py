"""The command line: each command, and one sentence with status 2 for whatever is wrong."""

import csv
import io
import json
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bayesmix as bm
import bayesmix.selection.select  # before `no_pymc` replaces modules that it imports
from bayesmix.agreement import Certificate
from bayesmix.cli import main, script
from laplace import laplace_fit, made_up_comparison, made_up_diagnosis

FAITHFUL = Path(bm.__file__).parent / "data" / "csv" / "faithful.csv"
COLUMNS = ["--columns", "eruptions,waiting"]
SMALL = [*COLUMNS, "--restarts", "2", "--seed", "1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, and no module left behind by scripts."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def no_pymc(monkeypatch, no_figures):
    """Engines and judges that need PyMC or ArviZ, replaced; returns what `fit_mcmc` was called with.

    Figures are left out too: `tests/report` draws them all.
    """
    calls = []

    def fit_mcmc(model, data, *, progress=None, **options):
        calls.append(options)
        progress(1, 1)
        return laplace_fit(options["start"], chains=2, draws=10)

    def certificate(model, data, draws, seed):
        return Certificate({"weight": 0.0, "x": 1e-12}, ("a", "b"), draws, seed)

    for module, names in {
        "bayesmix.mcmc.sample": {"fit_mcmc": fit_mcmc},
        "bayesmix.mcmc.certificate": {"certificate": certificate},
        "bayesmix.diagnostics.diagnose": {"diagnose": lambda *fits, **options: made_up_diagnosis(), "WHAT": {}},
        "bayesmix.diagnostics.compare": {"compare": made_up_comparison},
    }.items():
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**names))
    return calls


def refused(capsys, *argv):
    """The one sentence that a wrong command line gets on stderr; stdout stays empty."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("bayesmix") and "Traceback" not in err
    assert err.rstrip().endswith((".", "`."))
    return err


# ---- the commands ------------------------------------------------------------------------------------


def test_fit_writes_a_report_by_em_alone(here, no_pymc, capsys):
    assert main(["fit", FAITHFUL, "-k", "2", "--family", "MVGAUSSIAN", "--engine", "em", *SMALL,
                 "--order", "mean:eruptions", "--min-weight", "0.05"]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "272 rows, 2 features: eruptions, waiting" in out  # what was read, and so what was left out
    assert "Optima found by EM" in out and "Verdict: sound" in out and "reports/faithful/index.html" in out
    fit = bm.load("reports/faithful")
    assert (fit.engine, fit.settings["restarts"], fit.settings["seed"]) == ("em", 2, 1)
    assert [type(c).__name__ for c in fit.mixture.constraints] == ["Order", "MinWeight"]
    assert no_pymc == []


def test_fit_runs_both_engines_and_records_the_command(here, no_pymc, capsys):
    assert main(["fit", FAITHFUL, "-k", "2", *COLUMNS, "--restarts", "2", "--draws", "7", "--chains", "3",
                 "--out", "r/x"]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert out.index("Optima found by EM") < out.index("Verdict") < out.index("MAP beside posterior")
    (call,) = no_pymc
    assert (call["draws"], call["tune"], call["chains"]) == (7, 500, 3)
    assert f"--out r/x --seed {call['seed']}" in Path("r/x/index.html").read_text(encoding="utf-8")
    assert bm.load("r/x").engine == "mcmc"


def test_fit_by_mcmc_alone_leaves_the_comparison_out(here, no_pymc):
    assert main(["fit", FAITHFUL, "-k", "2", "--engine", "mcmc", *SMALL, "--out", "r"]) == 0
    assert not Path("r/comparison.csv").exists() and bm.load("r").engine == "mcmc"


def test_fit_of_a_range_writes_the_dossier(here, no_pymc, capsys):
    assert main(["fit", FAITHFUL, "-k", "1:2", "--columns", "eruptions", "--engine", "em", "--restarts", "3",
                 "--workers", "1", "--seed", "1", "--out", "r"]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "The criteria side by side" in out and "Choice: K = 2." in out and "r/index.html" in out
    page = Path("r/index.html").read_text(encoding="utf-8")
    assert "K = 2 leads by BIC" in page and "bayesmix fit" in page and "-k 1:2" in page
    lines = list(csv.DictReader(io.StringIO(Path("r/dossier.csv").read_text(encoding="utf-8"))))
    assert [line["components"] for line in lines] == ["1", "2"] and float(lines[0]["BIC"]) > float(lines[1]["BIC"])
    assert Path("r/reasons.csv").exists()


SCRIPT = """
import bayesmix as bm
data = bm.datasets.galaxies()
model = bm.Mixture(bm.Gaussian(), components=2)
title = "Speeds of galaxies"
settings = {"restarts": 3, "draws": 11, "seed": 5}
"""


def test_run_takes_data_model_title_and_settings_from_the_script(here, no_pymc):
    Path("speeds.py").write_text(SCRIPT)
    assert main(["run", "speeds.py"]) == 0
    page = Path("reports/speeds/index.html").read_text(encoding="utf-8")
    assert "Speeds of galaxies" in page and "bayesmix run speeds.py --seed 5" in page
    assert (no_pymc[0]["draws"], no_pymc[0]["seed"], len(bm.load("reports/speeds").runs)) == (11, 5, 3)


def test_run_quick_and_seed_overrule_the_script(here, no_pymc):
    Path("speeds.py").write_text(SCRIPT)
    assert main(["run", "speeds.py", "--quick", "--seed", "9", "--out", "x"]) == 0
    assert (no_pymc[0]["draws"], no_pymc[0]["seed"]) == (400, 9)


STORY = """
def story(em, mcmc, quick):
    from matplotlib.figure import Figure
    figure = Figure()
    figure.subplots().plot([1, 2])
    best = f"The best of {len(em.runs)} restarts: {em.log_posterior:.3f}."
    return [bm.section("A tale of galaxies", best, figures=[(figure, "A line that rises.", "It rises.")],
                       tables=[(em.modes[["kind"]], "What was found.")])]
"""


def test_a_script_adds_its_own_sections_before_the_others(here):
    Path("speeds.py").write_text(SCRIPT.replace('"draws": 11', '"engine": "em", "em": {"start": "rows"}') + STORY)
    assert main(["run", "speeds.py"]) == 0
    page, fit = Path("reports/speeds/index.html").read_text(encoding="utf-8"), bm.load("reports/speeds")
    assert page.index('id="story-a-tale-of-galaxies"') < page.index('id="certificate"')
    assert f"The best of 3 restarts: {fit.log_posterior:.3f}." in page and 'alt="A line that rises."' in page
    assert fit.engine == "em" and fit.settings["start"] == "rows"


def test_python_runs_a_script_as_the_command_does(here, monkeypatch):
    script = (
        SCRIPT.replace('"draws": 11', '"engine": "em"') + "if __name__ == '__main__':\n    bm.run_script(__file__)\n"
    )
    Path("speeds.py").write_text(script)
    monkeypatch.setattr(sys, "argv", ["speeds.py", "--quick", "--out", "x"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("speeds.py", run_name="__main__")
    assert stop.value.code == 0 and bm.load("x").settings["seed"] == 5


def test_a_mistake_in_the_story_costs_neither_the_fit_nor_the_page(here, capsys):
    Path("speeds.py").write_text(SCRIPT.replace('"draws": 11', '"engine": "em"') + STORY.replace("len(", "lenn("))
    assert main(["run", "speeds.py"]) == 2
    error = capsys.readouterr().err
    assert "speeds.py, line 12: NameError" in error and "without the script's own sections" in error
    assert bm.load("reports/speeds").engine == "em" and Path("reports/speeds/index.html").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The netCDF file of an EM fit to Old Faithful."""
    model = bm.Mixture(bm.MvGaussian(), 2, constraints=bm.Order("mean", by=0))
    fit = bm.fit_em(model, bm.datasets.old_faithful(), restarts=1, seed=1)
    return fit.save(tmp_path_factory.mktemp("saved") / "fit.nc"), fit


def test_predict_matches_columns_by_name(here, saved, capsys):
    path, fit = saved
    Path("new.csv").write_text("waiting,other,eruptions\n55,x,2\n80,y,4.3\n")
    assert main(["predict", path.parent, "new.csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["em class"] for r in rows] == ["0", "1"]
    proba = fit.predict_proba([[2, 55], [4.3, 80]])
    np.testing.assert_allclose([[float(r["em p(0)"]), float(r["em p(1)"])] for r in rows], proba)
    assert main(["predict", path, "new.csv", "--out", "out.csv"]) == 0
    assert capsys.readouterr().out == ""
    assert list(csv.DictReader(io.StringIO(Path("out.csv").read_text()))) == rows
    assert sorted(p.name for p in here.iterdir()) == ["new.csv", "out.csv"]


def test_check_compares_the_fresh_with_the_stored_certificate(saved, no_pymc, monkeypatch, capsys):
    assert main(["check", saved[0], "--draws", "5"]) == 0
    out = capsys.readouterr().out
    assert "1.0e-12" in out and "Stored:" in out and "on 5 prior" in out

    def certificate(model, data, draws, seed):
        return Certificate({"weight": 1e-5}, ("a", "b"), draws, seed)

    monkeypatch.setattr(sys.modules["bayesmix.mcmc.certificate"], "certificate", certificate)
    assert main(["check", saved[0]]) == 1
    assert "`weight` differs" in capsys.readouterr().out


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in (*bm.datasets.catalogue(), *bm.families(), "InverseWishart", "Flat", "Order", "MinWeight"):
        assert name in out
    assert "FromData" not in out


def test_help_of_every_command_is_worth_reading(capsys):
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    for name in ("run", "fit", "predict", "check", "index", "list"):
        assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "reports/<name>" in out and "mean:eruptions" in out and bm.__version__ in out


def test_help_and_em_start_without_heavy_imports():
    code = (
        "import sys; from bayesmix.cli import main; main(['--help']); main(['list']);"
        "sys.exit(bool({'pymc', 'pytensor', 'arviz', 'nutpie', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr


OWN_FAMILY = """
from dataclasses import dataclass
import numpy as np
import bayesmix as bm

@dataclass(frozen=True, eq=False)
class OwnLaplace(bm.Family):
    '''x_j | z = k ~ Laplace(centre_kj, 1), features independent.'''

    centre: bm.Prior = bm.parameter("feature")

    def logpdf(self, x, centre):
        return -np.abs(x[:, None, :] - centre).sum(axis=2) - x.shape[1] * np.log(2)

    def dist(self, centre):
        import pymc as pm
        return pm.Laplace.dist(centre, 1.0)

    def draw(self, z, rng, centre):
        return rng.laplace(centre[z], 1.0)
"""


def test_a_family_of_ones_own_works_from_the_command_line(here, no_pymc, capsys):
    Path("own.py").write_text(OWN_FAMILY)
    Path("x.csv").write_text("a\n" + "\n".join(map(str, [0, 0.1, -0.2, 0.3, 9, 9.1, 8.8, 9.2])))
    assert main(["fit", "x.csv", "-k", "2", "--family", "ownlaplace", "--import", "own.py", "--engine", "em",
                 "--restarts", "2", "--seed", "1"]) == 0  # fmt: skip
    assert main(["predict", "reports/x", "x.csv", "--import", "own.py"]) == 0
    assert main(["list", "--import", "own.py"]) == 0
    assert "Laplace(centre_kj, 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "family,order",
    [
        ("categorical", "prob:a:2"),
        ("multinomial", "prob:b"),
        ("negativebinomial", "mean:a"),
        ("exponentialcomponent", "rate:b"),
        ("gammacomponent", "shape:a"),
        ("lognormalcomponent", "mean:b"),
        pytest.param("studentt", "df", marks=pytest.mark.certify),  # its numeric M-step under an order is slow
        ("mvstudentt", "mean:a"),
    ],
)
def test_every_family_has_its_name(here, no_pymc, family, order):
    """Whole numbers 1..3 are in every sample space here; the fit is stored and predicts."""
    rows = np.random.default_rng(3).integers(1, 4, size=(40, 2))
    Path("x.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in rows))
    assert main(["fit", "x.csv", "-k", "2", "--family", family, "--engine", "em", "--order", order,
                 "--restarts", "2", "--seed", "1"]) == 0  # fmt: skip
    fit = bm.load("reports/x")
    assert type(fit.mixture.family).__name__.lower() == family
    assert fit.mixture.constraints[0].field == order.split(":")[0]
    assert main(["predict", "reports/x", "x.csv", "--out", "p.csv"]) == 0
    assert len(Path("p.csv").read_text().splitlines()) == 41


# ---- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv,words",
    [
        ([], "COMMAND"),
        (["paint"], "invalid choice"),
        (["fit", "nothing.csv", "-k", "2"], "no such file"),
        (["fit", "a.csv", "-k", "5:1"], "a range such as 1:6"),
        (["fit", "a.csv", "-k", "1:"], "a range such as 1:6"),
        (["fit", "a.csv", "-k", "0"], "at least 1"),
        (["fit", "a.csv", "-k", "99"], "at most as many components"),
        (["fit", "a.csv"], "--components"),
        (["fit", "a.csv", "-k", "2", "--columns", "c"], "'c'|\"c\""),
        (["fit", "a.csv", "-k", "2", "--label", "c"], "label"),
        (["fit", "a.csv", "-k", "2", "--row-weight", "b"], "weight"),
        (["fit", "words.csv", "-k", "2", "--columns", "a,w"], "number"),
        (["fit", "infinite.csv", "-k", "2"], "finite"),
        (["fit", "blank.csv", "-k", "2"], "all cells of row 1"),
        (["fit", "a.csv", "-k", "2", "--family", "cauchy"], "no such family"),
        (["fit", "a.csv", "-k", "2", "--family", "poisson", "--columns", "b"], "Poisson"),
        (["fit", "a.csv", "-k", "2", "--order", "size"], "size"),
        (["fit", "a.csv", "-k", "2", "--order", "mean:z"], "z"),
        (["fit", "a.csv", "-k", "2", "--min-weight", "0.6"], "below"),
        (["fit", "a.csv", "-k", "2", "--min-weight", "much"], "invalid float"),
        (["fit", "a.csv", "-k", "2", "--seed", "-1"], "at least 0|expected one argument"),
        (["fit", "a.csv", "-k", "2", "--out", "a.csv/x"], "is a file"),
        (["fit", "a.csv", "-k", "2", "--out", "/proc/x"], "cannot be written"),
        (["fit", "a.csv", "-k", "2", "--import", "nowhere.py"], "no such file"),
        (["fit", "a.csv", "-k", "2", "--import", "no_such_module"], "no_such_module"),
        (["run", "nothing.py"], "no such file"),
        (["run", "a.csv"], "bayesmix fit"),
        (["run", "empty.py"], "define `data`"),
        (["run", "wrong.py"], "line 2: NameError"),
        (["run", "syntax.py"], "line 1: SyntaxError"),
        (["run", "model.py"], "must be a bm.Mixture"),
        (["run", "settings.py"], "'restart'"),
        (["run", "engine.py"], '"em", "mcmc" or "both"'),
        (["run", "em.py"], "a dict of arguments of fit_em"),
        (["run", "story.py"], "must be a function"),
        (["run", "badprior.py"], "positive"),
        (["predict", "nothing", "a.csv"], "no such file"),
        (["predict", "a.csv", "a.csv"], "netCDF"),
        (["check", "nothing"], "no such file"),
        (["check", "words.csv"], "netCDF"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_input_is_one_sentence_and_status_2(here, capsys, argv, words):
    files = {
        "a.csv": "a,b\n1,-2\n2,3\n4,5\n7,1\n",
        "words.csv": "a,w\n1,x\n2,y\n",
        "infinite.csv": "a\n1\ninf\n",
        "blank.csv": "a,b\n1,2\n,\n3,4\n",
        "empty.py": "",
        "wrong.py": "import bayesmix as bm\ndata = galaxies\n",
        "syntax.py": "data = (\n",
        "model.py": "data = [1.0, 2.0]\nmodel = 3\n",
        "engine.py": SCRIPT + "settings = {'engine': 'nuts'}\n",
        "em.py": SCRIPT + "settings = {'em': 3}\n",
        "story.py": SCRIPT + "story = 'once'\n",
        "settings.py": SCRIPT + "settings = {'restart': 3}\n",
        "badprior.py": "import bayesmix as bm\nmodel = bm.Mixture(bm.Gaussian(var=bm.HalfNormal(-1)), 2)\n",
    }
    for name, text in files.items():
        Path(name).write_text(text)
    import re

    assert re.search(words, refused(capsys, *argv))
    assert {p.name for p in here.iterdir()} - {"__pycache__"} == set(files)


def test_predict_refuses_rows_without_the_columns(here, saved, capsys):
    Path("new.csv").write_text("waiting\n55\n")
    assert "eruptions" in refused(capsys, "predict", str(saved[0]), "new.csv")
    assert "cannot be written" in refused(
        capsys, "predict", str(saved[0]), str(FAITHFUL), "--out", "no/such/folder.csv"
    )


def test_a_script_whose_name_is_taken_does_not_replace_the_module(here, no_pymc):
    Path("json.py").write_text(SCRIPT)
    assert main(["run", "json.py", "--quick", "--out", "x"]) == 0
    assert sys.modules["json"] is json and json.dumps([1]) == "[1]"


# ---- checkpoints -------------------------------------------------------------------------------------


def test_a_killed_run_is_continued_by_the_same_command(here, no_pymc, capsys):
    """Without --seed: the second run takes the seed of the checkpoint, and with it the same EM optima."""
    import json

    command = ["fit", FAITHFUL, "-k", "2", *COLUMNS, "--restarts", "3", "--checkpoint", "box", "--out", "r"]
    assert main(command) == 0
    assert no_pymc[0]["checkpoint"] == Path("box")
    Path("box").mkdir()
    Path("box/fit.json").write_text(json.dumps({"format": 1, "asked": {"seed": 31}}))
    assert main(command) == 0
    assert no_pymc[1]["seed"] == 31 and no_pymc[1]["start"].settings["seed"] == 31
    capsys.readouterr()
    Path("box/fit.json").write_text("{")
    assert "fit.json is damaged" in refused(capsys, *command)


# ---- Ctrl-C ------------------------------------------------------------------------------------------


def test_ctrl_c_while_sampling_keeps_the_em_report(here, no_pymc, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["bayesmix.mcmc.sample"], "fit_mcmc", interrupted)
    assert main(["fit", FAITHFUL, "-k", "2", *SMALL, "--out", "r"]) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "EM result is finished" in err
    assert bm.load("r").engine == "em"


def test_ctrl_c_after_some_chains_keeps_them(here, no_pymc, monkeypatch, capsys):
    def partial(model, data, *, start, **options):
        fit = laplace_fit(start, chains=1, draws=10)
        fit.settings["partial"] = True
        return fit

    monkeypatch.setattr(sys.modules["bayesmix.mcmc.sample"], "fit_mcmc", partial)
    assert main(["fit", FAITHFUL, "-k", "2", *SMALL, "--out", "r"]) == 130
    assert "finished chains are kept" in capsys.readouterr().err
    assert bm.load("r").engine == "mcmc"
    assert "MCMC ended early by Ctrl-C" in Path("r/index.html").read_text(encoding="utf-8")


def test_ctrl_c_in_em_keeps_the_finished_restarts(here, no_pymc, monkeypatch, capsys):
    from bayesmix.em import restarts

    once, count = restarts.one, []

    def one(*args):
        count.append(1)
        if len(count) > 2:
            raise KeyboardInterrupt
        return once(*args)

    monkeypatch.setattr(restarts, "one", one)
    slow = ["--min-weight", "0.1", "--enforce", "soft"]  # with a soft wall the restarts run one by one
    assert main(["fit", FAITHFUL, "-k", "2", *COLUMNS, *slow, "--restarts", "9", "--out", "r"]) == 130
    assert len(bm.load("r").runs) == 2 and no_pymc == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_before_anything_is_finished_writes_nothing(here):
    Path("slow.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    command = [shutil.which("bayesmix", path=str(Path(sys.executable).parent)), "run", "slow.py"]
    # a shell that runs the tests in the background has told its children to ignore Ctrl-C
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heed) as process:
        assert process.stdout.readline() == "started\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "bayesmix: interrupted; nothing was written.\n"
    assert not Path("reports").exists()


# ---- the whole way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["gibbs", pytest.param("nutpie", marks=pytest.mark.certify)])
def test_the_whole_way_with_pymc(here, capsys, sampler):
    """Script in, certified report out, which `check` holds against PyMC. NUTS compiles: for the certification."""
    Path("speeds.py").write_text(
        SCRIPT.replace("11", f"100, 'tune': 200, 'chains': 2, 'sampler': {sampler!r}").replace(
            "components=2)", "components=2, constraints=bm.Order('mean'))"
        )
    )
    assert main(["run", "speeds.py"]) == 0
    out = capsys.readouterr().out
    assert "Verdict:" in out and "MAP beside posterior" in out and "agree to" in out
    fit = bm.load("reports/speeds")
    assert fit.engine == "mcmc" and fit.certificate.ok
    assert ("PyMC model" in fit.certificate.readings) == (sampler == "nutpie")
    assert main(["check", "reports/speeds", "--draws", "20"]) == 0


def test_names_of_settings_are_those_of_the_options():
    from bayesmix.cli import FULL

    assert set(script.SETTINGS) == {*FULL, "engine", "em", "sampler", "seed"}
