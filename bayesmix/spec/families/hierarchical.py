"""A family some of whose priors have unknown hyperparameters: `bm.Mixture` and the composites wrap it by themselves."""

from dataclasses import dataclass, replace
from functools import cached_property

from bayesmix.errors import InputError
from bayesmix.spec.families.base import Family
from bayesmix.spec.families.composite import Composite, Part
from bayesmix.spec.priors import unknown
from bayesmix.spec.priors.unknown import Given


def hierarchical(family):
    """The family with its unknown hyperparameters among its parameters; itself if it has none."""
    if isinstance(family, Composite) or not any(p.prior.unknown for p in family.parameters.values()):
        return family
    return Hierarchical(family)


@dataclass(frozen=True, eq=False, init=False)
class Hierarchical(Composite):
    """x | z = k has the member's density; hyperparameters of its priors are parameters too.

    A prior given as an argument of a prior makes that argument unknown (`spec/priors/unknown.py`). The field `var`
    under InverseGamma(2, Gamma(a, b)) adds the field `var_scale`, shared by the components, one for each feature.
    Given theta's hyperparameters everything is the member's own; the M-step and the Gibbs step then turn to the
    hyperparameters, given the fields. (ECM, Meng & Rubin 1993: each of the two raises the log posterior.)

    References: Richardson & Green (1997), JRSS B 59:731-792, section 2.2.
    """

    def __init__(self, member):
        member = member[0] if isinstance(member, list | tuple) else member
        object.__setattr__(self, "members", (member,))

    @property
    def inner(self):
        """The member, as the user wrote it."""
        return self.members[0]

    @cached_property
    def unknowns(self):
        """(name in theta, field, argument, Prior) of each unknown hyperparameter."""
        return tuple(
            (f"{name}_{argument}", name, argument, prior)
            for name, p in self.inner.parameters.items()
            for argument, prior in p.prior.unknown.items()
        )

    def at(self, theta):
        """The member at theta's hyperparameters."""
        values = {}
        for full, name, argument, _ in self.unknowns:
            values.setdefault(name, {})[argument] = theta[full]
        return replace(
            self.inner, **{name: self.inner.parameters[name].prior.knowing(given) for name, given in values.items()}
        )

    # ---- its parameters -----------------------------------------------------------------------

    @cached_property
    def parameters(self):
        """The member's parameters, each followed by its unknown hyperparameters."""
        out = {}
        for name, p in self.inner.parameters.items():
            mine = [(full, argument, prior) for full, field, argument, prior in self.unknowns if field == name]
            out[name] = p
            if mine:
                out[name] = replace(p, prior=Given(p.prior, {argument: full for full, argument, _ in mine}))
            for full, _, prior in mine:
                if full in self.inner.parameters or full == "weight":
                    raise InputError(f"{self.title}(...): the hyperparameter {full!r} has the name of a field.")
                out[full] = replace(
                    p, name=full, own=full, prior=prior, support=prior.support, shared=True, moves=False,
                    expectation=False,
                )  # fmt: skip
        return out

    def scope(self, name, theta):
        return theta

    log_prior = Family.log_prior
    draw_prior = Family.draw_prior

    # ---- what the member is -------------------------------------------------------------------

    @cached_property
    def parts(self):
        """The member, whose fields keep their names."""
        return (Part(self.inner, {name: name for name in self.inner.parameters}, ""),)

    @property
    def title(self):
        return self.inner.title

    @property
    def headline(self):
        return self.inner.headline

    @property
    def columns(self):
        """The number of columns that the member asks for."""
        return self.inner.columns

    @property
    def least_columns(self):
        """The smallest number of columns that makes sense."""
        return self.inner.least_columns

    @property
    def sizes(self):
        return self.inner.sizes

    @property
    def location(self):
        """The member's field that moves with x."""
        return self.inner.location

    @property
    def expectation(self):
        """The member's field that is E[x]."""
        return self.inner.expectation

    @property
    def independent(self):
        """Whether the member's features are independent."""
        return self.inner.independent

    @property
    def features(self):
        """Which features the compiled kernel builds itself."""
        return getattr(self.inner, "features", None)

    @property
    def discrete(self):
        """Whether the member takes whole numbers only."""
        return self.inner.discrete

    @property
    def alone(self):
        """Whether the member can stand alone."""
        return self.inner.alone

    def rebuilt(self, families):
        return Hierarchical(families[0])

    def full_name(self, part, name, clash):
        return name

    def resolved(self, theta):
        read = {name: p.prior for name, p in self.parameters.items() if isinstance(p.prior, Given)}
        return replace(self.inner, **read).resolved(self._own(theta))

    def assemble(self, xp, x, theta, reading):
        return reading(self.inner, x, self._own(theta))

    def dist(self, **theta):
        return self.inner.dist(**self._own(theta))

    def draw(self, z, rng, **theta):
        return self.inner.draw(z, rng, **self._own(theta))

    def mask(self, x, K):
        return self.inner.mask(x, K)

    def sufficient(self, x):
        return self.inner.sufficient(x)

    def base(self, x):
        return self.inner.base(x)

    def natural(self, xp, **theta):
        """The member's."""
        return self.inner.natural(xp, **self._own(theta))

    def shares(self, stats, theta):
        return [stats]

    def _own(self, theta):
        return {name: theta[name] for name in self.inner.parameters}

    # ---- its steps ----------------------------------------------------------------------------

    def mode(self, stats, **theta):
        """The member's M-step given the hyperparameters, then theirs given its fields."""
        return self._settled(theta | self.at(theta).mode(stats, **self._own(theta)))

    def update(self, x, r, theta):
        return self._settled(theta | self.at(theta).update(x, r, self._own(theta)))

    def update_missing(self, x, r, theta):
        return self._settled(theta | self.at(theta).update_missing(x, r, self._own(theta)))

    def _settled(self, theta):
        """theta with each hyperparameter at its conditional mode given the fields, in turn."""
        for full, name, argument, _ in self.unknowns:
            prior = self._knowing(name, argument, theta)
            theta = theta | {full: unknown.best(prior, argument, theta[name], theta[full])}
        return theta

    def conditional(self, stats, rng, **theta):
        """The member's Gibbs step given the hyperparameters, then theirs given its fields.

        With var_kj ~ InverseGamma(a, s_j) and s_j ~ Gamma(g, h), s_j | var ~ Gamma(g + K a, h + sum_k 1 / var_kj).
        """
        own = self.at(theta).conditional(stats, rng, **self._own(theta))
        return None if own is None else self.draw_unknowns(theta | own, rng)

    def draw_unknowns(self, theta, rng):
        """theta with each hyperparameter drawn given the fields, in turn; None where one is not conjugate."""
        for full, name, argument, _ in self.unknowns:
            new = unknown.draw(self._knowing(name, argument, theta), argument, theta[name], theta[full], rng)
            if new is None:
                return None
            theta = theta | {full: new}
        return theta

    def _knowing(self, name, argument, theta):
        """The prior of a field with all its hyperparameters but one as theta has them."""
        prior = self.inner.parameters[name].prior
        others = [u for u in self.unknowns if u[1] == name and u[2] != argument]
        return prior.knowing({other: theta[full] for full, _, other, _ in others})

    # ---- missing cells ------------------------------------------------------------------------

    def marginal(self, columns):
        return self.inner.marginal(columns)

    def restrict(self, theta, columns):
        return self.inner.restrict(self._own(theta), columns)

    def complete_stats(self, stats, seen, theta, variance=True):
        return self.inner.complete_stats(stats, seen, self._own(theta), variance)

    def expected_sufficient(self, theta):
        return self.inner.expected_sufficient(self._own(theta))

    def expected_row(self, theta):
        return self.inner.expected_row(self._own(theta))

    def fill(self, x, theta):
        return self.inner.fill(x, self._own(theta))

    def draw_missing(self, x, z, rng, theta):
        return self.inner.draw_missing(x, z, rng, self._own(theta))
