"""One function for each command; each calls the package and prints or writes what comes back."""

import shlex
from pathlib import Path

from bayesmix.cli import FULL
from bayesmix.cli.expressions import build_model, columns_of
from bayesmix.cli.script import Story, import_module, read_script, script_options, write_text
from bayesmix.errors import InputError

QUICK = {"restarts": 10, "draws": 400, "tune": 300, "chains": 4}
KEPT = "interrupted; the EM result is finished and its report is in {}."


def run(args):
    """`bayesmix run models/x.py`."""
    from bayesmix.report.page import check_folder

    out = check_folder(args.out or Path("reports") / args.script.stem)
    script = read_script(args.script, args.quick, script_options(args.extra))
    plan = FULL | {"seed": None} | script.settings | (QUICK if args.quick else {})
    if args.seed is not None:
        plan["seed"] = args.seed
    engine = plan.get("engine", "both")
    _work(script.model, script.data, engine, plan, out, script.title or out.name, args, script.story)


def fit(args):
    """`bayesmix fit data.csv --components 2`."""
    from bayesmix.data.readers import read_data
    from bayesmix.report.page import check_folder

    out = check_folder(args.out or Path("reports") / args.data.name.split(".")[0])
    _import_all(args)
    counts = args.components
    most = counts[-1] if isinstance(counts, range) else counts
    model = build_model(args.family, most, args.order, args.min_weight, args.enforce, args.prior)
    data = read_data(args.data, args.columns or columns_of(model.family), args.label, args.row_weight)
    if most > data.n:
        raise InputError(f"--components {most}: the data have only {data.n} rows; ask for at most as many components.")
    given = {name: getattr(args, name) for name in FULL if getattr(args, name) is not None}
    if isinstance(counts, range):
        from bayesmix.cli.choose import choose

        return choose(args, model, data, given, out)
    _work(model, data, args.engine, FULL | given | {"seed": args.seed}, out, out.name, args)


def predict(args):
    """`bayesmix predict reports/x new.csv`."""
    from bayesmix.data.readers import read_data
    from bayesmix.report.page import assignments
    from bayesmix.store import load

    _import_all(args)
    saved = load(args.fit)
    rows = read_data(args.data, columns=list(saved.data.names))
    text = assignments({saved.engine: saved.predict_proba(rows)}, saved).to_csv()
    if args.out is None:
        print(text, end="", flush=True)
    else:
        write_text(args.out, text)


def index(args):
    """`bayesmix index reports`."""
    from bayesmix.report import terminal
    from bayesmix.report.index import write_index

    terminal.say(f"Index: {write_index(args.folder)}")


def check(args):
    """`bayesmix check reports/x`: 0 if the recomputed and the stored certificate are sound, else 1."""
    from bayesmix.report import terminal
    from bayesmix.store import load

    _import_all(args)
    saved = load(args.fit)
    with terminal.waiting("evaluating every reading of the log posterior"):
        from bayesmix.mcmc.certificate import certificate

        fresh = certificate(saved.mixture, saved.data, draws=args.draws, seed=args.seed)
    terminal.show_certificates(fresh, saved.certificate)
    return 0 if fresh.ok and saved.certificate.ok else 1


def show(args):
    """`bayesmix list`."""
    from bayesmix.cli.script import catalogue
    from bayesmix.report import terminal

    _import_all(args)
    for title, table in catalogue().items():
        terminal.show_table(table, title)


COMMANDS = {"run": run, "fit": fit, "predict": predict, "check": check, "index": index, "list": show}


def _import_all(args):
    for name in args.imports:
        import_module(name)


def _work(model, data, engine, plan, out, title, args, story=None):
    """Fit, print and write: the EM answer first, on screen and on disk, before PyMC is imported."""
    from bayesmix.em.fit_em import fit_em
    from bayesmix.report import terminal

    clock, story = terminal.Clock(), story or Story()
    if args.checkpoint is not None and plan["seed"] is None:
        from bayesmix.mcmc.checkpoint import stored_seed

        plan = plan | {"seed": stored_seed(args.checkpoint)}
    with terminal.progress("EM restarts") as step:
        em = fit_em(model, data, restarts=plan["restarts"], seed=plan["seed"], progress=step, **plan.get("em", {}))
    terminal.say(f"Data: {data.summary}.")
    terminal.show_modes(em)
    terminal.say(f"EM: {clock}, seed {em.settings['seed']}.")
    page = None
    if engine != "mcmc":
        page = _em_report(em, engine, out, title, args, story if engine == "em" else Story())
    if em.settings["partial"]:
        raise KeyboardInterrupt(*([KEPT.format(out)] if page else []))
    if engine != "em":
        try:
            mcmc, page = _sample(em, engine, plan, out, title, args, story)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(*([KEPT.format(out)] if page else [])) from None
        if mcmc.settings.get("partial"):
            raise KeyboardInterrupt(f"interrupted; the finished chains are kept and their report is in {out}.")
    terminal.say(f"Report: {page} ({clock})")
    if story.error:
        raise InputError(story.error)


def _em_report(em, engine, out, title, args, story):
    from bayesmix.diagnostics.diagnose import diagnose
    from bayesmix.report import terminal
    from bayesmix.report.page import write_report

    with terminal.waiting("writing the EM report"):
        diagnosis = diagnose(em)
        page = write_report(
            em, None, diagnosis, to=out, title=title, command=_again(args, em), story=story.tell(em, None)
        )
    _refresh_index(args, out)
    if engine == "em":
        terminal.show_diagnosis(diagnosis)
    return page


def _sample(em, engine, plan, out, title, args, story):
    """(MCMC fit, page): chains from the EM optima, diagnosed, compared, printed and written."""
    from bayesmix.report import terminal
    from bayesmix.report.page import write_report

    with terminal.progress("chains (the first waits for the compiler)") as step:
        from bayesmix.mcmc.sample import fit_mcmc

        size = {name: plan[name] for name in ("draws", "tune", "chains")}
        mcmc = fit_mcmc(
            em.mixture,
            em.data,
            **size,
            sampler=args.sampler or plan.get("sampler", "nutpie"),
            start=em,
            seed=em.settings["seed"],
            workers=args.workers,
            checkpoint=args.checkpoint,
            progress=step,
        )
    from bayesmix.diagnostics.compare import compare
    from bayesmix.diagnostics.diagnose import diagnose

    with terminal.progress("diagnosing") as step:
        diagnosis = diagnose(mcmc, em, progress=step)
    with terminal.waiting("comparing"):
        table = compare(em, mcmc)
    terminal.show_diagnosis(diagnosis)
    terminal.show_comparison(table)
    both = engine == "both"
    with terminal.waiting("writing the report"):
        page = write_report(
            em if both else None, mcmc, diagnosis, to=out, title=title, comparison=table if both else None,
            command=_again(args, em), story=story.tell(em, mcmc),
        )  # fmt: skip
    _refresh_index(args, out)
    return mcmc, page


def _refresh_index(args, out):
    """Bring the list of the reports up to date; beside a folder that was named by --out nothing is written."""
    from bayesmix.report import terminal
    from bayesmix.report.index import write_index

    if args.out is None:
        try:
            write_index(out.parent)
        except InputError as error:  # the report itself is written
            terminal.say(f"The list of reports was not brought up to date: {error}")


def _again(args, em):
    """The command line that repeats this run, seed included."""
    seed = [] if args.seed is not None else ["--seed", str(em.settings["seed"])]
    return shlex.join(["bayesmix", *args.argv, *seed])
