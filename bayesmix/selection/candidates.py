"""What is compared: one specification at several K, or several specifications."""

from dataclasses import dataclass, replace

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.mixture import Mixture


@dataclass(frozen=True)
class Candidate:
    """One of the models that are compared. key: what its random numbers are drawn by, so that a candidate's results
    do not depend on which others there are. name: its line in the table, K or a text.
    """

    key: int
    name: int | str
    model: Mixture


def candidates_of(model, data, components=None):
    """The candidates, each resolved against the data: all are checked before anything is computed.

    Raises InputError if there are none or twins, or one does not fit the data; the sentence says which.
    """
    if isinstance(model, Mixture):
        counts = _counts(range(1, 7) if components is None else components)
        given = [(K, K, lambda K=K: at(model, K)) for K in counts]
        shared = set(model.family.parameters)
    else:
        given, shared = _listed(model, components), None
    out = []
    for key, name, build in given:
        said = f"{name} components" if shared is not None else repr(name)
        try:
            out.append(Candidate(key, name, build().resolve(data)))
        except InputError as error:
            raise InputError(f"select(): the candidate with {said} is not possible: {error}") from None
        except (ValueError, IndexError) as error:
            raise InputError(
                f"select(): the candidate with {said} is not possible ({error}); give priors that hold for any number "
                "of components: one number per feature, not one per component."
            ) from None
    return tuple(out)


def at(model, components):
    """The same specification with another number of components; a single one has no order and no least weight."""
    if model.family.count not in (None, components):
        raise InputError(
            f"the family itself has {model.family.count} components; give a list of models instead, as in "
            "bm.select([model_a, model_b], data)."
        )
    if model.classes is not None and components != model.components:
        raise InputError("the model ties components to classes; give a list of models, each with its own classes.")
    constraints = model.constraints if components > 1 else ()
    return replace(model, components=components, constraints=constraints)


def _counts(components):
    try:
        counts = [components] if isinstance(components, int | np.integer) else list(components)
    except TypeError:
        counts = [None]
    bad = [K for K in counts if isinstance(K, bool) or not isinstance(K, int | np.integer) or K < 1]
    if bad or not counts:
        raise InputError(
            "select(components=...): expected whole numbers of at least 1, such as range(1, 7), "
            f"got {bad[0] if bad else components!r}."
        )
    if len(set(counts)) < len(counts):
        raise InputError(f"select(components={counts}): a number stands there twice.")
    return sorted(int(K) for K in counts)


def _listed(models, components):
    if components is not None:
        raise InputError("select([model, ...], components=...): models in a list have their own; leave components out.")
    pairs = list(models.items()) if isinstance(models, dict) else None
    if pairs is None:
        try:
            pairs = [(None, m) for m in models]
        except TypeError:
            pairs = [(None, models)]
    for _, m in pairs:
        if not isinstance(m, Mixture):
            raise InputError(f"select(model): expected a bm.Mixture, or a list or dict of them, got {m!r}.")
    if not pairs:
        raise InputError("select([]): there is no model to choose from.")
    names = [str(name) if name is not None else f"{chr(65 + i % 26)}: {said(m)}" for i, (name, m) in enumerate(pairs)]
    if len(set(names)) < len(names):
        raise InputError(f"select(models): two candidates have one name among {names}; give a dict of names.")
    return [(i + 1, name, lambda m=m: m) for i, (name, (_, m)) in enumerate(zip(names, pairs, strict=True))]


def said(model):
    """A model in a few words."""
    which = [w for w in ("shared", "isotropic") if any(getattr(p, w, False) for p in model.family.parameters.values())]
    constraints = [type(c).__name__ for c in model.constraints]
    return ", ".join([type(model.family).__name__, *which, f"K = {model.components}", *constraints])
