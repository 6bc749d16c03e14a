"""What becomes of a fit when a chain fails, when all fail, and when Ctrl-C comes."""

import threading

import numpy as np
import pytest

import bayesmix as bm
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.mcmc import gibbs
from bayesmix.mcmc.chains import Chain, Job, Sampler, run_chains
from bayesmix.mcmc.faults import fault

MODEL = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.HalfNormal(2)), 2)
X = np.r_[np.random.default_rng(0).normal(-2, 1, 15), np.random.default_rng(1).normal(2, 1, 15)]
GOOD = {
    "weight": np.array([0.5, 0.5]), "mean": np.array([[-2.0], [2.0]]), "sd": np.array([[1.0], [1.0]]),
}  # fmt: skip


def problem():
    data = bm.Data(X)
    return Problem.of(MODEL.resolve(data), data)


def job(chains=4, draws=10, **change):
    given = {"starts": [GOOD] * chains, "seeds": np.arange(chains), "draws": draws} | change
    return Job(None, None, tune=5, target_accept=0.9, workers=1, size=60, **given)


def constant(number, draws=10):
    """A chain whose draws are its number."""
    return Chain({"mean": np.full((draws, 2, 1), float(number))})


# ---- what is wrong with a theta ----------------------------------------------------------------------

FAULTS = {
    "zero sd": ({"sd": [[1.0], [0.0]]}, "the log density of row 0 is NaN: sd[1, 0] = 0"),
    "NaN": ({"mean": [[np.nan], [2.0]]}, "mean[0, 0] = nan"),
    "negative": ({"sd": [[-1.0], [1.0]]}, "sd[0, 0] = -1"),
    "far": ({"mean": [[1e200], [1e200]]}, "row 0 is NaN, since no component has a density there"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_parameter_and_the_row_are_named(name):
    change, said = FAULTS[name]
    assert said in fault(problem(), GOOD | {n: np.array(v) for n, v in change.items()})


def test_a_sound_theta_has_no_fault():
    assert fault(problem(), GOOD) is None


# ---- failing chains ----------------------------------------------------------------------------------


def test_a_failing_chain_is_left_out_and_the_others_are_kept():
    def one(number, stop, tick):
        if number == 2:
            raise ArithmeticError("the density of row 3 is NaN.")
        return constant(number)

    kept = []
    result = run_chains(Sampler(one, {}, workers=3), job(), problem(), keep=lambda c, chain: kept.append(c))
    assert list(result.chains) == [0, 1, 3] == sorted(kept) and not result.partial
    assert result.failed == {2: "ArithmeticError: the density of row 3 is NaN"}
    assert [float(c.draws["mean"][0, 0, 0]) for c in result.chains.values()] == [0, 1, 3]


def test_a_draw_that_is_not_finite_fails_its_chain():
    def one(number, stop, tick):
        chain = constant(number)
        chain.draws["mean"][7:] = np.nan if number == 1 else 0.0
        return chain

    result = run_chains(Sampler(one, {}), job(2), problem())
    assert list(result.chains) == [0] and result.failed[1].startswith("draw 7: mean[0, 0] = nan")


def test_a_bad_start_is_not_run():
    bad, ran = GOOD | {"sd": np.array([[1.0], [0.0]])}, []

    def one(number, stop, tick):
        ran.append(number)
        return constant(number)

    result = run_chains(Sampler(one, {}), job(3, starts=[GOOD, bad, GOOD]), problem())
    assert ran == [0, 2] and "row 0 is NaN: sd[1, 0] = 0" in result.failed[1]


def test_when_all_fail_the_error_says_why():
    def one(number, stop, tick):
        raise ArithmeticError(f"trouble {number}")

    with pytest.raises(InputError, match=r"every chain failed\. Chain 0: ArithmeticError: trouble 0\. Chain 1: "):
        run_chains(Sampler(one, {}), job(2), problem())


@pytest.fixture(scope="module")
def planted():
    """A Gibbs fit of four chains, of which the second is told to start where a variance is zero."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2)
    good = {"weight": np.array([0.5, 0.5]), "mean": np.array([[-2.0], [2.0]]), "var": np.ones((2, 1))}
    bad = good | {"var": np.array([[1.0], [0.0]])}
    return bm.fit_mcmc(model, X, start=[good, bad, good, good], draws=50, tune=10, sampler="gibbs", seed=1)


def test_a_fit_records_its_failed_chain(planted, tmp_path):
    failed = [{"chain": 1, "reason": "the log density of row 0 is NaN: var[1, 0] = 0"}]
    assert planted.shape == (3, 50) and planted.settings["failed_chains"] == failed
    assert "Chain 1 failed and was left out: the log density of row 0" in planted.settings["notes"][0]
    assert planted.groups["starts"]["mean"].shape == (3, 2, 1)
    assert bm.load(planted.save(tmp_path / "fit.nc")).settings["failed_chains"] == failed


def test_the_surviving_chains_are_those_of_a_run_without_the_failure(planted):
    good = {n: v.values[0] for n, v in planted.groups["starts"].data_vars.items()}
    clean = bm.fit_mcmc(planted.mixture, X, start=good, draws=50, tune=10, sampler="gibbs", seed=1)
    np.testing.assert_array_equal(clean.draws["mean"][[0, 2, 3]], planted.draws["mean"])


def test_the_diagnosis_reports_the_failed_chain(planted):
    found = {f.name: f for f in bm.diagnose(planted).findings}["failed chains"]
    assert found.level == "problem" and "Chain 1" in found.sentence and "var[1, 0] = 0" in found.sentence


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_poisoned_density_is_found_after_sampling(monkeypatch):
    """Draws are finite, but the log posterior of one chain's is not."""
    from bayesmix.mcmc import sample

    def one(number, stop, tick):
        chain = Chain({n: np.repeat(v[None], 10, axis=0) for n, v in GOOD.items()})
        if number == 1:
            chain.draws["mean"][4] = 1e200
        return chain

    monkeypatch.setitem(sample.SAMPLERS, "gibbs", lambda job: Sampler(one, {}))
    fit = bm.fit_mcmc(MODEL, X, start="prior", draws=10, tune=1, chains=3, sampler="gibbs", seed=1)
    assert fit.shape == (2, 10) and fit.settings["failed_chains"][0]["chain"] == 1
    assert fit.settings["failed_chains"][0]["reason"].startswith("draw 4: the log density of row 0 is NaN")


# ---- Ctrl-C ------------------------------------------------------------------------------------------


def interrupt_when(ready):
    """A progress function that presses Ctrl-C once `ready` is set."""

    def progress(done, total):
        if ready.is_set():
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_keeps_the_finished_chains():
    running = threading.Event()

    def one(number, stop, tick):
        if number == 2:
            running.set()
            assert stop.wait(30)
            return constant(number, draws=4)
        return constant(number)

    result = run_chains(Sampler(one, {}), job(), problem(), progress=interrupt_when(running))
    assert result.partial and list(result.chains) == [0, 1]


def test_ctrl_c_in_the_first_chains_keeps_the_draws_so_far():
    running = threading.Event()

    def one(number, stop, tick):
        running.set()
        assert stop.wait(30)
        return constant(number, draws=4 + number)

    result = run_chains(Sampler(one, {}, workers=2), job(2), problem(), progress=interrupt_when(running))
    assert result.partial and 1 <= len(result.chains) <= 2
    assert len({len(chain) for chain in result.chains.values()}) == 1


def test_ctrl_c_before_any_draw_keeps_nothing():
    running = threading.Event()

    def one(number, stop, tick):
        running.set()
        assert stop.wait(30)
        return Chain({})

    with pytest.raises(KeyboardInterrupt):
        run_chains(Sampler(one, {}), job(2), problem(), progress=interrupt_when(running))


def test_gibbs_stops_at_its_next_look(monkeypatch):
    """A Gibbs fit of very many draws, interrupted: a partial fit of equally long chains."""
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2)

    def progress(done, total):
        if done > 0:
            raise KeyboardInterrupt

    fit = bm.fit_mcmc(
        model, X, start="prior", draws=200_000, tune=1, chains=2, sampler="gibbs", seed=1, progress=progress
    )
    assert fit.settings["partial"] and 0 < fit.shape[1] < 200_000
    assert fit.settings["draws"] == fit.shape[1] and np.isfinite(fit.log_posteriors).all()


# ---- progress ----------------------------------------------------------------------------------------


def test_progress_counts_a_running_chain_by_its_share():
    seen, heard = [], threading.Event()

    def one(number, stop, tick):
        tick(0.5)
        assert heard.wait(30)
        return constant(number)

    def progress(done, total):
        seen.append((done, total))
        heard.set()

    run_chains(Sampler(one, {}), job(2), problem(), progress=progress)
    assert (0.5, 2) in seen and seen[-1] == (2, 2) and seen == sorted(seen)


def test_worker_processes_give_the_same_chains(monkeypatch):
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), var=bm.InverseGamma(3, 2)), 2)
    fits = []
    for size in (10**9, 0):
        monkeypatch.setattr(gibbs, "PARALLEL", size)
        data = bm.Data(X, weight=np.ones(len(X)))  # weighted rows are drawn by NumPy, which shares no memory
        fits.append(bm.fit_mcmc(model, data, start="prior", draws=20, tune=5, chains=2, sampler="gibbs", seed=1))
    np.testing.assert_array_equal(fits[0].draws["mean"], fits[1].draws["mean"])


