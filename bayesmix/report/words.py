"""A model, its data and a fit in words, and tables ready to print: no figure, no HTML."""

import re
from dataclasses import dataclass

import numpy as np

from bayesmix.spec.families.composite import Composite
from bayesmix.spec.priors import Fixed, Flat

LEVELS = {
    "sound": "good",
    "label switching": "note",
    "undecided": "warning",
    "not converged": "problem",
    "several modes": "problem",
    "degenerate": "problem",
}
EM_ALONE = "EM alone gives a point: only MCMC can say how uncertain it is."


def number(value, digits=4):
    """A number as text with about `digits` significant digits; "–" where there is none."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if not isinstance(value, float | np.floating):
        return str(value)
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size != 0 and (size < 1e-3 or size >= 1e6):
        text = f"{value:.{max(digits - 2, 1)}e}"
    else:
        decimals = digits - 1 - int(np.floor(np.log10(size))) if size > 0 else digits - 1
        text = f"{value:.{min(max(decimals, 2 if size >= 100 else 0), 6)}f}"
    return text.replace("-", "−")


def advice(diagnosis):
    """What to do next, as a list of sentences; never empty."""
    lines = [line.strip() for line in diagnosis.advice.splitlines() if line.strip()]
    return lines or ["nothing; the numbers can be used."]


@dataclass(frozen=True)
class Table:
    """Columns and rows of text; `left` lists the columns that hold words."""

    head: tuple
    rows: tuple
    left: tuple = (0,)
    caption: str = ""


def frame_table(frame, index="", caption="", digits=4):
    """A DataFrame as a Table, its index first."""
    text = [frame[c].dtype.kind not in "biuf" and not _numeric(frame[c]) for c in frame.columns]
    index = index or str(frame.index.name or "")
    words = frame.index.dtype.kind not in "biuf"
    rows = tuple((str(i), *_cells(row, text, digits)) for i, row in zip(frame.index, _rows(frame), strict=True))
    left = tuple(j + 1 for j, t in enumerate(text) if t) + ((0,) if words else ())
    return Table((index, *(str(c).replace("_", " ") for c in frame.columns)), rows, left, caption)


def _cells(row, text, digits):
    """A line of numbers, with the sign of a minus, and words."""
    for value, words in zip(row, text, strict=True):
        yield number(value, digits) if words else number(value, digits).replace("-", "−")


def _numeric(column):
    """Whether a column of text holds nothing but numbers as `number` writes them."""
    return all(re.fullmatch(r"[-−+\d.e]+( %)?|–|−?∞", str(value)) for value in column)


def _rows(frame):
    """Row tuples that keep every column's own type."""
    return zip(*(frame[c].tolist() for c in frame.columns), strict=True) if len(frame.columns) else ()


def mode_table(fit):
    """The EM census as a Table."""
    return frame_table(census(fit), "optimum")


def census(fit):
    """The EM census as a DataFrame whose log posteriors show their differences."""
    frame = fit.modes.copy()
    for name in {"objective", "log_posterior", "log_likelihood", "log_mass"} & set(frame):
        frame[name] = [f"{v:.3f}".replace("-", "−") if np.isfinite(v) else number(v) for v in frame[name]]
    frame["definite"] = [number(bool(v)) if np.isfinite(g) else "–" for v, g in
                         zip(frame["definite"], frame["gradient_norm"], strict=True)]  # fmt: skip
    frame["share"] = [f"{100 * v:.0f} %" for v in frame["share"]]
    frame["gradient_norm"] = [number(v, 2) for v in frame["gradient_norm"]]
    return frame.rename(columns={"times_reached": "reached", "gradient_norm": "gradient"})


def ranked_by(fit):
    """What the fit's optima are ranked by, and its value at each."""
    climbed = getattr(fit, "_objectives", None)
    if climbed is None:
        return "log posterior", [mode.log_posterior for mode in fit.optima]
    return "objective", climbed


def comparison_table(table):
    """`bm.compare`'s table as a Table."""
    shown = table.copy()
    if "percentile" in shown:
        shown["percentile"] = [f"{v:.0f} %" for v in shown["percentile"]]
    if "z" in shown:
        shown["z"] = [f"{v:.2f}".replace("-", "−") for v in shown["z"]]
    return frame_table(shown, "parameter")


