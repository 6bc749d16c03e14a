"""Digits by Gaussians of identity covariance: twenty centres, a hundred iterations.

    z_i ~ Categorical(w),   image_i | z_i = k ~ N(mean_k, I),   K = 20
    mean ~ N(2, 10^2): next to flat (some pixels are always white)

Source: lecture notes, "EM on digits" (COMP755, lecture 11), on the 8 x 8 digits that come with scikit-learn.

What to look for: the centres look like digits in different hands; under each stand the five images with the highest
responsibility. With 20 centres many optima are nearly as good.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import bayesmix as bm
from bayesmix.report import dynamics

title = "Digits by Gaussian centres"
found = load_digits()
data = bm.Data(found.data / 4.0, names=tuple(f"p{i // 8}.{i % 8}" for i in range(64)))
model = bm.Mixture(
    bm.Gaussian(mean=bm.Normal(2.0, 10.0), var=bm.Fixed(1.0), isotropic=True, shared=True), 20, weight=bm.Flat()
)
settings = {"engine": "em", "restarts": 10, "seed": 1, "em": {"max_iter": 100}}


def story(em, mcmc, quick):
    density = em.mixture.log_joint(data.x, em.best)
    r, rows, pictures, titles = em.predict_proba(), {}, [], []
    for k in range(model.components):
        best = np.lexsort((-density[:, k], -r[:, k].round(6)))[:5]
        rows[k] = {
            "weight": em.best["weight"][k],
            "rows": ", ".join(map(str, best)),
            "their digits": ", ".join(str(found.target[i]) for i in best),
        }
        pictures += [em.best["mean"][k], *data.x[best]]
        titles += [f"centre {k}", *(f"row {i}" for i in best)]
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("centre")
    half = len(pictures) // 2
    return [
        bm.section(
            "Twenty centres, each with its five most responsible images",
            f"Log likelihood {em.log_likelihood:.2f} after at most 100 iterations; {len(em.runs)} restarts ended in "
            f"{len(em.optima)} different optima.",
            figures=[
                (
                    dynamics.images(np.array(part), (8, 8), names, columns=6),
                    "Centres and their closest images.",
                    "Left: the centre; right of it the five rows with the highest responsibility (the densest first).",
                )
                for part, names in ((pictures[:half], titles[:half]), (pictures[half:], titles[half:]))
            ],
            tables=[(frame, "Row numbers count from 0.")],
        )
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__]))
