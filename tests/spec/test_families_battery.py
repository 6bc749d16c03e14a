"""One battery for every family that has been imported, with no exceptions by name.

Each family is tried in all its variants (one per optional parameter and switch) at d = 1, 2, 3, under its
default priors for zero/one data or, where zero is outside the sample space, for ones and twos; `ORACLES`
adds SciPy. `COMPOSITES` are families made of members; one that settles its own number of components cannot be
taken apart, and skips those tests.
"""

from dataclasses import fields
from itertools import pairwise, product

import numpy as np
import pytest
from scipy import integrate, stats

import bayesmix as bm
import newcomers
from bayesmix.mcmc.pymc_model import dist_logp
from bayesmix.spec.encode import decode, encode
from bayesmix.spec.families.base import ExponentialFamily
from bayesmix.spec.priors import Fixed, FromData

K, N = 3, 40
NODES, WEIGHTS = np.polynomial.legendre.leggauss(120)
TRIED = {**bm.families(), "Geometric": newcomers.Geometric, "Laplace": newcomers.Laplace}


def _sd(t):
    return t["sd"] if "sd" in t else np.sqrt(t["var"])


def _negative_binomial(mean, alpha, x):
    return stats.nbinom(alpha, alpha / (mean + alpha)).logpmf(x).sum(1)


# (x (n, d), theta, k) -> (n,): the log density of component k according to SciPy
ORACLES = {
    "Gaussian": lambda x, t, k: stats.norm(t["mean"][k], np.broadcast_to(_sd(t), t["mean"].shape)[k]).logpdf(x).sum(1),
    "MvGaussian": lambda x, t, k: np.atleast_1d(
        stats.multivariate_normal(t["mean"][k], t["cov"][k % len(t["cov"])]).logpdf(x)
    ),
    "Poisson": lambda x, t, k: stats.poisson(t["rate"][k]).logpmf(x).sum(1),
    "Bernoulli": lambda x, t, k: stats.bernoulli(t["prob"][k]).logpmf(x).sum(1),
    "Categorical": lambda x, t, k: sum(
        stats.multinomial(1, t["prob"][k, j]).logpmf(np.eye(t["prob"].shape[2])[x[:, j].astype(int)])
        for j in range(x.shape[1])
    ),
    "Multinomial": lambda x, t, k: stats.multinomial.logpmf(x, x.sum(axis=1), t["prob"][k]),
    "ExponentialComponent": lambda x, t, k: stats.expon(scale=1 / t["rate"][k]).logpdf(x).sum(1),
    "GammaComponent": lambda x, t, k: (
        stats.gamma(t["shape"][k % len(t["shape"])], scale=1 / t["rate"][k]).logpdf(x).sum(1)
    ),
    "LogNormalComponent": lambda x, t, k: (
        stats.lognorm(np.broadcast_to(_sd(t), t["mean"].shape)[k], scale=np.exp(t["mean"][k])).logpdf(x).sum(1)
    ),
    "StudentT": lambda x, t, k: (
        stats.t(t["df"][k % len(t["df"])], t["mean"][k], np.broadcast_to(t["scale"], t["mean"].shape)[k])
        .logpdf(x)
        .sum(1)
    ),
    "MvStudentT": lambda x, t, k: np.atleast_1d(
        stats.multivariate_t(t["mean"][k], t["scale"][k % len(t["scale"])], t["df"][k % len(t["df"])]).logpdf(x)
    ),
    "NegativeBinomial": lambda x, t, k: _negative_binomial(t["mean"][k], t["alpha"][k % len(t["alpha"])], x),
    "Geometric": lambda x, t, k: stats.geom(t["prob"][k], loc=-1).logpmf(x).sum(1),
    "Laplace": lambda x, t, k: stats.laplace(t["center"][k], t["width"][k]).logpdf(x).sum(1),
    "UniformComponent": lambda x, t, k: stats.uniform(t["lower"][k], (t["upper"] - t["lower"])[k]).logpdf(x).sum(1),
    "Product of Gaussian and Poisson": lambda x, t, k: (
        stats.norm(t["a.mean"][k], np.sqrt(t["a.var"][k])).logpdf(x[:, :1]).sum(1)
        + stats.poisson(t["b.rate"][k]).logpmf(x[:, 1:]).sum(1)
    ),
    "Components of Gaussian and MvGaussian": lambda x, t, k: (
        stats.norm(t["gaussian.mean"][0], t["sd"][0]).logpdf(x).sum(1)
        if k == 0
        else np.atleast_1d(stats.multivariate_normal(t["mvgaussian.mean"][k - 1], t["cov"][k - 1]).logpdf(x))
    ),
}