def comparison_sentences(table):
    """What the attributes of `bm.compare`'s table say, one sentence each."""
    known, out = table.attrs, []
    if "log_posterior_gap" in known:
        gap = known["log_posterior_gap"]
        side = "below" if known.get("em_failed", gap < 0) else "above"
        mean = known.get("log_posterior_gap_mean")
        rest = "" if mean is None else f" and {number(mean, 3)} above the average draw"
        failed = "; EM failed to find the top" if side == "below" else ""
        out.append(f"The MAP lies {number(abs(gap), 3)} {side} the best draw{rest}, in units of log posterior{failed}.")
    if "classification_agreement" in known:
        n = known.get("n")
        rows = "" if n is None else f" of {n}"
        out.append(f"EM and MCMC put {100 * known['classification_agreement']:.1f} %{rows} rows into the same class.")
    if "adjusted_rand" in known:
        moved, count = known.get("moved", ()), known["rows_moved"]
        which = f": {', '.join(map(str, moved))}{', ...' if count > len(moved) else ''}" if moved else ""
        out.append(
            f"{count} row{'s' * (count != 1)} change{'s' * (count == 1)} class{which} (adjusted Rand index "
            f"{known['adjusted_rand']:.3f}); EM is over-confident, above 95 % where the posterior says less than 80 %, "
            f"of {known['overconfident']}."
        )
    if np.isfinite(known.get("spread_least", np.nan)):
        out.append(
            f"Posterior standard deviations are {number(known['spread_least'], 3)} to "
            f"{number(known['spread_most'], 3)} times those of Laplace's approximation at the MAP, over all directions."
        )
    if "density_gap" in known:
        out.append(
            f"The log densities of the rows under the two differ by {number(known['density_gap'], 3)} on average "
            f"(MAP minus posterior: {number(known['density_kl'], 3)})."
        )
    return out


def comparison_names(table):
    """What the columns mean."""
    return (
        "z is (MAP − mean) / sd; percentile is the share of posterior draws below the MAP. "
        f"Intervals are equal-tailed{' (5 % to 95 %)' if '5%' in table else ''}."
    )


def model_sentences(fit):
    """The model in words."""
    model, data = fit.mixture, fit.data
    family, K = model.family, model.components
    many = f"one of {K} components" if K > 1 else "a single component"
    out = [
        f"Each row comes from {many} of the family {family.title}"
        + (f": {family.headline}" if family.headline else ".")
    ]
    out += _members(model.family, data.names, "")
    if model.classes is not None:
        pairs = ", ".join(f"{k} is in class {c}" for k, c in enumerate(model.classes))
        out.append(f"Components share classes: component {pairs}.")
    ways = {
        "transform": "exactly, by construction",
        "potential": "by a hard potential",
        "soft": "softly, by a smooth wall, which is another posterior",
    }
    for c in model.constraints:
        names = dict(enumerate(data.names[j] for j in model.parameters[c.field].features(data.d)))
        by = getattr(c, "by", None)
        coordinate = c.field if by is None else f"{c.field}[{names.get(by, by)}]"
        what = {
            "Order": f"{coordinate} increases from component to component",
            "MinWeight": f"every weight is at least {getattr(c, 'floor', 0):g}",
        }.get(type(c).__name__, repr(c))
        out.append(f"Constraint: {what} (enforced {ways.get(c.enforce, c.enforce)}).")
    out.append(f"There are {fit.df} free parameters.")
    out += [str(note) for note in fit.settings.get("notes") or ()]
    return out


def _members(family, names, where):
    """One sentence for each member of a composite family, inner ones after outer ones."""
    out = []
    for part in family.parts if isinstance(family, Composite) else ():
        place = where
        if part.owners is not None:
            first, last = part.owners[0], part.owners[-1]
            place = f"component {first}" if first == last else f"components {first} to {last}"
        inner = names if part.columns is None else [names[j] for j in part.columns]
        if part.columns is not None:
            shown = ", ".join(inner[:6]) + (", ..." if len(inner) > 6 else "")
            place = f"{place}, columns {shown}" if place else f"columns {shown}"
        doc = (type(part.family).__doc__ or "").strip().splitlines()
        if place and not isinstance(part.family, Composite):
            out.append(f"{place[0].upper()}{place[1:]}: {type(part.family).__name__}" + (f", {doc[0]}" if doc else "."))
        out += _members(part.family, inner, place)
    return out


