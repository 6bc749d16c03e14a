"""The sections of a fit: its optima, its components, its rows and the data it expects."""

import numpy as np

from bayesmix.report import dynamics, plots, words
from bayesmix.report.data_plots import drawn_features
from bayesmix.report.density_plots import contourable, contours
from bayesmix.report.features import telling
from bayesmix.report.parts import Section, picture, slides
from bayesmix.report.projection import projectable
from bayesmix.report.row_plots import PAIRS
from bayesmix.report.words import Table, frame_table, number

UNSURE = 4000  # rows up to which the interval of every row's probability is taken


def optima(census, matching=None):
    """The optima: the census, how the restarts climbed, one climb step by step, and the map with the chains on it."""
    frame, runs = census.modes, census.runs
    best, many = census.optima[0], len(census.optima)
    what, values = words.ranked_by(census)
    optima = "optima" if many > 1 else "optimum"
    text = [
        f"{len(runs)} restart{'s' * (len(runs) > 1)} ended in {many} distinct {optima}, "
        f"relabelled copies counted as one; {best.times_reached} reached the best, "
        f"{what} {values[0]:.4f}.".replace("-", "−")
    ]
    if what == "objective":
        text.append("EM climbed at another stiffness than 1: the optima are ranked by the objective that it climbed.")
    lost = sorted({r.status for r in runs} - {"converged"})
    text += [f"{sum(r.status == s for r in runs)} restart(s) ended as “{s}”." for s in lost]
    if many > 1:
        text += [f"Optimum {m}: {mode.differs}." for m, mode in enumerate(census.optima[:8]) if m > 0]
    reasons = {}
    for m, o in enumerate(census.optima):
        if o.reason:
            reasons.setdefault(o.reason, []).append(m)
    reasons = [f"{_which(found)} no Laplace mass: {reason}." for reason, found in reasons.items()]
    table = words.mode_table(census)
    drop = table.head.index("differs")
    short = Table(
        tuple(h for i, h in enumerate(table.head) if i != drop),
        tuple(tuple(c for i, c in enumerate(row) if i != drop) for row in table.rows),
        (table.head.index("kind"),),
    )
    pictures = [*_climbs(census), *_map(census, matching)]
    folded = (("All optima", short),) if len(frame) > 12 else ()
    tables = () if folded else (short,)
    return Section("optima", "The optima", text + reasons[:8], tuple(pictures), tables, folded)


def _which(found):
    """The subject of a sentence about these optima, with its verb."""
    if len(found) == 1:
        return f"Optimum {found[0]} has"
    return f"Optima {', '.join(map(str, found[:12]))}{', ...' if len(found) > 12 else ''} have"


def _climbs(census):
    """Every restart's way up, and the best one's step by step where it was kept."""
    runs = census.runs
    if not runs:
        return
    if plots.climbed(census):
        yield picture(
            plots.em_traces(census),
            f"Gap to the best log posterior against iteration for {len(runs)} EM restarts, by optimum.",
            "How far below the best each restart was, iteration by iteration (log scale). "
            "A line ends where its restart stopped or came within rounding of the best.",
        )
    start = census.optima[0].start
    if start >= 0 and dynamics.kept(census, start):
        yield slides(
            dynamics.frames(census, start),
            "Step of EM",
            f"The data and the components on restart {start}'s way to the best optimum.",
            f"Restart {start} on its way to the best optimum: move the slider, or use the arrow keys.",
        )


def _map(census, matching):
    """The mode map, where there is more than one optimum to place."""
    found = census.optima if matching is None else matching.optima
    if sum(np.isfinite(mode.log_posterior) for mode in found) < 2:
        return
    yield picture(
        plots.mode_map(census, found, None if matching is None else matching.occupancy),
        f"Map of {len(found)} optima: log posterior below the best against the share of rows placed differently.",
        "Each disc is an optimum, larger where more restarts ended there, a ring where only chains were. Down: lower "
        "log posterior. Right: more rows in another component than at the best optimum."
        + ("" if matching is None else " Below: the chains whose draws climb to each."),
    )