# name -> the family at d features, or None where it has none
COMPOSITES = {
    "Product of one": lambda d: bm.Product(a=(bm.Gaussian(shared=True), range(d))),
    "Product of Gaussian and Poisson": lambda d: (
        bm.Product(a=(bm.Gaussian(), [0]), b=(bm.Poisson(), range(1, d))) if d > 1 else None
    ),
    "Product of MvGaussian and Bernoulli": lambda d: (
        bm.Product(b=(bm.Bernoulli(), [1]), a=(bm.MvGaussian(mean=bm.ConjugateNormal(0.3, 0.5)), [0, *range(2, d)]))
        if d > 1
        else None
    ),
    "Product with a Laplace": lambda d: (
        bm.Product(a=(newcomers.Laplace(), [d - 1]), b=(bm.Poisson(), range(d - 1))) if d > 1 else None
    ),
    "Components of Gaussian and MvGaussian": lambda d: bm.Components(
        bm.Gaussian(sd=bm.HalfNormal(1.0)), (bm.MvGaussian(mean=bm.ConjugateNormal(0.3, 0.5)), 2)
    ),
    "Components of counts": lambda d: bm.Components((bm.Poisson(), 2), newcomers.Geometric()),
    "Components of one class": lambda d: bm.Components((bm.Gaussian(shared=True), 2), bm.Gaussian(mean=bm.Fixed(0.0))),
    "Components with a Laplace": lambda d: bm.Components((newcomers.Laplace(), 1), (bm.Gaussian(), 2)),
    "Components of Products": lambda d: (
        bm.Components(
            (bm.Product(a=(bm.Gaussian(), [0]), b=(bm.Poisson(), range(1, d))), 2),
            bm.Product(c=(newcomers.Laplace(), [0]), b=(newcomers.Geometric(), range(1, d))),
        )
        if d > 1
        else None
    ),
}


class Try:
    """A family variant at d features with one theta drawn from its priors, and rows drawn from that."""

    def __init__(self, name, make, d, how=()):
        rng = np.random.default_rng(sum(map(ord, name)) + 7 * d)
        zero_one = (rng.random((N, d)) < 0.5).astype(float)
        zero_one[:2] = [[0.0], [1.0]]
        family = make(d).bind([f"x{j}" for j in range(d)])
        self.family = family.resolve(zero_one if accepts(family, zero_one) else 1 + zero_one)
        self.id = "-".join([name.replace(" ", "_"), *how, f"d{d}"])
        self.name, self.d = name, d
        self.theta = self.family.draw_prior(rng, K, d)
        self.z = np.arange(N) % K
        self.x = self.family.draw(self.z, rng, **self.theta)
        self.r = rng.dirichlet(np.ones(K), size=N)
        self.exponential = self.family.exponential
        self.free = [p for p in self.family.parameters.values() if p.free]

    def one(self, k=0):
        """theta of component k alone."""
        return {n: v if len(v) == 1 else v[k : k + 1] for n, v in self.theta.items()}


def accepts(family, x):
    """Whether the rows are in the family's sample space."""
    try:
        family.check(x, [f"x{j}" for j in range(x.shape[1])])
    except bm.InputError:
        return False
    return True


def variants(cls):
    """All settings of the switches, and each optional parameter (None stands for `FromData`) in turn."""
    optional = [f.name for f in fields(cls) if f.metadata.get("support") and f.default is None]
    switches = [f.name for f in fields(cls) if f.type is bool or f.type == "bool"]
    for name in optional or [None]:
        for values in product([False, True], repeat=len(switches)):
            yield ({name: None} if name else {}) | dict(zip(switches, values, strict=True))


def tries():
    for (name, cls), d in product(TRIED.items(), (1, 2, 3)):
        if d < cls.least_columns:
            continue
        for options in variants(cls):
            given = {n: FromData() if value is None else value for n, value in options.items()}
            yield Try(name, lambda _, c=cls, g=given: c(**g), d, [n for n, v in options.items() if v is not False])
    for (name, make), d in product(COMPOSITES.items(), (1, 2, 3)):
        if make(d) is not None:
            yield Try(name, make, d)


