"""The papers behind the methods that a report used, as BibTeX."""

import math

ENTRIES = {
    "em": """@article{dempster1977em,
  author = {Dempster, A. P. and Laird, N. M. and Rubin, D. B.},
  title = {Maximum likelihood from incomplete data via the {EM} algorithm},
  journal = {Journal of the Royal Statistical Society B}, volume = {39}, number = {1}, pages = {1--38}, year = {1977}
}""",
    "mixtures": """@book{fruhwirth2006finite,
  author = {Fr{\\"u}hwirth-Schnatter, Sylvia},
  title = {Finite Mixture and {M}arkov Switching Models}, publisher = {Springer}, year = {2006}
}""",
    "kmeans++": """@inproceedings{arthur2007kmeans,
  author = {Arthur, David and Vassilvitskii, Sergei},
  title = {k-means++: the advantages of careful seeding},
  booktitle = {Proceedings of the 18th ACM-SIAM Symposium on Discrete Algorithms}, pages = {1027--1035}, year = {2007}
}""",
    "hard": """@article{celeux1992classification,
  author = {Celeux, Gilles and Govaert, G{\\'e}rard},
  title = {A classification {EM} algorithm for clustering and two stochastic versions},
  journal = {Computational Statistics \\& Data Analysis}, volume = {14}, number = {3}, pages = {315--332}, year = {1992}
}""",
    "annealing": """@article{ueda1998deterministic,
  author = {Ueda, Naonori and Nakano, Ryohei},
  title = {Deterministic annealing {EM} algorithm},
  journal = {Neural Networks}, volume = {11}, number = {2}, pages = {271--282}, year = {1998}
}""",
    "laplace": """@article{tierney1986accurate,
  author = {Tierney, Luke and Kadane, Joseph B.},
  title = {Accurate approximations for posterior moments and marginal densities},
  journal = {Journal of the American Statistical Association}, volume = {81}, number = {393}, pages = {82--86},
  year = {1986}
}""",
    "nuts": """@article{hoffman2014nuts,
  author = {Hoffman, Matthew D. and Gelman, Andrew},
  title = {The {No-U-Turn} sampler: adaptively setting path lengths in {H}amiltonian {M}onte {C}arlo},
  journal = {Journal of Machine Learning Research}, volume = {15}, pages = {1593--1623}, year = {2014}
}""",
    "gibbs": """@article{diebolt1994estimation,
  author = {Diebolt, Jean and Robert, Christian P.},
  title = {Estimation of finite mixture distributions through {B}ayesian sampling},
  journal = {Journal of the Royal Statistical Society B}, volume = {56}, number = {2}, pages = {363--375}, year = {1994}
}""",
    "pymc": """@article{abril2023pymc,
  author = {Abril-Pla, Oriol and Andreani, Virgile and Carroll, Colin and others},
  title = {{PyMC}: a modern, and comprehensive probabilistic programming framework in {P}ython},
  journal = {PeerJ Computer Science}, volume = {9}, pages = {e1516}, year = {2023}
}""",
    "arviz": """@article{kumar2019arviz,
  author = {Kumar, Ravin and Carroll, Colin and Hartikainen, Ari and Martin, Osvaldo},
  title = {{ArviZ} a unified library for exploratory analysis of {B}ayesian models in {P}ython},
  journal = {Journal of Open Source Software}, volume = {4}, number = {33}, pages = {1143}, year = {2019}
}""",
    "rhat": """@article{vehtari2021rank,
  author = {Vehtari, Aki and Gelman, Andrew and Simpson, Daniel and Carpenter, Bob and B{\\"u}rkner, Paul-Christian},
  title = {Rank-normalization, folding, and localization: an improved {$\\widehat{R}$} for assessing convergence of
    {MCMC}},
  journal = {Bayesian Analysis}, volume = {16}, number = {2}, pages = {667--718}, year = {2021}
}""",
    "ranks": """@article{sailynoja2022graphical,
  author = {S{\\"a}ilynoja, Teemu and B{\\"u}rkner, Paul-Christian and Vehtari, Aki},
  title = {Graphical test for discrete uniformity and its applications in goodness-of-fit evaluation and multiple
    sample comparison},
  journal = {Statistics and Computing}, volume = {32}, pages = {32}, year = {2022}
}""",
    "labels": """@article{stephens2000dealing,
  author = {Stephens, Matthew},
  title = {Dealing with label switching in mixture models},
  journal = {Journal of the Royal Statistical Society B}, volume = {62}, number = {4}, pages = {795--809}, year = {2000}
}""",
}


def used(em, mcmc):
    """BibTeX entries of the methods that these fits used, bayesmix itself first, as one text."""
    from bayesmix.tree import versions

    own = f"@software{{bayesmix,\n  author = {{{{bayesmix developers}}}},\n" \
          f"  title = {{bayesmix: {{B}}ayesian finite mixture models by {{EM}} and {{MCMC}}}}, " \
          f"version = {{{versions()['bayesmix']}}}\n}}"  # fmt: skip
    return "\n\n".join([own, *(ENTRIES[name] for name in methods(em, mcmc))])


def methods(em, mcmc):
    """Which of ENTRIES these fits used, in that order."""
    found = {"mixtures"}
    fit = em if em is not None else mcmc
    if fit.runs:
        found |= _of_em(em)
    if any(math.isfinite(m.log_mass) for m in fit.optima):
        found.add("laplace")
    if mcmc is not None:
        found |= {"arviz", "rhat", "ranks", "labels"}
        found |= {"gibbs"} if mcmc.settings.get("sampler") == "gibbs" else {"nuts", "pymc"}
    return [name for name in ENTRIES if name in found]


def _of_em(em):
    """What the settings of an EM fit say of the algorithm."""
    settings = {} if em is None else em.settings
    found = {"em"}
    if settings.get("start", "kmeans++") == "kmeans++":
        found.add("kmeans++")
    betas = str(settings.get("stiffness", 1.0)).split(", ")
    if len(betas) > 1:
        found.add("annealing")
    if float(betas[-1]) == math.inf:
        found.add("hard")
    return found
