"""`bayesmix fit data.csv --components 1:6`: the dossier on the number of components."""

import shlex


def choose(args, model, data, given, out):
    """Compare, print and write.

    model: with the largest number of components. given: those of restarts, draws, tune and chains that were given.
    """
    from bayesmix.report import terminal
    from bayesmix.report.dossier import table, write_dossier
    from bayesmix.selection.select import select

    clock = terminal.Clock()
    with terminal.progress("candidates") as step:
        dossier = select(
            model, data, args.components, engine=args.engine, sampler=args.sampler, seed=args.seed,
            workers=args.workers, folder=args.checkpoint, progress=step, **given,
        )  # fmt: skip
    terminal.say(f"Data: {data.summary}.")
    terminal.show_table(turned(table(dossier)), "The criteria side by side")
    terminal.say(dossier.summary())
    seed = [] if args.seed is not None else ["--seed", str(dossier.settings["seed"])]
    command = shlex.join(["bayesmix", *args.argv, *seed])
    with terminal.waiting("writing the report"):
        page = write_dossier(dossier, to=out, title=f"{out.name}: how many components?", command=command)
    terminal.say(f"Report: {page} ({clock})")


def turned(table):
    """The table with one line per criterion, which fits the width of a terminal."""
    from bayesmix.report.words import Table

    columns = list(zip(*table.rows, strict=True))
    rows = tuple((name, *column) for name, column in zip(table.head[1:], columns[1:], strict=True))
    return Table(("criterion", *columns[0]), rows, (0,), table.caption)