TRIES = [t for t in tries() if t.exponential or t.d < 3]  # a numeric M-step takes its time
EXPONENTIAL = [t for t in TRIES if t.exponential]
APART = [t for t in TRIES if t.family.count is None]  # any number of components will do
LINE = [t for t in APART if t.d == 1]


def each(tries):
    return pytest.mark.parametrize("t", tries, ids=lambda t: t.id)


def test_the_battery_is_complete():
    names = {t.name for t in TRIES}
    assert {"Gaussian", "MvGaussian", "Poisson", "Bernoulli", "Geometric", "Laplace"} <= names
    assert names >= set(bm.families())  # a family added to the package is in here without an edit
    assert names >= set(COMPOSITES) and {"Product", "Components", "PointMass"}.isdisjoint(bm.families())
    assert {t.id for t in TRIES} >= {
        "Gaussian-sd-isotropic-shared-d2",
        "Gaussian-var-d1",
        "MvGaussian-shared-d3",
    }


# ---- shapes and the log density ----------------------------------------------------------------------------


@each(TRIES)
def test_shapes(t):
    assert t.x.shape == (N, t.d) and t.x.dtype == np.float64
    t.family.check(t.x, [f"x{j}" for j in range(t.d)])
    for name, p in t.family.parameters.items():
        assert t.theta[name].shape == p.shape(K, t.d) and p.support.contains(t.theta[name])
    log_f = t.family.logpdf(t.x, **t.theta)
    assert log_f.shape == (N, K) and np.isfinite(log_f).all()
    first = t.family.logpdf(t.x[:1], **t.theta)
    assert first.shape == (1, K) and first[0] == pytest.approx(log_f[0], rel=1e-12)


@each(APART)
def test_one_component_is_the_first_of_many(t):
    alone = t.family.logpdf(t.x[:1], **t.one())
    assert alone.shape == (1, 1)
    assert alone[0, 0] == pytest.approx(t.family.logpdf(t.x, **t.theta)[0, 0], rel=1e-12)


@each([t for t in TRIES if t.name in ORACLES])
def test_logpdf_is_scipys(t):
    log_f = t.family.logpdf(t.x, **t.theta)
    for k in range(K):
        np.testing.assert_allclose(log_f[:, k], ORACLES[t.name](t.x, t.theta, k), rtol=1e-11, atol=1e-11)


@each(TRIES)
def test_logpdf_is_pymcs(t, pymc_logp):
    np.testing.assert_allclose(pymc_logp[t.id], t.family.logpdf(t.x, **t.theta), rtol=1e-10, atol=1e-10)


@pytest.fixture(scope="module")
def pymc_logp():
    """id -> (n, K): `pm.logp` of every family's `dist`, as one graph, which runs once and so is not rewritten."""
    import pytensor
    import pytensor.tensor as pt
    from pytensor.compile.mode import Mode

    out = []
    for t in TRIES:
        theta = {n: pt.as_tensor_variable(v) for n, v in t.theta.items()}
        out.append(dist_logp(t.family, pt.as_tensor_variable(t.x), theta))
    found = pytensor.function([], out, mode=Mode("py", optimizer=None))()
    return {t.id: f for t, f in zip(TRIES, found, strict=True)}


@each(APART)
def test_components_and_rows_are_exchangeable(t):
    perm, rows = np.array([2, 0, 1]), np.random.default_rng(0).permutation(N)
    moved = {n: v if len(v) == 1 else v[perm] for n, v in t.theta.items()}
    log_f = t.family.logpdf(t.x, **t.theta)
    np.testing.assert_allclose(t.family.logpdf(t.x[rows], **moved), log_f[np.ix_(rows, perm)], rtol=1e-13)


@each(EXPONENTIAL)
def test_logpdf_is_natural_times_sufficient_plus_base(t):
    phi, W = t.family.sufficient(t.x), t.family.natural(np, **t.theta)
    assert (phi[:, 0] == 1).all() and W.shape == (K, phi.shape[1])
    fast = phi @ W.T + t.family.base(t.x)[:, None]
    bound = np.finfo(float).eps * 50 * (np.abs(phi) @ np.abs(W).T + 1)
    off = np.abs(fast - t.family.logpdf(t.x, **t.theta))
    assert (off <= bound).all()
    W[:, 0] += 1e-5 * (1 + np.abs(W[:, 0]))  # negative control: a normaliser off by a relative 1e-5 is seen
    assert (np.abs(phi @ W.T + t.family.base(t.x)[:, None] - t.family.logpdf(t.x, **t.theta)) > bound).any()


