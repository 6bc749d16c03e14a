"""Models written on the command line: `--family "Gaussian(shared=True)"`, `--prior "mean=Normal(0, 10)"`.

The texts are read as Python expressions, but never run: only names of families and priors, numbers, words and lists.
"""

import ast
import inspect

from bayesmix.errors import InputError
from bayesmix.spec.constraints import MinWeight, Order
from bayesmix.spec.families import Components, Family, Product
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.priors import Dirichlet, FromData, Prior
from bayesmix.spec.priors.unknown import Given


def build_model(family, components, orders=(), min_weight=None, enforce="transform", priors=()):
    """The Mixture that `bayesmix fit`'s options describe; priors that are not given are left to their defaults.

    family: a family's name, an expression such as `Gaussian(shared=True)`, or families by column, such as
        `height=Gaussian, visits=Poisson` or `height+weight=MvGaussian, visits=Poisson`.
    orders: texts FIELD or FIELD:FEATURE (FIELD:FEATURE:CATEGORY for the probabilities of a categorical feature).
    priors: texts FIELD=PRIOR, such as `mean=Normal(0, 10)`, `height.mean=Normal(170, 20)`, `weight=Dirichlet(2)`.

    Raises:
        InputError: a sentence that names the option.
    """
    given = {}
    for field, prior in map(_prior, priors):
        if field in given:
            raise InputError(f"--prior {field}=...: the prior of {field} is given twice; drop one of them.")
        given[field] = prior
    weight = given.pop("weight", Dirichlet(1.0))
    constraints = [_order(text, enforce) for text in orders]
    if min_weight is not None:
        constraints.append(MinWeight(min_weight, enforce=enforce))
    return Mixture(_family(family, given), components, weight=weight, constraints=tuple(constraints))


def columns_of(family):
    """The columns that a Product names, in its order; None for any other family, or where it counts them."""
    columns = [c for _, _, own in family.members for c in own] if isinstance(family, Product) else [0]
    return columns if all(isinstance(c, str) for c in columns) else None


def finals(base):
    """Every concrete class below `base` that a user may name, by name."""
    found, queue = {}, [base]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        inner = cls in (FromData, Given) or cls.__name__.startswith("_")
        if not inner and not getattr(cls, "__abstractmethods__", None):
            found[cls.__name__] = cls
    return [found[name] for name in sorted(found)]


def _order(text, enforce):
    field, _, by = text.partition(":")
    by, _, category = by.rpartition(":") if by.rpartition(":")[2].isdecimal() and ":" in by else (by, "", "")
    return Order(field, by=(by, int(category)) if category else by or None, enforce=enforce)


def _prior(text):
    """(field, Prior) of FIELD=PRIOR."""
    field, equals, value = text.partition("=")
    where = f"--prior {text!r}"
    if not equals or not field.strip():
        raise InputError(f'{where}: expected FIELD=PRIOR, as in --prior "mean=Normal(0, 10)".')
    prior = _value(_parse(value, where), where, "prior", finals(Prior))
    if not isinstance(prior, Prior):
        raise InputError(
            f"{where}: expected a prior, got {value.strip()}; write Fixed({value.strip()}) for a constant."
        )
    return field.strip(), prior


def _family(text, priors):
    """The family of the text, with its priors."""
    where = f"--family {text!r}"
    pieces = [_cut(piece, "=") for piece in _cut(text, ",")]
    if all(len(piece) == 1 for piece in pieces):
        return _member(text, priors, where)
    parts, left = {}, dict(priors)
    for piece in pieces:
        if len(piece) != 2 or not all(piece):
            raise InputError(
                f'{where}: expected COLUMN=FAMILY for every part, as in "height=Gaussian, visits=Poisson".'
            )
        columns = [column.strip() for column in piece[0].split("+")]
        name = "_".join(columns)
        own = {field.removeprefix(f"{name}."): left.pop(field) for field in priors if field.startswith(f"{name}.")}
        if name in parts:
            raise InputError(f"{where}: the column {piece[0]!r} is named twice; give each column to one part.")
        parts[name] = (_member(piece[1], own, where, f"{name}."), columns)
    if left:
        known = ", ".join(Mixture(Product(**parts), 2).parameters)
        raise InputError(f"--prior {next(iter(left))}=...: there is no such parameter; there are {known}.")
    return Product(**parts)


