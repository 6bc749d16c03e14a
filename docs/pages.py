"""What is made when the docs are built: families, command line, API reference, gallery; and formulas.

MkDocs calls the functions `on_...` (hooks, https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

import argparse
import ast
import inspect
import re
from html import unescape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = {  # heading of the API reference: modules whose public names stand below it, by the longest prefix
    "Data": ("bayesmix.data",),
    "The specification": ("bayesmix.spec.mixture", "bayesmix.spec.constraints"),
    "Families": ("bayesmix.spec.families",),
    "Priors": ("bayesmix.spec.priors",),
    "Fits": ("bayesmix.fit", "bayesmix.store"),
    "EM": ("bayesmix.em",),
    "MCMC": ("bayesmix.mcmc",),
    "Diagnosis": ("bayesmix.diagnostics",),
    "Choosing a model": ("bayesmix.selection",),
    "Reports": ("bayesmix.report", "bayesmix.cli"),
    "Errors": ("bayesmix.errors",),
}


def on_files(files, config):
    from mkdocs.structure.files import File

    made = {"families.md": families(), "command.md": command_line(), "gallery/index.md": gallery()}
    made |= {f"api/{slug(part)}.md": text for part, text in reference().items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_content(html, page, config, files):
    """Formulas as MathML, which browsers draw without a script from elsewhere."""
    from latex2mathml.converter import convert

    def formula(match):
        display = "block" if match["tag"] == "div" else "inline"
        mathml = convert(unescape(match["tex"]).strip()[2:-2], display=display)
        mathml = mathml.replace("<mi>log</mi>", '<mi>log</mi><mspace width="0.17em"/>')
        if display == "inline":
            return mathml
        return f'<div style="overflow-x: auto" tabindex="0">{mathml}</div>'  # or a narrow screen scrolls as a whole

    return re.sub(r'<(?P<tag>span|div) class="arithmatex">(?P<tex>.*?)</(?P=tag)>', formula, html, flags=re.DOTALL)


def slug(text):
    return text.lower().replace(" ", "-")


def on_config(config):
    """The pages of the reference enter the navigation here, so that no list of them can go stale."""
    config.nav.append({"API reference": [{part: f"api/{slug(part)}.md"} for part in reference()]})
    return config


def public():
    """{name: object} of everything that `import bayesmix as bm` offers, classes and functions."""
    import bayesmix as bm

    found = {name: getattr(bm, name) for name in sorted(bm.__all__)}
    return {name: thing for name, thing in found.items() if not inspect.ismodule(thing)}


def reference():
    """{heading: Markdown page}, a directive of mkdocstrings for each public name."""
    place = {name: thing.__module__ for name, thing in public().items()}
    pages = {}
    for part, prefixes in PARTS.items():
        names = [n for n, module in place.items() if any(f"{module}.".startswith(f"{p}.") for p in prefixes)]
        lines = [f"::: {place[name]}.{name}\n" for name in names]
        if part == "Data":
            lines += ["::: bayesmix.data.datasets\n    options:\n      members_order: alphabetical\n"]
        if names:
            pages[part] = "\n".join([f"# {part}\n", *lines])
    left = [n for n, m in place.items() if not any(f"{m}.".startswith(f"{p}.") for ps in PARTS.values() for p in ps)]
    if left:
        raise ValueError(f"docs/pages.py: PARTS has no place for {left}.")
    return pages


def families():
    """The page of all families: what each says, its parameters and its switches."""
    import bayesmix as bm

    own = {name: cls for name, cls in bm.families().items() if cls.__module__.startswith("bayesmix.")}
    own |= {"PointMass": bm.PointMass, "Product": bm.Product, "Components": bm.Components}
    lines = [
        "# Families\n",
        "A family says how a row is distributed, given its component. Its fields are its parameters; each takes a",
        "[prior](priors.md). Families combine: `Product` gives columns of different kinds their own families,",
        "`Components` gives the components different families.\n",
        "| family | a row | parameters | switches |",
        "|---|---|---|---|",
    ]
    for name, cls in sorted(own.items()):
        fields = getattr(cls, "__dataclass_fields__", {}).values()
        priors = [f"`{f.name}`" for f in fields if "support" in f.metadata]
        switches = [f"`{f.name}`" for f in fields if isinstance(f.default, bool)]
        first = inspect.getdoc(cls).splitlines()[0].replace("|", "\\|")
        link = f"[`{name}`](api/families.md#{cls.__module__}.{name})"
        lines.append(f"| {link} | {first} | {', '.join(priors)} | {', '.join(switches)} |")
    return "\n".join(lines) + "\n"


def command_line():
    """The page of the command line: the help of every command, as the terminal shows it."""
    from bayesmix.cli import parser

    top = parser()
    subs = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices
    lines = [
        "# Command line\n",
        "Exit status: 0 done, 1 a check failed, 2 bad input (one sentence says what), 130 interrupted.\n",
    ]
    for name, sub in subs.items():
        lines += [f"## bayesmix {name}\n", "```text", sub.format_help().rstrip(), "```\n"]
    return "\n".join(lines)


def gallery():
    """The page of all model scripts: the docstring of each, and its code."""
    lines = [
        "# Gallery\n",
        "The scripts of `models/`, each run by `bayesmix run models/NAME.py` (`--quick` for a first look). The text is",
        "the scripts' own.\n",
    ]
    for path in sorted((ROOT / "models").glob("*.py")):
        code = path.read_text(encoding="utf-8")
        tree = ast.parse(code)
        titles = [
            n.value.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "title"
        ]
        body = code.split('"""', 2)[2].strip()
        indented = "\n".join(f"    {line}" if line else "" for line in f"```python\n{body}\n```".splitlines())
        lines += [
            f"## {titles[0] if titles else path.stem}\n",
            ast.get_docstring(tree),
            f'\n??? example "models/{path.name}"\n\n{indented}\n',
        ]
    return "\n".join(lines)
