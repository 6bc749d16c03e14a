"""bayesmix: Bayesian finite mixture models, by EM and by MCMC, on one log posterior."""

from importlib import import_module
from importlib.metadata import version

from bayesmix.data import Data, datasets, read_data
from bayesmix.em.bootstrap import bootstrap
from bayesmix.em.fit_em import fit_em
from bayesmix.em.stable import UntilStable
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.spec.constraints import MinWeight, Order
from bayesmix.spec.families import (
    Bernoulli,
    ExponentialFamily,
    Family,
    Gaussian,
    MvGaussian,
    Poisson,
    families,
    parameter,
)
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.priors import (
    Beta,
    ConjugateNormal,
    Dirichlet,
    Exponential,
    Fixed,
    Flat,
    Gamma,
    HalfNormal,
    InverseGamma,
    InverseWishart,
    LogNormal,
    Normal,
    Prior,
    Uniform,
)

__version__ = version("bayesmix")

# These need PyMC, ArviZ or matplotlib and are imported when first used, so that EM starts at once.
_LAZY = {
    "certificate": "bayesmix.mcmc.certificate",
    "compare": "bayesmix.diagnostics.compare",
    "diagnose": "bayesmix.diagnostics.diagnose",
    "fit_mcmc": "bayesmix.mcmc.sample",
    "load": "bayesmix.store",
    "write_report": "bayesmix.report.page",
}


def __getattr__(name):
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'bayesmix' has no attribute {name!r}")


__all__ = [
    "Bernoulli",
    "Beta",
    "ConjugateNormal",
    "Data",
    "Dirichlet",
    "Exponential",
    "ExponentialFamily",
    "Family",
    "Fit",
    "Fixed",
    "Flat",
    "Gamma",
    "Gaussian",
    "HalfNormal",
    "InputError",
    "InverseGamma",
    "InverseWishart",
    "LogNormal",
    "MinWeight",
    "Mixture",
    "MvGaussian",
    "Normal",
    "Order",
    "Poisson",
    "Prior",
    "Uniform",
    "UntilStable",
    "bootstrap",
    "datasets",
    "families",
    "fit_em",
    "parameter",
    "read_data",
    *_LAZY,
]