def components(em, mcmc, fit):
    """The fitted components over the data, and their parameters."""
    summary = (em if em is not None else mcmc).summary()
    text = ["The table gives each parameter " + ("at the MAP." if em is not None else "under the posterior.")]
    table = frame_table(summary, "parameter")
    short = len(summary) <= 20
    point = em if em is not None else mcmc
    shown = [fit.data.names[j] for j in drawn_features(point)]
    alt = (
        f"The {fit.data.n} rows in {', '.join(shown)}, coloured by component, "
        f"with the {fit.mixture.components} fitted components drawn over them."
    )
    caption = "The data, coloured by the probability of each component, and the fitted components."
    if len(shown) < fit.data.d:
        caption += f" Of the {fit.data.d} features only those by which the classes differ most are shown."
    pictures = [picture(plots.scatter(em, mcmc), alt, caption, "png")]
    if mcmc is not None and contourable(point):
        pictures.append(
            picture(
                contours(point, mcmc),
                f"Contours of the density of {' and '.join(fit.data.names)} with a band about each.",
                "The smallest regions that hold 50 % and 90 % of the fitted density. A point of the band is within its "
                "region in 5 % to 95 % of the posterior draws: the wider the band, the less is known of the density.",
                "png",
            )
        )
    if projectable(point):
        pictures.append(
            picture(
                plots.discriminant(point),
                f"The rows projected to where the {len(fit.class_names)} classes differ most, coloured by class.",
                f"All {fit.data.d} features at once: the projection in which the fitted classes lie furthest apart, in "
                "units of their spread. It is chosen to separate them, so it flatters.",
                "png",
            )
        )
    return Section(
        "components", "The components", text if short else [], tuple(pictures),
        (table,) if short else (), () if short else ((f"All {len(summary)} parameters", table),),
    )  # fmt: skip


def responsibilities(em, mcmc, proba):
    """Who belongs where, how sure that is, and who belongs together."""
    fit = em if em is not None else mcmc
    names = fit.class_names
    rows = []
    for engine, p in proba.items():
        top = p.max(axis=1)
        for c, name in enumerate(names):
            own = p.argmax(axis=1) == c
            unsure = int((top[own] < 0.9).sum())
            rows.append((engine.upper(), name, number(float(p[:, c].sum())), str(int(own.sum())), str(unsure)))
    table = Table(("engine", "class", "expected rows", "most probable for", "of these below 0.9"), tuple(rows), (0, 1))
    alt = f"Stacked probabilities of {len(names)} classes for every row, sorted; one band for each engine."
    caption = "Each row is a thin column, split by the probability of its classes. Mixed columns are unsure rows."
    interval = None
    if mcmc is not None and fit.data.n <= UNSURE and len(names) > 1:
        interval = mcmc.predict_proba(interval=0.9)
        caption += " Bottom: how far the draws disagree on the class of each unsure row."
    pictures = []
    if len(names) > 1:
        figure = plots.responsibilities(em, mcmc, proba=proba, interval=interval)
        pictures.append(picture(figure, alt, caption, "png"))
    best = mcmc if mcmc is not None else em
    if fit.mixture.components > 1 and fit.data.n <= PAIRS:
        pictures.append(
            picture(
                plots.co_clustering(best),
                f"Heat map of the probability that two of the {fit.data.n} rows are of one component, rows sorted.",
                "How probable it is that two rows are of one component, whatever its label. Dark blocks are groups; "
                "grey between them is doubt.",
                "png",
                small=True,
                true_shades=True,
            )
        )
    text = ["Every row with its probabilities is in assignments.csv."]
    return Section("responsibilities", "Who belongs where", text, tuple(pictures), (table,))


def predictive(fit):
    """The data beside data that the model expects."""
    shown = [fit.data.names[j] for j in telling(fit)]
    names = ", ".join(shown)
    alt = f"Histograms of {names} with 90 % intervals of replicated data."
    what = "drawn from the posterior predictive" if fit.engine == "mcmc" else "simulated at the MAP"
    caption = f"Histogram of the data (grey) and the 90 % interval of each bar over data sets {what}."
    if len(shown) < fit.data.d:
        caption += f" The {len(shown)} of {fit.data.d} features by which the classes differ most."
    return Section("predictive", "Data that the model expects", (), (picture(plots.predictive(fit), alt, caption),))
