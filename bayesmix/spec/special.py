"""SciPy's special functions, imported when one is first called, so that `import bayesmix` does not wait for SciPy."""


def _lazy(name):
    def call(*args, **kwargs):
        import scipy.special

        return getattr(scipy.special, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`scipy.special.{name}`."
    return call


betainc, betaincinv, betaln = _lazy("betainc"), _lazy("betaincinv"), _lazy("betaln")
digamma, gammaln, multigammaln = _lazy("digamma"), _lazy("gammaln"), _lazy("multigammaln")
polygamma = _lazy("polygamma")
gammainc, gammaincc, gammaincinv, gammainccinv = map(_lazy, ("gammainc", "gammaincc", "gammaincinv", "gammainccinv"))
logsumexp, ndtr, ndtri = _lazy("logsumexp"), _lazy("ndtr"), _lazy("ndtri")
xlog1py, xlogy = _lazy("xlog1py"), _lazy("xlogy")
softmax = _lazy("softmax")
