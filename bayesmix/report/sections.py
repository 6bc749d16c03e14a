"""What the page shows, in order: plain values and figures for the template."""

from collections import Counter
from datetime import UTC, datetime

from bayesmix.diagnostics.diagnose import WHAT
from bayesmix.report import chain_sections, fit_sections, references, words
from bayesmix.report.formulas import formulas
from bayesmix.report.parts import Section, picture
from bayesmix.report.plate import plate_diagram
from bayesmix.report.words import Table, frame_table
from bayesmix.tree import versions

SHOWN, LONG = 4, 12  # findings above the fold, and features whose table is not folded


def sections(em, mcmc, diagnosis, comparison, proba, title, command, story=()):
    """Everything the template needs, as a dict; the sections of `story` come first."""
    fit = mcmc if mcmc is not None else em
    parts = [
        *story,
        _model(fit),
        _data(fit.data),
    ]
    census = em if em is not None else mcmc
    if census.optima:
        parts.append(fit_sections.optima(census, _matching(diagnosis)))
    parts.append(fit_sections.components(em, mcmc, fit))
    parts.append(fit_sections.responsibilities(em, mcmc, proba))
    if comparison is not None:
        parts.append(chain_sections.comparison(comparison))
    if mcmc is not None:
        parts.append(chain_sections.chains(mcmc, diagnosis))
    parts.append(fit_sections.predictive(fit))
    parts.append(_certificate(em, mcmc))
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
            {
                "level": f.level,
                "name": f.name,
                "sentence": f.sentence,
                "table": None if f.table is None else frame_table(f.table),
            }
            for f in diagnosis.findings
        ],
        "shown": SHOWN,
        "rest": _levels(diagnosis.findings[SHOWN:]),
        "advice": [line[0].upper() + line[1:] for line in words.advice(diagnosis)],
        "sections": parts,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _matching(diagnosis):
    """Where each chain was in the census; None without chains."""
    return getattr(getattr(diagnosis, "evidence", None), "matching", None)


def _levels(findings):
    """How many findings there are of each level, as words."""
    counts = Counter(f.level for f in findings)
    return ", ".join(f"{count} {level}" for level, count in counts.items())


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
    plate = picture(plate_diagram(fit.mixture, fit.data), alt, caption, small=True)
    return Section(
        "model", "The model", words.model_sentences(fit), (plate,), (words.prior_table(fit),),
        formulas=formulas(fit.mixture, fit.data),
    )  # fmt: skip


def _data(data):
    table = words.data_table(data)
    long = len(table.rows) > LONG
    folded = ((f"Each of {data.d} features", table),) if long else ()
    return Section("data", "The data", words.data_sentences(data), tables=() if long else (table,), folded=folded)


def _certificate(em, mcmc):
    held = mcmc.certificate if mcmc is not None else em.certificate
    rows = tuple((name, f"{error:.1e}") for name, error in held.terms.items())
    table = Table(("term of the log posterior", "largest relative error"), rows)
    text = [held.summary()]
    if mcmc is None:
        text.append("PyMC's reading joins in with MCMC, or with the command bayesmix check on this folder.")
    return Section("certificate", "Certificate", text, tables=(table,))


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
    cite = ("To cite: BibTeX of the methods used here", references.used(em, mcmc))
    return Section("provenance", "Where this comes from", text, folded=folded, code=tuple(code), folded_code=(cite,))
