"""One direction, no arrow back: a module imports only from rows above it in the table of DESIGN section 2."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bayesmix"

# The rows of the table, top to bottom. A module belongs to the longest prefix that fits it; within a wing
# modules of one row may import each other, between wings never.
ROWS = (
    ("errors", "agreement"),  # values that everybody may speak of
    ("seed",),
    ("data.data",),
    ("data.frames",),
    ("data.readers", "data.datasets"),
    ("data.chunks",),
    ("data",),
    ("spec.special",),
    ("spec.missing", "spec.gamma_ratios", "spec.truncated"),
    ("spec.matrices", "spec.matrix_ops", "spec.transforms", "spec.climb"),
    ("spec.supports",),
    ("spec.priors",),
    ("spec.families.base",),
    ("spec.families",),
    ("spec.constraints",),
    ("spec.meeting", "spec.symmetry", "spec.coordinates"),  # the parts of a Mixture
    ("spec.normaliser",),
    ("spec.mixture",),
    ("spec.encode", "spec.many"),
    ("predict", "partition", "tree"),  # the bodies of Fit's methods
    ("clusters",),
    ("fit",),
    ("store",),
    ("em.vector", "em.plain", "em.progress"),
    ("em.passes",),
    ("em.shares",),
    ("em.fused",),
    ("em.belief", "em.ascend", "em.loop", "em.begin"),
    ("em.missing", "em.patterns"),
    ("em.kernel",),
    ("em.chunks",),
    ("em.engine", "em.layout", "em.tiles", "em.derivatives", "em.surface", "em.walls", "em.polish", "em.kinds"),
    ("em.starts", "em.modes", "em.trace", "em.limits", "em.batch", "em.together"),
    ("em.restarts", "em.stable", "em.laplace"),
    ("em.bootstrap", "em.bound"),
    ("em.fit_em",),
    ("em.kmeans",),
    ("em",),
    ("mcmc",),
    ("diagnostics",),
    ("selection",),
    ("report",),
    ("cli",),
    ("", "__main__"),  # the package itself, which collects the public names
)
# Doorways: calls that lead down on purpose, always inside a function, so that importing follows the table.
DOORWAYS = {
    ("spec.mixture", "mcmc"),  # Mixture.to_pymc
    ("fit", "store"),  # Fit.tree, Fit.save
    ("store", "em"),  # load rebuilds the runs and optima
    ("fit", "em.laplace"),  # Fit.standard_deviations
    ("fit", "em.starts"),  # Fit.start_of
    ("fit", "em.kernel"),
}
IN_PYTENSOR = ("spec.transforms", "spec.matrix_ops")  # imported only by methods that build a PyMC model
HEAVY = {"pymc", "pytensor", "arviz", "nutpie", "matplotlib"}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(p for p in parts if p != "__init__"), path


def row(module):
    fits = [
        (len(prefix), i)
        for i, prefixes in enumerate(ROWS)
        for prefix in prefixes
        if module == prefix or (prefix and module.startswith(prefix + "."))
    ]
    assert fits, f"bayesmix.{module} has no row in the table: say where it belongs"
    return max(fits)[1]


def wing(module):
    return module.split(".")[0]


def imports(tree):
    """(imported module, whether at import time) of every import statement."""
    lazy = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda) for n in ast.walk(f)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names = [node.module]
            if node.module.startswith("bayesmix"):  # `from bayesmix.em import starts` imports a module
                names = [
                    f"{node.module}.{a.name}" if _is_module(f"{node.module}.{a.name}") else node.module
                    for a in node.names
                ]
        for name in names:
            yield name, id(node) not in lazy


def _is_module(name):
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def violations(module, source):
    """Sentences on every import of `source`, as bayesmix.<module>, that the table forbids."""
    out = []
    for name, at_import in imports(ast.parse(source)):
        top, _, inner = name.partition(".")
        if top != "bayesmix":
            if top in HEAVY and wing(module) in ("data", "em", "errors", "agreement"):
                out.append(f"{module} imports {name}")
            if top in HEAVY and at_import and wing(module) in ("spec", "fit", "store") and module not in IN_PYTENSOR:
                out.append(f"{module} imports {name} before it is needed")
            continue
        if module == "" or inner == module or inner.startswith(module + "."):
            continue  # the package, and a wing's __init__, collect what is below them
        doorway = any(module == a and (inner == b or inner.startswith(b + ".")) for a, b in DOORWAYS)
        if doorway and not at_import:
            continue
        down = row(inner) >= row(module) if wing(inner) != wing(module) else row(inner) > row(module)
        if down:
            out.append(f"{module} imports {name}, which is not above it")
    return out


@pytest.mark.parametrize("module,path", list(modules()), ids=lambda v: v if isinstance(v, str) else "")
def test_imports_point_upwards(module, path):
    assert violations(module, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "module,source",
    [
        ("spec.priors", "from bayesmix.em import engine"),
        ("spec.priors", "import pymc as pm"),
        ("spec.priors", "def rv():\n    from bayesmix.spec.mixture import Mixture"),
        ("spec.mixture", "from bayesmix.mcmc.pymc_model import to_pymc"),
        ("em.engine", "def f():\n    import pymc"),
        ("em.engine", "def f():\n    import arviz"),
        ("em.engine", "from bayesmix.em.fit_em import fit_em"),
        ("em.engine", "import bayesmix"),
        ("mcmc.sample", "from bayesmix.diagnostics import relabel"),
        ("data.data", "from bayesmix.spec.priors import Normal"),
    ],
)
def test_the_rule_catches(module, source):
    assert violations(module, source)


@pytest.mark.parametrize(
    "module,source",
    [
        ("spec.priors", "def rv():\n    import pymc as pm"),
        ("spec.mixture", "def to_pymc():\n    from bayesmix.mcmc.pymc_model import to_pymc"),
        ("em.fit_em", "from bayesmix.em import engine"),
        ("mcmc.sample", "from bayesmix.em.modes import census\nimport pymc"),
        ("report.page", "import matplotlib"),
    ],
)
def test_the_rule_allows(module, source):
    assert violations(module, source) == []


def loaded_after(code):
    """Names of the top-level and second-level modules that a fresh Python has loaded after `code`."""
    code += "\nimport sys, json; print(json.dumps(sorted(m for m in sys.modules if m.count('.') < 2)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_em_starts_without_pymc():
    loaded = loaded_after(
        "import bayesmix as bm\n"
        "data = bm.datasets.galaxies()\n"
        "model = bm.Mixture(bm.Gaussian(), 2, constraints=(bm.Order('mean'), bm.MinWeight(0.1)))\n"
        "fit = bm.fit_em(model, data, restarts=2, seed=1)\n"
        "fit.predict_proba([[20.0]]), fit.simulate(3, 0), fit.bic\n"
    )
    assert "bayesmix" in loaded and "numpy" in loaded
    assert not loaded & (HEAVY | {"scipy.stats"})


def test_the_import_is_light():
    """Everything that costs time comes with its first use: half a second is the limit for `import bayesmix`."""
    loaded = loaded_after("import bayesmix")
    assert "bayesmix.em.fit_em" in loaded or "bayesmix.em" in loaded
    assert not loaded & (HEAVY | {"scipy", "scipy.special", "pandas", "numba", "joblib", "rich", "xarray"})


def test_the_probe_sees_pymc():
    """Negative control: asking for a PyMC model loads PyMC."""
    loaded = loaded_after("import bayesmix.spec.transforms")
    assert {"pymc", "pytensor"} <= loaded


def test_no_module_hides_a_public_name():
    """`bm.name` is the function even after every module has been imported: a submodule would replace it."""
    code = (
        "import bayesmix as bm, pkgutil, importlib, types\n"
        "for m in pkgutil.walk_packages(bm.__path__, 'bayesmix.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "hidden = [n for n in bm.__all__ if n != 'datasets' and isinstance(getattr(bm, n), types.ModuleType)]\n"
        "raise SystemExit(f'hidden by modules: {hidden}' if hidden else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=False)
    assert done.returncode == 0, done.stderr
