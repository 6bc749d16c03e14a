"""The list of all reports in a folder, made from the facts that each report keeps beside its page."""

import base64
import io
import json
import os
from pathlib import Path

from bayesmix.errors import InputError

FACTS = "report.json"
NAMES = ("title", "subtitle", "verdict", "level", "why", "written", "thumbnail")
WIDE = 420  # pixels of a thumbnail


def facts(context):
    """What the list says of one report, as JSON text; `context` is what its page was rendered from."""
    found = {name: context[name] for name in ("title", "subtitle", "verdict", "level", "written")}
    found["why"] = context["findings"][0]["sentence"] if context["findings"] else context["meaning"]
    found["thumbnail"] = _thumbnail(context["sections"])
    return json.dumps({"bayesmix_report": 1} | found, ensure_ascii=False, indent=1) + "\n"


def _thumbnail(sections):
    """The picture of the components, or else the first one, made small, as a data URI."""
    from PIL import Image

    first = sorted(sections, key=lambda section: section.id != "components")
    uri = next(p.uri for s in first for p in s.pictures if p.uri.startswith("data:image/png"))
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")
    image.thumbnail((WIDE, WIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(64).save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def write_index(folder):
    """The path of `index.html` in a folder of reports: each with its verdict, the reason and a small picture.

    Args:
        folder: whose subfolders were written by `write_report`.

    Raises:
        InputError: there is no report in it, or its index.html was not written by bayesmix.
    """
    from bayesmix.report.page import render

    folder = Path(folder)
    found = [_read(path) for path in sorted(folder.glob(f"*/{FACTS}"))]
    if not found:
        raise InputError(f"{folder}: no report was found in this folder; `bayesmix run` writes one into reports/.")
    page = folder / "index.html"
    if page.exists() and 'content="bayesmix"' not in page.read_text(encoding="utf-8", errors="replace"):
        raise InputError(f"{page}: this page was not written by bayesmix and is left alone; move it, or the reports.")
    found.sort(key=lambda report: report["title"].lower())
    work = folder / ".index.html"
    work.write_text(render({"reports": found}, "index.html.j2"), encoding="utf-8")
    os.replace(work, page)
    return page


def _read(path):
    """The facts of one report, and its folder's name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in NAMES} | {"folder": path.parent.name}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: these are not the facts of a report ({error}); write the report again.") from None
