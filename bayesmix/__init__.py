"""bayesmix: Bayesian finite mixture models, by EM and by MCMC, on one log posterior."""

from importlib import import_module

from bayesmix.data import Chunks, Data, datasets, read_data
from bayesmix.em.bootstrap import bootstrap
from bayesmix.em.bound import bound_trace
from bayesmix.em.fit_em import fit_em
from bayesmix.em.kmeans import distortion_trace, kmeans
from bayesmix.em.stable import UntilStable
from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.spec.constraints import MinWeight, Order
from bayesmix.spec.families import (
    Bernoulli,
    Categorical,
    Components,
    ExponentialComponent,
    ExponentialFamily,
    Family,
    GammaComponent,
    Gaussian,
    LogNormalComponent,
    Multinomial,
    MvGaussian,
    MvStudentT,
    NegativeBinomial,
    PointMass,
    Poisson,
    Product,
    StudentT,
    UniformComponent,
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

# These need PyMC, ArviZ or matplotlib and are imported when first used, so that EM starts at once.
_LAZY = {
    "calibrate": "bayesmix.diagnostics.calibrate",
    "beside_truth": "bayesmix.report.beside",
    "certificate": "bayesmix.mcmc.certificate",
    "compare": "bayesmix.diagnostics.compare",
    "compare_rows": "bayesmix.diagnostics.compare",
    "confusion": "bayesmix.report.beside",
    "diagnose": "bayesmix.diagnostics.diagnose",
    "diagnose_draws": "bayesmix.diagnostics.draws",
    "ends_in_words": "bayesmix.report.beside",
    "fit_mcmc": "bayesmix.mcmc.sample",
    "load": "bayesmix.store",
    "log_evidence": "bayesmix.diagnostics.bridge",
    "matched": "bayesmix.report.beside",
    "merge": "bayesmix.selection.merging",
    "occupied": "bayesmix.selection.occupied",
    "out_of_fold": "bayesmix.report.beside",
    "plate_diagram": "bayesmix.report.plate",
    "relabel": "bayesmix.diagnostics.relabel",
    "resume": "bayesmix.mcmc.sample",
    "run_script": "bayesmix.cli",
    "sample_prior_predictive": "bayesmix.mcmc.prior_predictive",
    "scores": "bayesmix.report.beside",
    "section": "bayesmix.report.story",
    "select": "bayesmix.selection.select",
    "side_by_side": "bayesmix.report.beside",
    "smc_evidence": "bayesmix.selection.smc",
    "telescope": "bayesmix.selection.telescope",
    "write_dossier": "bayesmix.report.dossier",
    "write_index": "bayesmix.report.index",
    "write_report": "bayesmix.report.page",
}


def __getattr__(name):
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name == "__version__":
        from importlib.metadata import version  # takes a fifth as long as all the rest of this package

        return version("bayesmix")
    raise AttributeError(f"module 'bayesmix' has no attribute {name!r}")


__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Components",
    "Chunks",
    "ConjugateNormal",
    "Data",
    "Dirichlet",
    "Exponential",
    "ExponentialComponent",
    "ExponentialFamily",
    "Family",
    "Fit",
    "Fixed",
    "Flat",
    "Gamma",
    "GammaComponent",
    "Gaussian",
    "HalfNormal",
    "InputError",
    "InverseGamma",
    "InverseWishart",
    "LogNormal",
    "LogNormalComponent",
    "MinWeight",
    "Mixture",
    "Multinomial",
    "MvGaussian",
    "MvStudentT",
    "NegativeBinomial",
    "Normal",
    "Order",
    "PointMass",
    "Poisson",
    "Prior",
    "StudentT",
    "Product",
    "Uniform",
    "UniformComponent",
    "UntilStable",
    "bootstrap",
    "bound_trace",
    "datasets",
    "distortion_trace",
    "families",
    "fit_em",
    "kmeans",
    "parameter",
    "read_data",
    *_LAZY,
]