# ---- it is a probability -----------------------------------------------------------------------------------


def expectation(t, g, k=0):
    """E[g(x)] under component k at d = 1, by summation or integration; g maps (m,) -> (m, ...)."""
    theta = t.one(k)
    draws = t.family.draw(np.zeros(4000, int), np.random.default_rng(1), **theta)[:, 0]

    def density(x):
        return np.exp(t.family.logpdf(np.reshape(x, (-1, 1)), **theta)[:, 0])

    if (draws == np.round(draws)).all():
        inside = []
        for v in np.arange(0.0, 40 + 60 * draws.max()):
            try:
                t.family.check(np.array([[v]]), ["x"])
            except bm.InputError:  # a family of zeros and ones refuses 2
                break
            inside.append(v)
        grid = np.array(inside)
        return np.tensordot(density(grid), g(grid), axes=(0, 0))
    if not accepts(t.family, np.array([[-1.0]])):  # positive values, heaped near 0 or not: x = e^s
        centre, width = np.median(np.log(draws)), np.subtract(*np.quantile(np.log(draws), [0.75, 0.25]))
        grid, jacobian = np.exp, np.exp
        far = np.array([-80, -30, -10, -4, -2, -1, 0, 1, 2, 4, 10, 30, 80])
        ends = np.clip(centre + width * far, -600, 60)
    else:  # the whole line, tails as heavy as they like: x = centre + width sinh(s)
        centre, width = np.median(draws), np.subtract(*np.quantile(draws, [0.75, 0.25]))
        grid, jacobian = lambda s: centre + width * np.sinh(s), lambda s: width * np.cosh(s)
        ends = np.array([-60, -20, -8, -4, -2, -1, -0.1, 0, 0.1, 1, 2, 4, 8, 20, 60])
    total = 0.0
    for a, b in pairwise(np.sort(np.concatenate([ends, edges(t, theta, grid, ends[0], ends[-1])]))):
        s = 0.5 * (b - a) * NODES + 0.5 * (a + b)
        x = grid(s)
        total = total + 0.5 * (b - a) * np.tensordot(WEIGHTS * density(x) * jacobian(s), g(x), axes=(0, 0))
    return total


def edges(t, theta, grid, low, high):
    """Where the density at grid(s) starts and ends, low < s < high, by bisection: no quadrature crosses a jump."""

    def inside(s):
        with np.errstate(all="ignore"):
            return t.family.logpdf(np.reshape(grid(s), (-1, 1)), **theta)[:, 0] > -np.inf

    s = np.linspace(low, high, 4001)
    at = np.flatnonzero(inside(s)[1:] != inside(s)[:-1])
    a, b = s[at], s[at + 1]
    for _ in range(60):
        middle = 0.5 * (a + b)
        same = inside(middle) == inside(a)
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return 0.5 * (a + b)


@each(LINE)
def test_total_probability_is_one(t):
    for k in range(K):
        assert expectation(t, np.ones_like, k) == pytest.approx(1, abs=1e-7)


@each(LINE)
def test_draws_have_the_densitys_moments(t):
    """Mean and second moment within 6 standard errors of the Monte Carlo mean."""
    n = 20_000
    for k in range(K):
        draws = t.family.draw(np.zeros(n, int), np.random.default_rng(2), **t.one(k))[:, 0]
        for power in (1, 2):
            exact, second = (
                expectation(t, lambda x, p=power: x**p, k),
                expectation(t, lambda x, p=power: x ** (2 * p), k),
            )
            se = np.sqrt(max(second - exact**2, 0.0) / n)
            assert abs((draws**power).mean() - exact) <= 6 * se + 1e-12


@each(LINE)
def test_draws_have_the_densitys_bounded_moments(t):
    """The same for y / (1 + y^2) and 1 / (1 + y^2), y standardised: they exist whatever the tails."""
    n = 20_000
    for k in range(K):
        draws = t.family.draw(np.zeros(n, int), np.random.default_rng(2), **t.one(k))[:, 0]
        centre, width = np.median(draws), 0.5 + np.subtract(*np.quantile(draws, [0.75, 0.25]))

        def odd(x, c=centre, w=width):
            return ((x - c) / w) / (1 + ((x - c) / w) ** 2)

        def even(x, c=centre, w=width):
            return 1 / (1 + ((x - c) / w) ** 2)

        for g in (odd, even):
            exact = expectation(t, g, k)
            se = g(draws).std() / np.sqrt(n)
            assert abs(g(draws).mean() - exact) <= 6 * se + 1e-7


