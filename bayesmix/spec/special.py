"""SciPy's special functions, imported when one is first called, so that `import bayesmix` does not wait for SciPy."""


def _lazy(name):
    def call(*args, **kwargs):
        import scipy.special

        return getattr(scipy.special, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`scipy.special.{name}`."
    return call


betaln, digamma, gammaln, logsumexp, multigammaln, xlog1py, xlogy = map(
    _lazy, ("betaln", "digamma", "gammaln", "logsumexp", "multigammaln", "xlog1py", "xlogy")
)
