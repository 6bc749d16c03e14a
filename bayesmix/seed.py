"""The seed of a result: whole, recorded, never hidden."""

import numpy as np

from bayesmix.errors import InputError


def seed_of(where, seed):
    """The seed as an int; a fresh one where None was given, one drawn from it where a NumPy Generator was.

    `where` names the call in the error. Raises InputError for anything else but a whole number of at least 0.
    """
    if seed is None:
        return int(np.random.SeedSequence().entropy % 2**32)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**32))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"{where}(seed=...): expected a whole number of at least 0 or None, got {seed!r}.")
    return int(seed)


def generator(where, seed):
    """A NumPy Generator: the one that was given, or a new one from a seed; None draws a fresh seed.

    Raises InputError as `seed_of` does.
    """
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed_of(where, seed))