def jacobian(t, theta):
    """dW/du of one component: (p, F), central differences."""
    u = t.family.vector(theta)
    out = []
    for j in range(len(u)):
        e = np.zeros(len(u))
        e[j] = 1e-6
        up, down = (t.family.natural(np, **t.family.from_vector(v, theta))[0] for v in (u + e, u - e))
        out.append((up - down) / 2e-6)
    return np.array(out)


@each([t for t in LINE if t.exponential and t.free])
def test_gradient_of_log_z_is_the_expected_statistic(t):
    """d log Z = E phi: with W_0 = -log Z, dW/du . E[phi] = 0 for every direction u, exactly."""
    for k in range(K):
        theta = t.one(k)
        J = jacobian(t, theta)
        mean = expectation(t, lambda x: t.family.sufficient(x[:, None]), k)
        size = np.abs(J) @ np.abs(mean) + 1e-12
        assert (np.abs(J @ mean) <= 1e-6 * size).all()
        J[:, 0] += 1e-2 * np.maximum(1, np.abs(J[:, 0]))  # negative control: a wrong normaliser
        assert (np.abs(J @ mean) > 1e-4 * size).any()


@each([t for t in APART if t.exponential and t.free and t.d > 1])
def test_the_score_has_mean_zero(t):
    """The same at d > 1, by 20 000 draws: within 6 standard errors."""
    n = 20_000
    for k in range(K):
        theta = t.one(k)
        x = t.family.draw(np.zeros(n, int), np.random.default_rng(3), **theta)
        score = t.family.sufficient(x) @ jacobian(t, theta).T
        assert (np.abs(score.mean(axis=0)) <= 6 * score.std(axis=0) / np.sqrt(n) + 1e-8).all()


# ---- M-steps -----------------------------------------------------------------------------------------------


def q_of(t, r):
    def q(theta):
        with np.errstate(all="ignore"):
            rows = np.where(r > 0, r * t.family.logpdf(t.x, **theta), 0.0)  # no row, no opinion
            value = rows.sum() + sum(t.family.log_prior(theta).values())
        return value if np.isfinite(value) else -np.inf

    return q


@each(TRIES)
def test_update_never_falls_and_ends_at_a_maximum(t):
    """Q rises step by step; at its end no small move in any direction raises it."""
    q, theta = q_of(t, t.r), t.family.start(K, t.d)
    value = q(theta)
    for _ in range(60):
        new = t.family.update(t.x, t.r, theta)
        assert {n: v.shape for n, v in new.items()} == {n: v.shape for n, v in t.theta.items()}
        rise = q(new) - value
        assert rise >= -1e-10 * abs(value)
        theta, value = new, q(new)
        if rise < 1e-12 * abs(value):
            break
    rng = np.random.default_rng(4)
    u = t.family.vector(theta)
    for size in (1e-4, 1e-2, 0.3):
        for _ in range(10):
            other = q(t.family.from_vector(u + size * rng.standard_normal(len(u)), theta))
            assert other <= value + 1e-6 * max(1.0, abs(value)) * min(1.0, size * 1e2)


@each([t for t in EXPONENTIAL if t.d < 3])
def test_closed_form_agrees_with_the_numeric_mode(t):
    stats_ = t.r.T @ t.family.sufficient(t.x)
    theta = t.family.start(K, t.d)
    for _ in range(100):
        theta = t.family.mode(stats_, **theta)
    best = t.family.expected(stats_, theta)
    numeric = ExponentialFamily.mode(t.family, stats_, **t.family.start(K, t.d))
    found = t.family.expected(stats_, numeric)
    assert found <= best + 1e-8 * max(1, abs(best))
    assert found == pytest.approx(best, rel=1e-6, abs=1e-6)


@each(APART)
def test_one_component(t):
    one = t.family.update(t.x, np.ones((N, 1)), {n: v[:1] for n, v in t.theta.items()})
    assert all(np.isfinite(v).all() and len(v) == 1 for v in one.values())


