"""Handwritten digits as a mixture of Bernoulli vectors: three digits, and all ten; soft and hard assignment.

    z_i ~ Categorical(w),   pixel_ij | z_i = k ~ Bernoulli(prob_kj) independently
    prob ~ Beta(1.5, 1.5),   w ~ Dirichlet(2)

Source: lecture notes, "Mixture of Bernoullis on MNIST"; Bishop (2006), section 9.3.3. The 8 x 8 digits that come with
scikit-learn are used, or the first 5000 of MNIST (five minutes), given the folder with its IDX files:

    bayesmix run models/bernoulli_digits.py --mnist FOLDER

What to look for: for the digits 0, 1 and 2 each component is one digit. For all ten, some digits share a component
and others take two, and restarts give different answers. The model is too simple: pixels are not independent.
"""

import math
from pathlib import Path

from sklearn.datasets import load_digits

import bayesmix as bm
from bayesmix.report import dynamics

title = "Digits by Bernoulli mixtures"


def digits(folder):
    """(binary images (n, pixels), digit (n,), (height, width)): 1797 of 8 x 8, or the first 5000 of MNIST's folder."""
    if folder is None:
        found = load_digits()
        return (found.data > 7).astype(float), found.target, (8, 8)
    files = [next(Path(folder).expanduser().glob(f"train-{part}*"), None) for part in ("images", "labels")]
    if None in files:
        raise bm.InputError(f"--mnist {folder}: expected train-images-idx3-ubyte and train-labels-idx1-ubyte there.")
    found = bm.read_data(files[0], label=str(files[1]))
    return (found.x[:5000] > 127).astype(float), found.label[:5000], (math.isqrt(found.d), math.isqrt(found.d))


x, digit, shape = digits(globals().get("mnist"))  # the option --mnist, None without it
three = digit < 3
data = bm.Data(x[three])
family = bm.Bernoulli(prob=bm.Beta(1.5, 1.5))
model = bm.Mixture(family, 3, weight=bm.Dirichlet(2.0))
ten_digits = bm.Mixture(family, 10, weight=bm.Dirichlet(2.0))
settings = {"engine": "em", "restarts": 20, "seed": 1, "em": {"keep_trace": True}}


def story(em, mcmc, quick):
    hard = bm.fit_em(model, data, stiffness=math.inf, restarts=5 if quick else 20, seed=1)
    soft, hard = bm.confusion(em, digit[three]), bm.confusion(hard, digit[three])
    steps = dynamics.frames(em, em.optima[0].start, shape=shape)
    yield bm.section(
        "Three digits",
        f"{soft.attrs['purity']:.1%} of the rows have their component's digit ({hard.attrs['purity']:.1%} by hard "
        "assignment).",
        (steps, "Step of EM", "The restart that reached the best optimum."),
        (dynamics.portraits(em, shape), "The probability of ink, pixel by pixel."),
        (dynamics.ascent(em), "The climb of the slider above."),
        (soft, "Rows by component and digit."),
    )
    ten = bm.fit_em(ten_digits, x, seed=2, restarts=2 if quick else 50)
    table = bm.confusion(ten, digit)
    several, none = (", ".join(map(str, table.attrs[which])) or "none" for which in ("several", "none"))
    yield bm.section(
        "All ten digits",
        f"{table.attrs['purity']:.1%} of the rows have the commonest digit of their component. Digits with more "
        f"than one component: {several}; digits without a component of their own: {none}.",
        bm.ends_in_words(ten),
        (dynamics.portraits(ten, shape), "The probability of ink in each of ten components."),
        (table, "Rows by component and digit."),
    )


if __name__ == "__main__":
    bm.run_script(__file__)
