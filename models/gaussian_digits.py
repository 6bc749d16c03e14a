"""Digits by Gaussians of identity covariance: twenty centres, a hundred iterations.

    z_i ~ Categorical(w),   image_i | z_i = k ~ N(mean_k, I),   K = 20
    mean ~ N(2, 10^2): next to flat (some pixels are always white)

Source: lecture notes, "EM on digits" (COMP755, lecture 11), on the 8 x 8 digits that come with scikit-learn.

What to look for: the centres look like digits in different hands; under each stand the five images with the highest
responsibility. With 20 centres many optima are nearly as good.
"""

import pandas as pd
from sklearn.datasets import load_digits

import bayesmix as bm
from bayesmix.report import dynamics

title = "Digits by Gaussian centres"
found = load_digits()
data = bm.Data(found.data / 4.0, names=tuple(f"p{i // 8}.{i % 8}" for i in range(64)))
centre = bm.Gaussian(mean=bm.Normal(2.0, 10.0), var=bm.Fixed(1.0), isotropic=True, shared=True)
model = bm.Mixture(centre, 20, weight=bm.Flat())
settings = {"engine": "em", "restarts": 10, "seed": 1, "em": {"max_iter": 100}}


def story(em, mcmc, quick):
    rows = dynamics.exemplars(em)
    table = pd.DataFrame({"weight": em.best["weight"]}).rename_axis("centre")
    table["rows"] = [", ".join(map(str, five)) for five in rows]
    table["their digits"] = [", ".join(map(str, found.target[five])) for five in rows]
    caption = "Left: the centre; right of it the five rows with the highest responsibility (the densest first)."
    yield bm.section(
        "Twenty centres, each with its five most responsible images",
        f"Log likelihood {em.log_likelihood:.2f} after at most 100 iterations.",
        bm.ends_in_words(em),
        (dynamics.montage(em, (8, 8), range(10)), caption),
        (dynamics.montage(em, (8, 8), range(10, 20)), caption),
        (table, "Row numbers count from 0."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
