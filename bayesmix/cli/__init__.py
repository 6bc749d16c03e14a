"""The `bayesmix` command: arguments in, exit status out. No logic here; `commands.py` calls the package.

Exit status: 0 done, 1 a check failed, 2 bad input (one sentence on stderr), 130 interrupted.
"""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

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
        args = parser().parse_args(argv)
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


def _say(sentence, status):
    print(f"bayesmix: {' '.join(str(sentence).split())}", file=sys.stderr)
    return status


def parser():
    """The command line's grammar."""
    top = Parser(
        prog="bayesmix",
        description="Bayesian finite mixture models: EM and MCMC on one log posterior, with a verdict.",
        epilog="`bayesmix COMMAND --help` says more about each command.",
    )
    top.add_argument("--version", action="version", version=f"bayesmix {version('bayesmix')}")
    add = top.add_subparsers(dest="name", metavar="COMMAND", required=True, parser_class=Parser)

    run = _command(
        add, "run", "run a model script: fit by EM and MCMC, diagnose, write a report",
        "The script is Python with `data` and `model` at its top level; optionally `title`, and `settings`, "
        "a dict with any of restarts, draws, tune, chains, sampler, seed.",
    )  # fmt: skip
    run.add_argument("script", type=Path, help="a file such as models/old_faithful.py")
    run.add_argument("--quick", action="store_true", help="few restarts and draws: a first look, not a result")
    _fit_options(run)

    fit = _command(
        add, "fit", "fit a mixture to a table, without writing a script",
        "Priors are derived from the scale of the data and written into the report.",
    )  # fmt: skip
    fit.add_argument("data", type=Path, help="a CSV, TSV, Parquet, NPZ or IDX file")
    fit.add_argument(
        "--components", "-k", type=_counts, required=True, metavar="K",
        help="number of components; a range such as 1:6 compares them all and says which one, if any",
    )  # fmt: skip
    fit.add_argument("--family", default="gaussian", help="a family's name, see `bayesmix list` (default: gaussian)")
    fit.add_argument("--columns", type=_names, metavar="A,B", help="features (default: every numeric column)")
    fit.add_argument("--label", metavar="COLUMN", help="column of known classes, blank where unknown")
    fit.add_argument("--row-weight", metavar="COLUMN", help="column of row weights")
    fit.add_argument(
        "--order", action="append", default=[], metavar="FIELD[:FEATURE]",
        help="order the components, as in mean:eruptions (prob:item:2 for a probability of a categorical feature)",
    )  # fmt: skip
    fit.add_argument("--min-weight", type=float, metavar="FLOOR", help="no weight below this")
    fit.add_argument(
        "--enforce", choices=("transform", "potential", "soft"), default="transform",
        help="how constraints are enforced (default: transform)",
    )  # fmt: skip
    fit.add_argument("--engine", choices=("em", "mcmc", "both"), default="both", help="default: both")
    _imports(fit)
    _fit_options(fit)
    for name, value in FULL.items():
        fit.add_argument(f"--{name}", type=_count, metavar="N", help=f"default: {value}")

    predict = _command(
        add, "predict", "assign new rows to the classes of a saved fit",
        "Writes a CSV: the probability of each class, and the most probable class.",
    )  # fmt: skip
    predict.add_argument("fit", type=Path, help="a report folder or its fit.nc")
    predict.add_argument("data", type=Path, help="a file with the same columns as the fit's data")
    predict.add_argument("--out", type=Path, metavar="FILE", help="write here (default: to the terminal)")
    _imports(predict)

    check = _command(
        add, "check", "recompute the certificate of a saved fit",
        "Evaluates every reading of the log posterior on prior draws. Exit status 1 if they differ.",
    )  # fmt: skip
    check.add_argument("fit", type=Path, help="a report folder or its fit.nc")
    check.add_argument("--draws", type=_count, default=200, metavar="N", help="prior draws (default: 200)")
    check.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the prior draws (default: 0)")
    _imports(check)

    _imports(_command(add, "list", "list data sets, families, priors and constraints"))
    return top


def _command(add, name, summary, more=""):
    return add.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {more}".strip())


def _fit_options(sub):
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="report folder (default: reports/<name>)")
    sub.add_argument(
        "--sampler", choices=("nutpie", "pymc", "numpyro", "gibbs", "explicit"),
        help="default: nutpie; gibbs needs conjugate priors and no compilation",
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