@each(TRIES)
def test_empty_components(t):
    """A component that no row belongs to goes to its prior's mode and stays finite."""
    r = np.zeros((N, K))
    r[:, 0] = 1.0
    new = t.family.update(t.x, r, t.family.start(K, t.d))
    assert all(np.isfinite(v).all() for v in new.values())
    assert q_of(t, r)(new) >= q_of(t, r)(t.family.start(K, t.d))


# ---- names, coordinates, storage ---------------------------------------------------------------------------


@each(TRIES)
def test_vector_roundtrip(t):
    u = t.family.vector(t.theta)
    assert u.shape == (sum(p.free_count(K, t.d) for p in t.family.parameters.values()),)
    back = t.family.from_vector(u, t.theta)
    for name, value in t.theta.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-12)


@each(TRIES)
def test_encode_decode(t):
    import json

    again = decode(json.loads(json.dumps(encode(t.family))))
    assert type(again) is type(t.family)
    assert json.dumps(encode(again)) == json.dumps(encode(t.family))
    for f in fields(t.family):
        if f.metadata.get("support"):
            assert getattr(again, f.name) == getattr(t.family, f.name), f.name
    np.testing.assert_array_equal(again.logpdf(t.x, **t.theta), t.family.logpdf(t.x, **t.theta))


@each([t for t in TRIES if t.family.movable(t.d).any()])
def test_moving_the_origin(t):
    by = np.where(t.family.movable(t.d), np.arange(1.0, t.d + 1), 0.0)
    moved = t.family.moved(by)
    theta = t.family.shift(t.theta, by)
    assert any((theta[n] != v).any() for n, v in t.theta.items())
    assert sum(moved.log_prior(theta).values()) == pytest.approx(sum(t.family.log_prior(t.theta).values()), rel=1e-12)
    np.testing.assert_allclose(moved.logpdf(t.x + by, **theta), t.family.logpdf(t.x, **t.theta), rtol=1e-9)


@pytest.mark.parametrize("cls", TRIED.values(), ids=TRIED)
def test_a_number_for_a_prior_is_refused(cls):
    f = next(f for f in fields(cls) if f.metadata.get("support"))
    name, wrong = f.name, bm.Dirichlet(1.0)
    if f.metadata["constant"]:  # here it is the other way round
        assert getattr(cls(**{name: 1.0}), name) == Fixed(1.0)
        with pytest.raises(bm.InputError, match="known constant"):
            cls(**{name: wrong})
        return
    with pytest.raises(bm.InputError, match="Fixed"):
        cls(**{name: 1.0})
    support = next(f.metadata["support"] for f in fields(cls) if f.name == name)
    wrong = bm.Normal(0, 1) if support.name == "simplex" else bm.Dirichlet(1.0)
    with pytest.raises(bm.InputError, match=f"prior is on {wrong.support}"):
        cls(**{name: wrong})


@pytest.mark.parametrize(
    "family,x,word",
    [
        (bm.Bernoulli(), [[0.0], [2.0]], "0 or 1"),
        (bm.Poisson(), [[1.0], [1.5]], "counts"),
        (bm.Poisson(), [[1.0], [-1.0]], "counts"),
        (bm.Categorical(), [[1.0], [0.5]], "codes 0, 1, 2"),
        (bm.Categorical(categories=3), [[1.0], [3.0]], "codes 0..2"),
        (bm.Multinomial(), [[1.0, 2.0], [-1.0, 2.0]], "counts"),
        (bm.Multinomial(), [[1.0], [2.0]], "at least 2 columns"),
        (bm.ExponentialComponent(), [[1.0], [-1.0]], "values >= 0"),
        (bm.NegativeBinomial(), [[1.0], [2.5]], "counts"),
        (bm.GammaComponent(), [[1.0], [0.0]], "values > 0"),
        (bm.LogNormalComponent(), [[1.0], [0.0]], "values > 0"),
    ],
)
def test_rows_outside_the_sample_space(family, x, word):
    with pytest.raises(bm.InputError, match=word):
        bm.fit_em(bm.Mixture(family, 1), x, restarts=1, seed=0)


def test_integration_helper_is_right():
    """The battery's own integrator against SciPy's adaptive one."""
    t = next(t for t in LINE if t.id == "Gaussian-var-d1")
    exact = integrate.quad(lambda v: v**2 * np.exp(t.family.logpdf(np.array([[v]]), **t.one())[0, 0]), -np.inf, np.inf)[
        0
    ]
    assert expectation(t, lambda x: x**2) == pytest.approx(exact, rel=1e-7)