# ---- starts ------------------------------------------------------------------------------------------


def test_wrong_starts_are_refused():
    arguments = {"draws": 5, "tune": 1, "chains": 2, "sampler": "gibbs", "seed": 1}
    for start, said in (
        ([GOOD], "one theta for each of the 2 chains"),
        ({"weight": [0.5, 0.5]}, "must be a dict of weight, mean, sd"),
        (GOOD | {"sd": np.ones(2)}, r"`sd` of chain 0 must have the shape \(2, 1\)"),
        (GOOD | {"weight": np.array([0.5, 0.6])}, "weights of chain 0 must sum to 1, not 1.1"),
        (3, "expected an EM fit"),
    ):
        with pytest.raises(InputError, match=said):
            bm.fit_mcmc(MODEL, X, start=start, **arguments)


@pytest.mark.certify
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_nuts_leaves_out_a_bad_start_and_keeps_its_draws_on_ctrl_c(golden, sampler):
    c = next(c for c in golden("exact_tiny") if c["name"].startswith("A1"))
    model = bm.Mixture(bm.Gaussian(mean=bm.Normal(0, 3), sd=bm.Fixed(1)), 2)
    good = {"weight": np.array([0.5, 0.5]), "mean": np.array([[-1.0], [3.0]]), "sd": np.ones((2, 1))}
    edge = good | {"weight": np.array([1.0, 0.0])}
    size = {"chains": 2, "tune": 60, "seed": 1, "sampler": sampler}
    fit = bm.fit_mcmc(model, c["y"], start=[good, edge], draws=60, progress=False, **size)
    assert fit.shape == (1, 60) and "edge of the support of `weight`" in fit.settings["failed_chains"][0]["reason"]

    def progress(done, total):
        if done > 0.2:
            raise KeyboardInterrupt

    fit = bm.fit_mcmc(model, c["y"], start=good, draws=100_000, progress=progress, **size)
    assert fit.settings["partial"] and 0 < fit.shape[1] < 100_000
    assert fit.settings["adaptation"] == "diagonal"