def prior_text(prior):
    """A prior as one would type it: without the blanks and dots that NumPy aligns its arrays with."""
    text = re.sub(r"(\d)\.(?=[],\s])", r"\1", " ".join(repr(prior).split()))
    return re.sub(r"\[ +", "[", re.sub(r" +(?=[],])", "", text))


def prior_table(fit):
    """One line for each field: prior, shape, free parameters."""
    rows = []
    for name, p in fit.mixture.parameters.items():
        shape = fit.mixture.field_shape(name, fit.data.d)
        free = 0 if fit.mixture.is_constant(name) else int(np.prod(p.support.free(shape)))
        what = "known constant" if isinstance(p.prior, Fixed) else str(p.support)
        if isinstance(p.prior, Flat):
            what += ", flat"
        prior = "Flat()" if isinstance(p.prior, Flat) else prior_text(p.prior)
        rows.append((name, prior, " × ".join(map(str, shape)), what, str(free)))
    return Table(("field", "prior", "shape", "values", "free"), tuple(rows), (0, 1, 3))


def data_sentences(data):
    """The data in words."""
    rows = "1 row" if data.n == 1 else f"{data.n} rows"
    features = "1 feature" if data.d == 1 else f"{data.d} features"
    out = [f"{rows}, {features}."]
    kind = data.kind_of_labels
    if kind in ("some", "all"):
        count = int((data.label >= 0).sum())
        names = f" ({', '.join(data.classes)})" if data.classes else ""
        out.append(f"{count} of {data.n} rows are labelled{names}.")
    else:
        out.append({"none": "No row is labelled.", "soft": "Labels are probabilities."}[kind])
    if data.missing:
        gaps = np.isnan(data.x)
        cells = f"{gaps.sum()} of {gaps.size} cells ({gaps.mean():.1%})"
        out.append(f"{cells} are missing, in {gaps.any(axis=1).sum()} rows.")
    if data.weight is not None:
        out.append(f"Rows are weighted; the weights sum to {number(float(data.weight.sum()))}.")
    return out


def data_table(data):
    """One line for each feature: mean, sd, quantiles."""
    rows = []
    for j, name in enumerate(data.names[:50]):
        x = data.x[~np.isnan(data.x[:, j]), j]
        low, q1, median, q3, high = np.quantile(x, [0, 0.25, 0.5, 0.75, 1])
        values = (x.mean(), x.std(ddof=1) if len(x) > 1 else np.nan, low, q1, median, q3, high)
        rows.append((name, *(number(float(v)) for v in values)))
    caption = f"The first 50 of {data.d} features." if data.d > 50 else ""
    return Table(("feature", "mean", "sd", "min", "25 %", "median", "75 %", "max"), tuple(rows), (0,), caption)


def settings_table(*fits):
    """How each fit was made."""
    rows = []
    for fit in fits:
        for name, value in fit.settings.items():
            if name in ("notes", "em", "start_theta", "failed_chains") or value is None:
                continue
            rows.append((fit.engine.upper(), name.replace("_", " "), _plain(value)))
    return Table(("engine", "setting", "value"), tuple(rows), (0, 1, 2))


def _plain(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 6)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def recipe(em, mcmc, file="fit.nc"):
    """Python that repeats the fits from the saved file, seeds included."""
    lines = ["import bayesmix as bm", "", f'old = bm.load("{file}")']
    if em is not None:
        s = em.settings
        start = f', start="{s["start"]}"' if s.get("start") not in (None, "kmeans++", "given") else ""
        call = f"restarts={s.get('restarts')}{start}, seed={s.get('seed')}"
        lines.append(f"em = bm.fit_em(old.mixture, old.data, {call})")
    if mcmc is not None:
        s = mcmc.settings
        names = ("draws", "tune", "chains", "sampler", "target_accept", "seed")
        given = ", ".join(f"{n}={s[n]!r}" for n in names if s.get(n) is not None)
        start = ', start="prior"' if s.get("start") == "prior" else ", start=em" if em is not None else ""
        lines.append(f"mcmc = bm.fit_mcmc(old.mixture, old.data, {given}{start})")
    return "\n".join(lines)
