"""What the page shows, in order: plain values and figures for the template."""

from datetime import UTC, datetime

from bayesmix.diagnostics.diagnose import WHAT
from bayesmix.mcmc.explicit_chains import cost
from bayesmix.report import plots, words
from bayesmix.report.parts import Section
from bayesmix.report.parts import picture as _picture
from bayesmix.report.plate import plate_diagram
from bayesmix.report.words import Table, frame_table, number
from bayesmix.store import versions


def sections(em, mcmc, diagnosis, comparison, proba, title, command, story=()):
    """Everything the template needs, as a dict; the sections of `story` come first."""
    fit = mcmc if mcmc is not None else em
    parts = [
        *story,
        _certificate(em, mcmc),
        _model(fit),
        Section("data", "The data", words.data_sentences(fit.data), tables=(words.data_table(fit.data),)),
    ]
    census = em if em is not None else mcmc
    if census.optima:
        parts.append(_optima(census))
    parts.append(_components(em, mcmc, fit))
    parts.append(_responsibilities(em, mcmc, proba))
    if mcmc is not None:
        parts.append(_chains(mcmc, diagnosis))
    if comparison is not None:
        parts.append(_comparison(comparison))
    parts.append(_predictive(fit))
    parts.append(_provenance(em, mcmc, command))
    meaning = [WHAT.get(diagnosis.verdict, "")]
    if mcmc is None and diagnosis.verdict == "sound":
        meaning.append(words.EM_ALONE)
    return {
        "title": title,
        "subtitle": _subtitle(em, mcmc),
        "verdict": diagnosis.verdict,
        "others": [v for v in diagnosis.verdicts if v != diagnosis.verdict],
        "level": words.LEVELS.get(diagnosis.verdict, "warning"),
        "meaning": " ".join(meaning).strip(),
        "findings": [
            (f.level, f.name, f.sentence, None if f.table is None else frame_table(f.table)) for f in diagnosis.findings
        ],
        "advice": [line[0].upper() + line[1:] for line in words.advice(diagnosis)],
        "sections": parts,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _subtitle(em, mcmc):
    fit = mcmc if mcmc is not None else em
    K = fit.mixture.components
    parts = [f"{fit.mixture.family.title} mixture, {K} component{'s' * (K > 1)}, {fit.data.n} rows"]
    if em is not None and em.runs:
        parts.append(f"EM with {len(em.runs)} restart{'s' * (len(em.runs) > 1)}")
    if mcmc is not None:
        chains, draws = mcmc.shape
        parts.append(f"MCMC with {chains} chain{'s' * (chains > 1)} of {draws} draws")
    partial = [f.engine.upper() for f in (em, mcmc) if f is not None and f.settings.get("partial")]
    parts += [f"{' and '.join(partial)} ended early by Ctrl-C"] * bool(partial)
    return "; ".join(parts) + "."


def _model(fit):
    alt = f"Plate diagram: priors, {', '.join(fit.mixture.parameters)}, the allocation z and the data x of every row."
    caption = (
        "What the model says of how the data came about, from top to bottom. Circles are variables, shaded where "
        "observed and half shaded where partly; dots are known constants, squares constraints; a frame holds what "
        "is repeated."
    )
    picture = _picture(plate_diagram(fit.mixture, fit.data), alt, caption, small=True)
    return Section("model", "The model", words.model_sentences(fit), (picture,), (words.prior_table(fit),))


def _certificate(em, mcmc):
    held = mcmc.certificate if mcmc is not None else em.certificate
    rows = tuple((name, f"{error:.1e}") for name, error in held.terms.items())
    table = Table(("term of the log posterior", "largest relative error"), rows)
    text = [held.summary()]
    if mcmc is None:
        text.append("PyMC's reading joins in with MCMC, or with `bayesmix check` on this folder.")
    return Section("certificate", "Certificate", text, tables=(table,))


def _optima(census):
    frame, runs = census.modes, census.runs
    best, many = census.optima[0], len(census.optima)
    optima = "optima" if many > 1 else "optimum"
    text = [
        f"{len(runs)} restart{'s' * (len(runs) > 1)} ended in {many} distinct {optima}, "
        f"relabelled copies counted as one; {best.times_reached} reached the best, "
        f"log posterior {best.log_posterior:.4f}.".replace("-", "−")
    ]
    lost = sorted({r.status for r in runs} - {"converged"})
    text += [f"{sum(r.status == s for r in runs)} restart(s) ended as “{s}”." for s in lost]
    if many > 1:
        text += [f"Optimum {m}: {mode.differs}." for m, mode in enumerate(census.optima[:8]) if m > 0]
    reasons = [f"Optimum {m} has no Laplace mass: {o.reason}." for m, o in enumerate(census.optima) if o.reason]
    table = words.mode_table(census)
    drop = table.head.index("differs")
    short = Table(
        tuple(h for i, h in enumerate(table.head) if i != drop),
        tuple(tuple(c for i, c in enumerate(row) if i != drop) for row in table.rows),
        (table.head.index("kind"),),
    )
    pictures = ()
    if runs:
        alt = f"Gap to the best log posterior against iteration for {len(runs)} EM restarts, by optimum."
        caption = (
            "How far below the best each restart was, iteration by iteration (log scale). "
            "A line ends where its restart stopped or came within rounding of the best."
        )
        pictures = (_picture(plots.em_traces(census), alt, caption),)
    folded = (("All optima", short),) if len(frame) > 12 else ()
    tables = () if folded else (short,)
    return Section("optima", "The optima", text + reasons[:8], pictures, tables, folded)


def _components(em, mcmc, fit):
    summary = (em if em is not None else mcmc).summary()
    text = ["The table gives each parameter " + ("at the MAP." if em is not None else "under the posterior.")]
    table = frame_table(summary, "parameter")
    short = len(summary) <= 20
    alt = (
        f"The {fit.data.n} rows in {', '.join(fit.data.names[:4])}, coloured by component, "
        f"with the {fit.mixture.components} fitted components drawn over them."
    )
    caption = "The data, coloured by the probability of each component, and the fitted components."
    if fit.data.d > 6:
        caption += f" Only the first of the {fit.data.d} features are shown."
    picture = _picture(plots.scatter(em, mcmc), alt, caption, "png")
    return Section(
        "components", "The components", text if short else [], (picture,),
        (table,) if short else (), () if short else ((f"All {len(summary)} parameters", table),),
    )  # fmt: skip


def _responsibilities(em, mcmc, proba):
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
    picture = _picture(plots.responsibilities(em, mcmc, proba=proba), alt, caption, "png")
    text = ["Every row with its probabilities is in assignments.csv."]
    return Section("responsibilities", "Who belongs where", text, (picture,), (table,))


def _chains(mcmc, diagnosis):
    text = []
    stats = mcmc.groups.get("sample_stats")
    if stats is not None and "diverging" in stats:
        count, total = int(stats["diverging"].sum()), mcmc.log_posteriors.size
        text.append("No draw diverged." if count == 0 else f"{count} of {total} draws diverged.")
    if mcmc.settings.get("latent") == "explicit":
        text.append(cost(mcmc))
    homes = mcmc.settings.get("chain_modes")
    if homes and min(homes) >= 0 and len(mcmc.optima) > 1:
        text.append(f"The chains started near optima {', '.join(map(str, homes))} of the table above.")
    chains = mcmc.shape[0]
    pictures = [
        _picture(plots.traces(mcmc),
                 f"Traces of {chains} chains, raw beside relabelled, coloured by component.",
                 "Draws of each chain, one chain after the other: raw labels left, relabelled right. "
                 "Colours that change places on the left are switched labels; a step between chains on the "
                 "right is a real disagreement.", "png"),
        _picture(plots.ranks(mcmc),
                 f"Rank departures from uniform for {chains} chains, raw beside relabelled.",
                 "Ranks of each chain among all draws, as a departure from uniform; chains that sample "
                 "the same distribution stay in the grey band (99 % for independent draws).", "png"),
    ]  # fmt: skip
    occupancy = getattr(diagnosis, "occupancy", None)
    if occupancy is not None and occupancy.shape[1] > 1:
        pictures.append(
            _picture(plots.occupancy(diagnosis),
                     "Share of the draws of each chain in each optimum of the EM census.",
                     "Share of each chain's draws that climb to each optimum.", small=True)
        )  # fmt: skip
    folded = (("Convergence of every quantity", frame_table(diagnosis.table, "quantity")),)
    modes = getattr(diagnosis, "modes", None)
    if modes is not None and len(modes) > 1 and "region" in modes:
        folded = (("The optima, their regions and their estimated mass", frame_table(modes, "optimum")), *folded)
    return Section("chains", "The chains", text, tuple(pictures), folded=folded)


def _comparison(table):
    text = [*words.comparison_sentences(table), words.comparison_names(table)]
    alt = f"Posterior intervals of {min(len(table), plots.MOST)} parameters with the MAP marked on each."
    caption = "MAP (diamond) beside the 90 % posterior interval, in posterior standard deviations about the mean."
    if len(table) > plots.MOST:
        caption += f" The first {plots.MOST} of {len(table)} parameters."
    rows = words.comparison_table(table)
    long = len(table) > 20
    return Section(
        "comparison", "MAP beside posterior", text, (_picture(plots.comparison(table), alt, caption),),
        () if long else (rows,), ((f"All {len(table)} parameters", rows),) if long else (),
    )  # fmt: skip


def _predictive(fit):
    names = ", ".join(fit.data.names[:6])
    alt = f"Histograms of {names} with 90 % intervals of replicated data."
    what = "drawn from the posterior predictive" if fit.engine == "mcmc" else "simulated at the MAP"
    caption = f"Histogram of the data (grey) and the 90 % interval of each bar over data sets {what}."
    if fit.data.d > 6:
        caption += f" The first 6 of {fit.data.d} features."
    return Section("predictive", "Data that the model expects", (), (_picture(plots.predictive(fit), alt, caption),))


def _provenance(em, mcmc, command):
    fits = [f for f in (em, mcmc) if f is not None]
    code = [("The command that repeats it", command)] if command else []
    code.append(("In Python, from this folder", words.recipe(em, mcmc)))
    used = Table(("library", "version"), tuple(versions().items()), (0, 1))
    folded = (("Settings", words.settings_table(*fits)), ("Versions", used))
    seeds = ", ".join(f"{f.engine.upper()} {f.settings.get('seed')}" for f in fits)
    text = [
        f"Seeds: {seeds}. The same seed, data and versions give the same numbers.",
        "This folder also holds fit.nc, which bayesmix.load and plain ArviZ open.",
    ]
    return Section("provenance", "Where this comes from", text, folded=folded, code=tuple(code))