def _member(text, priors, where, prefix=""):
    """One family: a name or a call, whose arguments the priors join."""
    node, known = _parse(text, where), finals(Family)
    call = node if isinstance(node, ast.Call) else None
    cls = _class(call.func if call else node, where, "family", known)
    if priors and cls in (Product, Components):
        raise InputError(
            f"--prior {next(iter(priors))}=...: write the priors of {cls.__name__} into --family, as in "
            '--family "Components((MvGaussian(), 3), Gaussian(mean=Normal(0, 10)))".'
        )
    wanted = list(inspect.signature(cls).parameters)
    for field in priors:
        if field not in wanted:
            fields = ", ".join(
                f"{prefix}{name}" for name in ("weight", *cls.__dataclass_fields__) if _is_field(cls, name)
            )
            raise InputError(f"--prior {prefix}{field}=...: {cls.__name__} has no such parameter; there are {fields}.")
    return _made(cls, call, where, [*known, *finals(Prior)], priors)


def _is_field(cls, name):
    return name == "weight" or "support" in cls.__dataclass_fields__[name].metadata


def _parse(text, where):
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise InputError(f"{where}: it cannot be read; write it like Python, as in Normal(0, 10).") from None


def _value(node, where, kind, known):
    """What a node says: a number, a word, a list, or an instance of one of the known classes."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=parts):
            return [_value(part, where, kind, known) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part, where, kind, known) for part in parts)
        case ast.Call(func=func):
            return _made(_class(func, where, kind, known), node, where, known)
        case ast.Name():
            return _made(_class(node, where, kind, known), None, where, known)
    raise InputError(
        f"{where}: `{ast.unparse(node)}` is not allowed there; use names of families and priors, numbers and lists."
    )


def _class(node, where, kind, known):
    """The class of this name, whatever its case."""
    name = node.id if isinstance(node, ast.Name) else ast.unparse(node)
    for cls in known:
        if cls.__name__.lower() == name.lower():
            return cls
    names = ", ".join(cls.__name__ for cls in known)
    raise InputError(f"{where}: there is no such {kind} as {name}; choose one of {names}, or --import its module.")


def _made(cls, call, where, known, more=()):
    """An instance: the call's arguments, and `more` by name."""
    kind = "prior" if issubclass(cls, Prior) else "family"
    args = [_value(a, where, kind, known) for a in call.args] if call else []
    named = {k.arg: _value(k.value, where, kind, known) for k in call.keywords} if call else {}
    twice = next((name for name in named if name in dict(more)), None)
    if twice:
        raise InputError(f"{where}: the prior of {twice} is given there and by --prior; drop one of them.")
    try:
        inspect.signature(cls).bind(*args, **named, **dict(more))
    except TypeError as error:
        raise InputError(f"{where}: {cls.__name__}{_signature(cls)}: {error}.") from None
    try:
        return cls(*args, **named, **dict(more))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _cut(text, at):
    """The pieces of a text between the marks `at` that stand outside all brackets and quotes."""
    pieces, depth, quote = [""], 0, ""
    for c in text:
        quote = "" if c == quote else quote or (c if c in "\"'" else "")
        depth += 0 if quote else (c in "([{") - (c in ")]}")
        if c == at and depth == 0 and not quote:
            pieces.append("")
        else:
            pieces[-1] += c
    return [piece.strip() for piece in pieces]


def _signature(cls):
    return f"({', '.join(str(p).split(':')[0] for p in inspect.signature(cls).parameters.values())})"
