"""What every prior is, and how its hyperparameters are read.

Hyperparameters broadcast to the full shape of the field, (K,) or (K, d) or (K, d, d), by NumPy's
rules: a (d,) array is per feature, a (K, 1) array per component; at d = 1 a (K,) array is per component.
Each is cast to float64 once, here: PyTensor stores the literal 10 as int8 and 10.0 as float32.
A positive hyperparameter may itself be a Prior: then it is unknown, and a parameter like the others (`unknown.py`).

A prior may name the kernel in which it is conjugate, log p(v) = sum_j a_j t_j(v) + const:

    kernel             log p(v) up to a constant                 `conjugate` returns
    "normal"           -t v^2 / 2 + s v                          (t, s)
    "inverse gamma"    -a log v - b / v                          (a, b)
    "scale"            -a log v - b / v^2 - c v^2                (a, b, c)
    "gamma"            a log v - b v                             (a, b)
    "beta"             a log v + b log(1 - v)                    (a, b)
    "dirichlet"        sum_k a_k log v_k                         (a,)
    "inverse wishart"  -(a/2) log|V| - tr(S V^-1) / 2            (a, S)

M-steps and Gibbs steps add these numbers to the statistics of the data; a prior without them is
maximised numerically instead.
"""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass, field, fields

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec import supports

LOG_2PI = float(np.log(2 * np.pi))
KERNELS = {
    "normal": 2,
    "inverse gamma": 2,
    "scale": 3,
    "gamma": 2,
    "beta": 2,
    "dirichlet": 1,
    "inverse wishart": 2,
}


@dataclass(frozen=True, eq=False)
class Prior(ABC):
    """What is believed of one parameter before the data: a density in its natural coordinate."""

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Prior) and not f.metadata.get("plain"):
                _check_unknown(self, f, value)
            elif not f.metadata.get("plain") and value is not None:
                value = as_hyper(f"{type(self).__name__}({f.name}=...)", value, f.metadata.get("positive", False))
                object.__setattr__(self, f.name, value)

    support = supports.real  # where the value lives
    reads_scale = False  # True if the density also depends on the family's scale field

    @abstractmethod
    def logp(self, value, theta):
        """Log density of each event of `value` (components first), all constants kept."""

    @abstractmethod
    def rv(self, name, theta, dims):
        """The PyMC random variable of this name and these dims, inside a model context."""

    @abstractmethod
    def draw(self, rng, shape, theta):
        """One draw of the whole field, an array of this shape."""

    @property
    def bounded(self):
        """Whether the density is bounded above (False: the log posterior may have no maximum)."""
        return True

    @property
    def vanishes_at_zero(self):
        """Whether it falls faster than any power at 0, and so keeps a scale from collapsing."""
        return False

    @property
    def turn(self):
        """When it is drawn: 0 if it reads no other field, 1 if hyperparameters alone, 2 if others."""
        return 2 if self.reads_scale else 0

    @property
    def interval(self):
        """The hard bounds (lower, upper) inside the support, infinite when there are none."""
        return -np.inf, np.inf

    def conjugate(self, kernel, shape):
        """Natural parameters in the named kernel for a field of this shape, or None."""
        return None

    @property
    def unknown(self):
        """The hyperparameters that are themselves unknown: argument -> its Prior."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if isinstance(getattr(self, f.name), Prior) and not f.metadata.get("plain")
        }

    def knowing(self, values):
        """The same prior at these values of hyperparameters, arrays or PyTensor variables, taken as they are."""
        out = copy(self)
        for argument, value in values.items():
            object.__setattr__(out, argument, value)
        return out

    def likelihood(self, argument, value):
        """log p(value) as a function of a hyperparameter: (kernel, its natural parameters for each entry), or None."""
        return None

    def shifted(self, by):
        """The same belief about value + by ((d,), or (K, d)), or None if that is not expressible."""
        return None

    def __repr__(self):
        shown = ", ".join(f"{f.name}={_show(getattr(self, f.name))}" for f in fields(self) if f.repr)
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other):
        return type(self) is type(other) and all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        )

    def __hash__(self):
        return hash(repr(self))


def hyper(default=..., positive=False, known=False):
    """A hyperparameter: a number or an array, cast to float64; a positive one may be a Prior unless it is `known`."""
    metadata = {"positive": positive, "known": known or not positive}
    return field(metadata=metadata) if default is ... else field(default=default, metadata=metadata)


def as_hyper(argument, value, positive):
    """A hyperparameter as a read-only float64 array. Raises InputError, naming the argument, if it cannot be one."""
    try:
        value = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{argument}: expected a number or an array of numbers, got {value!r}.") from None
    if not np.isfinite(value).all():
        raise InputError(f"{argument}: expected finite numbers, got {value.tolist()}.")
    if positive and not (value > 0).all():
        raise InputError(f"{argument}: expected positive numbers, got {value.tolist()}.")
    value.flags.writeable = False
    return value


def _check_unknown(prior, argument, value):
    """Raise InputError where a Prior cannot stand for this hyperparameter."""
    where = f"{type(prior).__name__}({argument.name}={value!r})"
    if argument.metadata.get("known", True) or prior.support.event_ndim:
        raise InputError(
            f"{where}: only a positive hyperparameter of a prior on single numbers may be unknown, such as the scale "
            f"of bm.InverseGamma or the sd of bm.Normal; give numbers for `{argument.name}`."
        )
    improper = type(value).__name__ == "Flat"
    if improper or value.support is not supports.positive or value.reads_scale or value.unknown:
        raise InputError(
            f"{where}: expected a proper prior on positive values whose own hyperparameters are numbers, such as "
            "bm.Gamma(2.0, 1.0)."
        )


def spread(hyper, shape):
    """The hyperparameter broadcast to the full shape of its field (rule at the top of this file)."""
    if hasattr(hyper, "owner"):  # a PyTensor variable, of the field's number of axes
        return hyper + np.zeros(shape)
    hyper = np.asarray(hyper, dtype=np.float64)
    if len(shape) == 2 and shape[1] == 1 and hyper.ndim == 1 and hyper.shape[0] == shape[0]:
        hyper = hyper[:, None]
    try:
        return np.broadcast_to(hyper, shape)
    except ValueError:
        raise InputError(
            f"a prior's array of shape {hyper.shape} does not broadcast to the parameter's shape {tuple(shape)} "
            "(components first): give a number, one value per feature (d,), or one per component (K, 1)."
        ) from None


def dim_shape(dims):
    """The shape that these dims have in the PyMC model now being built."""
    import pymc as pm

    model = pm.modelcontext(None)
    return tuple(len(model.coords[dim]) for dim in dims)


def plus(value, by):
    """A hyperparameter moved by (d,), or by (K, d), one step per component."""
    return (spread(value, by.shape) if by.ndim == 2 else value) + by


def xlogy(a, v):
    """a log v with 0 log 0 = 0 and no warning at the edge."""
    with np.errstate(divide="ignore"):
        return np.where(a == 0, 0.0, a * np.log(np.where((a == 0) & (v == 0), 1.0, v)))


def _show(value):
    if not isinstance(value, np.ndarray):
        return repr(value)
    return np.array2string(value, separator=", ", precision=6) if value.ndim else f"{value:.6g}"


def _same(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b
