"""The `bayesmix` command: arguments in, exit status out. No logic here; `commands.py` calls the package.

Exit status: 0 done, 1 a check failed, 2 bad input (one sentence on stderr), 130 interrupted.
"""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from textwrap import fill

from bayesmix.errors import InputError

FULL = {"restarts": 50, "draws": 1000, "tune": 500, "chains": 4}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`.\n")


def main(argv=None):
    """The exit status of one `bayesmix` command."""
    argv = sys.argv[1:] if argv is None else [str(word) for word in argv]
    try:
        grammar = parser()
        args, args.extra = grammar.parse_known_args(argv)
        if args.extra and args.name != "run":
            grammar.error(f"unrecognized arguments: {' '.join(args.extra)}")
    except SystemExit as stop:  # argparse has printed the help or its sentence
        return stop.code or 0
    args.argv = argv
    from bayesmix.cli.commands import COMMANDS

    try:
        return COMMANDS[args.name](args) or 0
    except InputError as error:
        return _say(error, 2)
    except KeyboardInterrupt as stop:
        return _say(stop.args[0] if stop.args else "interrupted; nothing was written.", 130)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def run_script(path):
    """Leave Python with the exit status of `bayesmix run PATH`: the last line of a model script, for `python PATH`.

    Options that follow on Python's own command line are passed on.
    """
    raise SystemExit(main(["run", path, *sys.argv[1:]]))


def _say(sentence, status):
    print(f"bayesmix: {' '.join(str(sentence).split())}", file=sys.stderr)
    return status


def parser():
    """The command line's grammar."""
    top = Parser(
        prog="bayesmix",
        description="Bayesian finite mixture models: EM and MCMC on one log posterior, with a verdict.",
        epilog="`bayesmix COMMAND --help` says more about each command, with examples.",
    )
    top.add_argument("--version", action="version", version=f"bayesmix {version('bayesmix')}")
    add = top.add_subparsers(dest="name", metavar="COMMAND", required=True, parser_class=Parser)

    run = _command(
        add, "run", "run a model script: fit by EM and MCMC, diagnose, write a report",
        "The script is Python with `data` and `model` at its top level; optionally `title`, `settings` (a dict with "
        "any of engine, restarts, em, draws, tune, chains, sampler, seed) and `story`, a function that adds sections. "
        "Options that bayesmix does not know are the script's own: they follow its name, as --NAME VALUE.",
        "bayesmix run models/old_faithful.py --quick",
        "bayesmix run models/bernoulli_digits.py --mnist ~/mnist",
    )  # fmt: skip
    run.add_argument("script", type=Path, help="a file such as models/old_faithful.py")
    run.add_argument("--quick", action="store_true", help="few restarts and draws: a first look, not a result")
    _fit_options(run)

    fit = _command(
        add, "fit", "fit a mixture to a table, without writing a script",
        "Blank cells are missing values; both engines sum them out. Priors that are not given are derived from the "
        "scale of the data and written into the report.",
        "bayesmix fit faithful.csv -k 2 --family mvgaussian --order mean:eruptions",
        'bayesmix fit heights.csv -k 2 --prior "mean=Normal(170, 20)" --prior "sd=Uniform(0, 100)" --label sex',
        'bayesmix fit people.csv -k 3 --family "height+weight=MvGaussian, visits=Poisson" '
        '--prior "visits.rate=Gamma(2, .5)"',
        'bayesmix fit counts.csv --components 2 --family "Components(PointMass(0), Poisson())" --engine em',
    )  # fmt: skip
    fit.add_argument("data", type=Path, help="a CSV, TSV, Parquet, NPZ or IDX file; .gz may follow")

    table = fit.add_argument_group("the table")
    table.add_argument("--columns", type=_names, metavar="A,B", help="features (default: every numeric column)")
    table.add_argument("--label", metavar="COLUMN", help="column of known classes, blank where unknown")
    table.add_argument("--row-weight", metavar="COLUMN", help="column of row weights")

    model = fit.add_argument_group("the model")
    model.add_argument(
        "--components", "-k", type=_counts, required=True, metavar="K",
        help="number of components; a range such as 1:6 compares them all and says which one, if any",
    )  # fmt: skip
    model.add_argument(
        "--family", default="gaussian", metavar="FAMILY",
        help="a family's name, see `bayesmix list` (default: gaussian); an expression such as "
        '"MvGaussian(shared=True)"; or families by column, such as "height=Gaussian, visits=Poisson"',
    )  # fmt: skip
    model.add_argument(
        "--prior", action="append", default=[], metavar="FIELD=PRIOR",
        help='as in "mean=Normal(0, 10)", "weight=Dirichlet(2)", "var=Fixed(1)", "mean=Flat"; with families by '
        'column "height.mean=Normal(170, 20)"; may be repeated',
    )  # fmt: skip
    model.add_argument(
        "--order", action="append", default=[], metavar="FIELD[:FEATURE]",
        help="order the components, as in mean:eruptions (prob:item:2 for a probability of a categorical feature)",
    )  # fmt: skip
    model.add_argument("--min-weight", type=float, metavar="FLOOR", help="no weight below this")
    model.add_argument(
        "--enforce", choices=("transform", "potential", "soft"), default="transform",
        help="how constraints are enforced (default: transform)",
    )  # fmt: skip
    _imports(model)

    engines = fit.add_argument_group("the fit")
    engines.add_argument("--engine", choices=("em", "mcmc", "both"), default="both", help="default: both")
    for name, value in FULL.items():
        engines.add_argument(f"--{name}", type=_count, metavar="N", help=f"default: {value}")
    _fit_options(engines)

    predict = _command(
        add, "predict", "assign new rows to the classes of a saved fit",
        "Writes a CSV: the probability of each class, and the most probable class.",
        "bayesmix predict reports/faithful new.csv --out classes.csv",
    )  # fmt: skip
    predict.add_argument("fit", type=Path, help="a report folder or its fit.nc")
    predict.add_argument("data", type=Path, help="a file with the same columns as the fit's data")
    predict.add_argument("--out", type=Path, metavar="FILE", help="write here (default: to the terminal)")
    _imports(predict)

    check = _command(
        add, "check", "recompute the certificate of a saved fit",
        "Evaluates every reading of the log posterior on prior draws. Exit status 1 if they differ.",
        "bayesmix check reports/faithful --draws 50",
    )  # fmt: skip
    check.add_argument("fit", type=Path, help="a report folder or its fit.nc")
    check.add_argument("--draws", type=_count, default=200, metavar="N", help="prior draws (default: 200)")
    check.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the prior draws (default: 0)")
    _imports(check)

    index = _command(
        add, "index", "list all reports of a folder in one page, with verdicts",
        "`run` and `fit` do so for reports/ by themselves, unless --out names another place.",
    )  # fmt: skip
    index.add_argument("folder", type=Path, nargs="?", default=Path("reports"), help="default: reports")

    _imports(_command(add, "list", "list data sets, families, priors and constraints"))
    return top


def _command(add, name, summary, more="", *examples):
    epilog = "examples:\n" + "\n".join(f"  {line}" for line in examples) if examples else None
    text = fill(f"{summary[0].upper()}{summary[1:]}. {more}".strip(), 100)
    return add.add_parser(
        name, help=summary, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _fit_options(sub):
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="report folder (default: reports/<name>)")
    sub.add_argument(
        "--sampler", choices=("nutpie", "pymc", "numpyro", "gibbs", "explicit"),
        help="default: nutpie; gibbs needs conjugate priors and is faster",
    )  # fmt: skip
    sub.add_argument(
        "--checkpoint", type=Path, metavar="FOLDER",
        help="write each chain here as it finishes; the same command again runs only what is missing",
    )  # fmt: skip
    sub.add_argument("--seed", type=_seed, metavar="N", help="repeats a run (default: a fresh one, recorded)")
    sub.add_argument(
        "--workers",
        type=_count,
        default=2,
        metavar="N",
        help="chains at once; no influence on results (default: 2)",
    )


def _imports(sub):
    sub.add_argument(
        "--import", dest="imports", action="append", default=[], metavar="MODULE",
        help="Python module or file that defines further families or priors; may be repeated",
    )  # fmt: skip


def _counts(text):
    """A number of components, or the range of them that first:last says."""
    first, colon, last = text.partition(":")
    if not colon:
        return _count(text)
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"expected a range such as 1:6, the smaller number first, got {text!r}")
    return range(int(first), int(last) + 1)


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _seed(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _names(text):
    return [name.strip() for name in text.split(",") if name.strip()]
