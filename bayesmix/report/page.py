"""`write_report`: one self-contained HTML page, the tables as CSV and the fit as netCDF."""

import os
import shutil
import tempfile
from pathlib import Path

from bayesmix.errors import InputError
from bayesmix.report.index import FACTS, facts

FILES = ("fit.nc", "assignments.csv", "modes.csv", "comparison.csv", "summary.csv", FACTS, "index.html")
COMPARED = ("dossier.csv", "reasons.csv")  # of a comparison, which may stand in the same folder


def write_report(em=None, mcmc=None, diagnosis=None, *, to, title=None, comparison=None, command=None,
                 story=()):  # fmt: skip
    """The path of `index.html` in a report folder that is written whole or not at all.

    The folder also holds `fit.nc` (the MCMC fit if there is one), `assignments.csv`, `modes.csv`,
    `summary.csv`, `report.json` (what `write_index` lists) and, for two engines, `comparison.csv`.
    Other files in it are left alone.

    Args:
        em, mcmc: the fits, at least one.
        diagnosis: what `bm.diagnose` returned; left out, it is called here.
        to: the folder; made if it is not there.
        title: heading of the page; left out, the folder's name.
        comparison: what `bm.compare` returned; left out, it is called here for two engines.
        command: the command line that repeats the run, shown in the page.
        story: sections made by `bm.section`, shown before the standard ones.

    Raises:
        InputError: there is no fit, a fit is of the other engine, or the folder cannot be written.
    """
    for name, fit in {"em": em, "mcmc": mcmc}.items():
        if fit is not None and getattr(fit, "engine", None) != name:
            raise InputError(f"write_report({name}=...): expected a Fit by {name}, got {fit!r}.")
    if em is None and mcmc is None:
        raise InputError("write_report(em, mcmc): give at least one fit, of either engine.")
    to = check_folder(to)
    if diagnosis is None:
        from bayesmix.diagnostics.diagnose import diagnose

        diagnosis = diagnose(*(fit for fit in (mcmc, em) if fit is not None))
    if comparison is None and em is not None and mcmc is not None:
        from bayesmix.diagnostics.compare import compare

        comparison = compare(em, mcmc)
    return move_in(to, lambda folder: _build(folder, em, mcmc, diagnosis, comparison, title or to.name, command, story))


def _build(folder, em, mcmc, diagnosis, comparison, title, command, story):
    """Everything the report consists of, written into `folder`."""
    from bayesmix.report.sections import sections

    fit = mcmc if mcmc is not None else em
    proba = {name: f.predict_proba() for name, f in (("em", em), ("mcmc", mcmc)) if f is not None}
    context = sections(em, mcmc, diagnosis, comparison, proba, title, command, story)
    (folder / "index.html").write_text(render(context), encoding="utf-8")
    (folder / FACTS).write_text(facts(context), encoding="utf-8")
    assignments(proba, fit).to_csv(folder / "assignments.csv")
    if fit.optima:
        fit.modes.to_csv(folder / "modes.csv")
    fit.summary().to_csv(folder / "summary.csv", index_label="parameter")
    if comparison is not None:
        comparison.to_csv(folder / "comparison.csv", index_label="parameter")
    fit.save(folder / "fit.nc")


def render(context, template="page.html.j2"):
    """The page as HTML text; a name that the template knows and the context lacks is an error."""
    import jinja2

    from bayesmix.report.formulas import markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayesmix.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["formula"] = markup
    return environment.get_template(template).render(**context)


def assignments(proba, fit):
    """DataFrame, one line per row: for each engine the probabilities of the classes and the best one."""
    import pandas as pd

    names, columns = fit.class_names, {}
    for engine, p in proba.items():
        columns |= {f"{engine} p({name})": p[:, c] for c, name in enumerate(names)}
        columns[f"{engine} class"] = [names[c] for c in p.argmax(axis=1)]
    count = len(next(iter(proba.values())))
    return pd.DataFrame(columns, index=pd.RangeIndex(count, name="row"))


def check_folder(to):
    """`to` as a Path that can be written, or InputError; nothing is left behind."""
    to = Path(to)
    place = to
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"the report cannot be written to {to}: {place} is a file; name a folder.")
    try:
        tempfile.TemporaryDirectory(dir=place, prefix=".bayesmix-").cleanup()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"the report cannot be written to {to}: {reason}; choose another folder.") from None
    return to


def move_in(to, build):
    """The path of `index.html` once `build(folder)` has filled a temporary folder and that has replaced `to`.

    Files of an earlier report are replaced or removed, others stay.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}-"))
    try:
        build(work)
        if not to.exists():
            work.chmod(0o777 & ~_umask())
            work.rename(to)
        else:
            for name in (*COMPARED, *FILES):  # the page last
                if (work / name).exists():
                    os.replace(work / name, to / name)
                else:
                    (to / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"the report cannot be written to {to}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return to / "index.html"


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
