"""How far two relabellings agree."""

import numpy as np


def agreement(first, second):
    """The share of draws that two permutations (T, K) relabel alike, up to one renaming of all components.

    first[t, k] = second[t, g(k)] with the g that holds for most draws.
    """
    back = np.argsort(second, axis=1)
    renaming = np.take_along_axis(back, first, axis=1)
    counts = np.unique(renaming, axis=0, return_counts=True)[1]
    return float(counts.max() / len(first))
