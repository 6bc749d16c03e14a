"""What the commands read: model scripts, and modules with families of one's own."""

import importlib
import importlib.util
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

from bayesmix.cli.expressions import finals
from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.spec.constraints import Constraint
from bayesmix.spec.families import Family, families
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.priors import Prior

SETTINGS = ("engine", "restarts", "em", "draws", "tune", "chains", "sampler", "seed")


class Story:
    """The sections that a script's own `story(em, mcmc, quick)` adds to the page; none where there is no such function.

    A mistake in it must not cost the fit: it is kept in `error`, a sentence, and the page is written without them.
    """

    def __init__(self, function=None, path=None, quick=False):
        self.function, self.path, self.quick, self.error = function, path, quick, None

    def tell(self, em, mcmc):
        """A tuple of sections."""
        if self.function is None:
            return ()
        try:
            return tuple(self.function(em, mcmc, self.quick))
        except Exception as error:
            self.error = f"{sentence(self.path, error)} The report was written without the script's own sections."
            return ()


@dataclass(frozen=True)
class Script:
    """What a model script says."""

    data: Data
    model: Mixture
    title: str
    settings: dict
    story: "Story"


def script_options(words):
    """{name: text} of the options `--name text` that a command line holds for the script itself."""
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or not all(name.startswith("--") and name[2:].isidentifier() for name in names):
        raise InputError(
            f"{' '.join(words)}: expected options of the script after its name, as in --mnist FOLDER; "
            "for those of the command see `bayesmix run --help`."
        )
    return {name[2:]: value for name, value in zip(names, values, strict=True)}


def read_script(path, quick=False, options=None):
    """The Script in a Python file, which finds `options` under their names when it starts.

    Raises InputError if it fails, lacks `data` or `model`, or asks for no such option by `globals().get("name")`.
    """
    if Path(path).suffix != ".py":
        raise InputError(f"{path}: expected a model script in Python, NAME.py; `bayesmix fit` takes tables.")
    module = import_module(path, options)
    for name in ("data", "model"):
        if not hasattr(module, name):
            raise InputError(f"{path}: the script must define `{name}` at its top level, but it does not.")
    data = module.data if isinstance(module.data, Data) else Data(module.data)
    if not isinstance(module.model, Mixture):
        raise InputError(f"{path}: `model` must be a bm.Mixture, but it is {type(module.model).__name__}.")
    settings = getattr(module, "settings", {})
    unknown = [name for name in settings if name not in SETTINGS] if isinstance(settings, dict) else [settings]
    if unknown:
        raise InputError(
            f"{path}: `settings` must be a dict with keys among {', '.join(SETTINGS)}, not {unknown[0]!r}."
        )
    if settings.get("engine", "both") not in ("em", "mcmc", "both"):
        raise InputError(f'{path}: settings["engine"] must be "em", "mcmc" or "both", not {settings["engine"]!r}.')
    if not isinstance(settings.get("em", {}), dict):
        raise InputError(f'{path}: settings["em"] must be a dict of arguments of fit_em, not {settings["em"]!r}.')
    story = getattr(module, "story", None)
    if story is not None and not callable(story):
        raise InputError(
            f"{path}: `story` must be a function (em, mcmc, quick) that yields (or lists) sections, bm.section(...)."
        )
    return Script(data, module.model, str(getattr(module, "title", "")), dict(settings), Story(story, path, quick))


def import_module(name, options=None):
    """The imported module of this name, or of this Python file, given options. Raises InputError with one sentence."""
    path = Path(name)
    try:
        if path.suffix != ".py":
            return importlib.import_module(str(name))
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; check the path and the working directory.")
        return _import_file(path.resolve(), options or {})
    except InputError:
        raise
    except Exception as error:
        raise InputError(sentence(name, error)) from error


def sentence(name, error):
    """What went wrong in the Python file or module of this name, and in which of its lines."""
    path = Path(name).resolve()
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    where = f", line {line}" if line else ""
    message = error.msg if isinstance(error, SyntaxError) else error
    return f"{name}{where}: {type(error).__name__}: {str(message).rstrip('.')}."


def _import_file(path, options):
    """The file as a module that worker processes can import too; a name already taken gets a prefix."""
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path) and not options:
        return loaded
    taken = loaded is not None or not path.stem.isidentifier() or importlib.util.find_spec(path.stem) is not None
    name = f"_bayesmix_script_{path.stem}" if taken else path.stem
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    for option in options:
        if option not in spec.loader.get_code(name).co_consts:
            raise InputError(f"{path.name}: the script has no option --{option}; see what it says at its top.")
    vars(module).update(options)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def write_text(path, text):
    """The path, once the whole text stands there. Raises InputError if the folder cannot be written."""
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise InputError(f"{path}: the file cannot be written ({error.strerror}); name another place.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InputError(f"{path}: the file cannot be written ({error.strerror}); name another place.") from None
    return path


def catalogue():
    """{title: Table} of everything that can be named: data sets, families, priors, constraints."""
    from bayesmix.data import datasets
    from bayesmix.report.words import Table

    def table(head, pairs):
        return Table((head, "what it is"), tuple((name, _first_line(thing)) for name, thing in pairs), (0, 1))

    return {
        "Data sets": table("bm.datasets", datasets.catalogue().items()),
        "Families": table("family", families().items()),
        "Families of families": table(
            "family", ((c.__name__, c) for c in finals(Family) if c.__name__ not in families())
        ),
        "Priors": table("prior", ((c.__name__, c) for c in finals(Prior))),
        "Constraints": table("constraint", ((c.__name__, c) for c in finals(Constraint))),
    }


def _first_line(thing):
    lines = (thing.__doc__ or "").strip().splitlines()
    return lines[0].replace("`", "") if lines else ""
