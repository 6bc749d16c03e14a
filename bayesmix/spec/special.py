"""Special functions: SciPy's, imported when one is first called, so that `import bayesmix` does not wait for SciPy.

The logarithm of a few gamma functions, which every prior asks for, comes from the standard library: importing SciPy
takes longer than a small fit.
"""

import math

import numpy as np

FEW = 100  # numbers


def _lazy(name):
    def call(*args, **kwargs):
        import scipy.special

        return getattr(scipy.special, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`scipy.special.{name}`."
    return call


betainc, betaincinv, betaln = _lazy("betainc"), _lazy("betaincinv"), _lazy("betaln")
digamma, polygamma = _lazy("digamma"), _lazy("polygamma")
gammainc, gammaincc, gammaincinv, gammainccinv = map(_lazy, ("gammainc", "gammaincc", "gammaincinv", "gammainccinv"))
logsumexp, ndtr, ndtri = _lazy("logsumexp"), _lazy("ndtr"), _lazy("ndtri")
xlog1py, xlogy = _lazy("xlog1py"), _lazy("xlogy")
softmax = _lazy("softmax")
_gammaln = _lazy("gammaln")


def gammaln(x):
    """log |Gamma(x)|, entry by entry."""
    x = np.asarray(x, dtype=np.float64)
    if x.size > FEW or not ((x > 0) & (x < 1e300)).all():
        return _gammaln(x)
    return np.array([math.lgamma(v) for v in x.ravel().tolist()]).reshape(x.shape)[()]


def multigammaln(a, d):
    """log Gamma_d(a) = d (d - 1) / 4 log pi + sum_(j<d) log Gamma(a - j / 2), for a > (d - 1) / 2."""
    return 0.25 * d * (d - 1) * math.log(math.pi) + sum(gammaln(a - 0.5 * j) for j in range(d))
