"""Handwritten digits as a mixture of Bernoulli vectors: three digits, and all ten; soft and hard assignment.

    z_i ~ Categorical(w),   pixel_ij | z_i = k ~ Bernoulli(prob_kj) independently
    prob ~ Beta(1.5, 1.5),   w ~ Dirichlet(2)

Source: lecture notes, "Mixture of Bernoullis on MNIST"; Bishop (2006), section 9.3.3. The 8 x 8 digits that come with
scikit-learn are used, or the first 5000 of MNIST, given the folder with its IDX files:

    bayesmix run models/bernoulli_digits.py --mnist FOLDER

What to look for: for the digits 0, 1 and 2 each component is one digit. For all ten, some digits share a component
and others take two, and restarts give different answers: the census counts them. Pixels are not independent given the
digit; the model is too simple, and the table says where it fails.
"""

import math
import sys
from pathlib import Path

import pandas as pd

import bayesmix as bm
from bayesmix.report import dynamics

title = "Digits by Bernoulli mixtures"


def digits(folder):
    """(binary images (n, pixels), digit (n,), (height, width)): 1797 of 8 x 8, or the first 5000 of MNIST's folder."""
    if folder is None:
        from sklearn.datasets import load_digits

        found = load_digits()
        return (found.data > 7).astype(float), found.target, (8, 8)
    files = [next(Path(folder).expanduser().glob(f"train-{part}*"), None) for part in ("images", "labels")]
    if None in files:
        raise bm.InputError(f"--mnist {folder}: expected train-images-idx3-ubyte and train-labels-idx1-ubyte there.")
    found = bm.read_data(files[0], label=str(files[1]))
    return (found.x[:5000] > 127).astype(float), found.label[:5000], (math.isqrt(found.d), math.isqrt(found.d))


mnist = globals().get("mnist")  # the option --mnist, None without it
x, digit, shape = digits(mnist)
three = digit < 3
names = tuple(f"p{i // shape[1]}.{i % shape[1]}" for i in range(x.shape[1]))
data = bm.Data(x[three], names=names)
family = bm.Bernoulli(prob=bm.Beta(1.5, 1.5))
model = bm.Mixture(family, 3, weight=bm.Dirichlet(2.0))
settings = {"engine": "em", "restarts": 20, "seed": 1, "em": {"keep_trace": True}}


def pictures(fit, caption):
    labels = [f"component {k}, {w:.0%}" for k, w in enumerate(fit.best["weight"])]
    images = dynamics.images(fit.best["prob"], shape, labels)
    return images, f"Mean images of {fit.mixture.components} components.", caption


def confusion(fit, truth):
    """(table of components x digits, share of rows whose component's commonest digit is theirs)."""
    table = pd.crosstab(pd.Series(fit.predict(), name="component"), pd.Series(truth, name="digit"))
    return table, table.max(axis=1).sum() / len(truth)


def story(em, mcmc, quick):
    hard = bm.fit_em(model, data, stiffness=math.inf, restarts=5 if quick else 20, seed=1)
    ten = bm.Mixture(family, 10, weight=bm.Dirichlet(2.0))
    ten = bm.fit_em(ten, bm.Data(x, names=names), seed=2, restarts=2 if quick else 50)
    best = em.optima[0].start
    (small, purity), (_, hard_purity) = confusion(em, digit[three]), confusion(hard, digit[three])
    large, ten_purity = confusion(ten, digit)
    owner = large.idxmax(axis=1)
    doubled = ", ".join(str(d) for d in range(10) if (owner == d).sum() > 1) or "none"
    missing = ", ".join(str(d) for d in range(10) if (owner == d).sum() == 0) or "none"
    lower = [f"{ten.log_posterior - mode.log_posterior:.1f}" for mode in ten.optima[1:4]]
    slider = (
        dynamics.frames(em, best, shape=shape),
        "Step of EM",
        "Three mean images on their way from grey to digits.",
        "The restart that reached the best optimum, from its start among the rows.",
    )
    curve = (
        dynamics.curves({"log posterior": em.runs[best].trace[:, 1]}, "iteration", "log posterior"),
        "Log posterior of that climb by iteration.",
        "The climb of the slider above.",
    )
    return [
        bm.section(
            "Three digits",
            f"{purity:.1%} of the rows have the digit of their component (hard assignment: {hard_purity:.1%}).",
            slides=[slider],
            figures=[pictures(em, "The probability of ink, pixel by pixel."), curve],
            tables=[(small, "Rows by component and digit.")],
        ),
        bm.section(
            "All ten digits",
            f"{ten_purity:.1%} of the rows have the commonest digit of their component. Digits with more than one "
            f"component: {doubled}; digits without a component of their own: {missing}.",
            f"{len(ten.runs)} restarts ended in {len(ten.optima)} different optima; the best was reached "
            f"{ten.optima[0].times_reached} time(s)" + f"; the next lie {', '.join(lower)} lower." * bool(lower),
            figures=[pictures(ten, "Ten components: some digits share one, some take two.")],
            tables=[(large, "Rows by component and digit.")],
        ),
    ]


if __name__ == "__main__":
    from bayesmix.cli import main

    raise SystemExit(main(["run", __file__, *sys.argv[1:]]))
