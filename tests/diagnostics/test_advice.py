"""Where the evidence is not enough, the finding says what to run next, and that runs."""

import ast
import inspect
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_checks import evidence

import bayesmix as bm
from bayesmix.diagnostics.checks.ambiguous import ambiguous
from bayesmix.diagnostics.checks.census import census
from bayesmix.diagnostics.checks.certificate import certificate
from bayesmix.diagnostics.checks.convergence import convergence
from bayesmix.diagnostics.checks.degenerate import degenerate
from bayesmix.diagnostics.checks.effective_size import effective_size
from bayesmix.diagnostics.checks.failed_chains import failed_chains
from bayesmix.diagnostics.checks.finite import finite
from bayesmix.diagnostics.checks.identified import identified
from bayesmix.diagnostics.checks.scattered import scattered
from bayesmix.diagnostics.checks.several_modes import several_modes
from bayesmix.diagnostics.checks.unvisited import unvisited

NAMES = {"bm", "model", "data", "em", "fit", "range"}


def commands(advice):
    """The calls of bm in a sentence, as they stand there; those with dots for an argument are only hints."""
    out = []
    for rest in (advice[m.start() :] for m in re.finditer(r"\bbm\.\w+\(", advice)):
        depth = np.cumsum([(c == "(") - (c == ")") for c in rest])
        closed = next(i for i, c in enumerate(rest) if c == ")" and depth[i] == 0)
        out.append(rest[: closed + 1])
    return [call for call in out if "..." not in call]


def check_call(command):
    """Raise unless it is a call that the function's signature takes, of names that a user has."""
    call = ast.parse(command, mode="eval").body
    assert {n.id for n in ast.walk(call) if isinstance(n, ast.Name)} <= NAMES, command
    for node in (n for n in ast.walk(call) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)):
        signature = inspect.signature(getattr(bm, node.func.attr))
        signature.bind(*node.args, **{k.arg: k.value for k in node.keywords})


def test_a_call_that_cannot_run_is_seen():
    assert commands("Run bm.fit_em(model, data, restarts=max(1, 2)) or (bm.select(model, data)).") == [
        "bm.fit_em(model, data, restarts=max(1, 2))", "bm.select(model, data)",
    ]  # fmt: skip
    for wrong, error in (
        ("bm.fit_em(model, data, restart=3)", TypeError),
        ("bm.fit_mc(model)", AttributeError),
        ("bm.fit_em(modell, data)", AssertionError),
    ):
        with pytest.raises(error):
            check_call(wrong)


def doubtful():
    """name -> a finding of every check that may say "undecided"."""
    state = evidence(np.zeros((4, 40), dtype=int), [1.0], counts=np.where(np.arange(160) % 40 < 10, 0.5, 9.0))
    state.ambiguous, state.no_census, state.relabelled = 0.5, "EM found no optimum.", {}
    state.fit.certificate = SimpleNamespace(ok=False, summary=lambda: "The readings differ.")
    state.fit.settings = {"failed_chains": [{"chain": 2, "reason": "mean is not finite."}]}
    state.fit.shape = (3, 40)
    state.table = pd.DataFrame(
        {"kind": ["invariant", "relabelled"], "r_hat": [1.0, 1.5], "ess_bulk": [50.0, 30.0]},
        index=["log posterior", "mean"],
    )
    checks = ambiguous, census, certificate, degenerate, effective_size, failed_chains, identified
    found = {c.__name__: c(state) for c in checks}
    state.invariants = state.raw = {"mean": np.array([[1.0, np.nan]])}
    found["finite"] = finite(state)
    alone = evidence(np.zeros((1, 40), dtype=int), [1.0])
    alone.invariants, alone.table = {"mean": np.random.default_rng(0).normal(size=(1, 40))}, state.table
    found["convergence"] = convergence(alone)
    found["scattered"] = scattered(evidence(np.arange(160).reshape(4, 40), np.full(160, 1 / 160)))
    once = [[0] * 20 + [1] * 20] * 4
    found["several_modes"] = several_modes(evidence(once, [0.5, 0.5]))
    found["unvisited"] = unvisited(evidence(np.zeros((4, 40), dtype=int), [0.99, 0.01], se=0.01))
    return found


def test_every_doubt_comes_with_a_command_that_can_run():
    for name, finding in doubtful().items():
        assert finding.verdict == "undecided", name
        assert commands(finding.advice), (name, finding.advice)
        for command in commands(finding.advice):
            check_call(command)


def test_the_advice_about_a_single_restart_helps():
    """The command that the finding prints is run as it stands, and then EM is sound."""
    rng = np.random.default_rng(3)
    data = bm.Data(np.concatenate([rng.normal(0, 1, 40), rng.normal(8, 1, 60)]))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 2, weight=bm.Dirichlet(2))
    before = bm.diagnose(bm.fit_em(model, data, restarts=1, seed=1))
    assert before.verdict == "undecided"
    (command,) = commands(before.advice)
    after = bm.diagnose(eval(command, {"bm": bm, "model": model, "data": data}))
    assert after.verdict == "sound", after.summary()


@pytest.mark.certify
def test_the_advice_about_few_draws_helps():
    rng = np.random.default_rng(3)
    data = bm.Data(np.concatenate([rng.normal(0, 1, 40), rng.normal(8, 1, 60)]))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(4, 5), var=bm.InverseGamma(3, 2)), 2, weight=bm.Dirichlet(2))
    em = bm.fit_em(model, data, seed=1)
    few = bm.diagnose(bm.fit_mcmc(model, data, start=em, draws=30, tune=300, seed=1), em)
    assert few.verdict == "undecided", few.summary()
    known = {"bm": bm, "model": model, "data": data, "em": em}
    (command,) = [c for c in commands(few.advice) if "draws=" in c]
    again = bm.diagnose(eval(command, known), em)
    assert "undecided" not in again.verdicts, again.summary()
