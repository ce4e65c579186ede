"""Sphinx configuration; the build needs no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes

import otcore
from otcore.solvers.auto import RULES

DOCS = Path(__file__).parent
GENERATED = DOCS / "_generated"

project = "otcore"
author = copyright = "the otcore developers"
version = release = otcore.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
]
exclude_patterns = ["_build", "_generated/*.md"]  # what is left in _generated is included by pages
templates_path: list[str] = []
myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"  # the numpydoc sections say it with shapes and units
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"  # browsers draw it themselves: the pages need no network either
html_sidebars: dict[str, list[str]] = {"**": []}
html_title = f"otcore {release}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}


def write_methods_table() -> None:
    """The table of methods, read from the registry: a new solver file is in the docs by existing."""
    lines = ["| method | what it does | needs | default rtol |", "|---|---|---|---|"]
    for method in otcore.methods():
        needs = ", ".join(sorted(method.needs)) or "any cost"
        needs += "".join(f"; `{name}` installed" for name in method.requires)
        rtol = "that of its choice" if method.rtol is None else f"{method.rtol:.0e}"
        lines.append(f"| `{method.name}` | {method.summary.replace('|', chr(92) + '|')} | {needs} | {rtol} |")
    (GENERATED / "methods.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_rules_table() -> None:
    """What ``auto`` does, read from the rules that it follows."""
    lines = ["| rule | `auto` takes | because |", "|---|---|---|"]
    lines += [f"| {number} | `{rule.method}` | {rule.why} |" for number, rule in enumerate(RULES, start=1)]
    (GENERATED / "rules.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_references() -> None:
    """The bibliography as a page: one paragraph an entry of ``references.bib``, which is its own link target."""
    entries = re.split(r"^@\w+\{", (DOCS / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    paragraphs = []
    for entry in entries:
        fields = dict(re.findall(r"^ +(\w+) += \{(.*)\},$", entry, flags=re.MULTILINE))
        where = fields.get("journal") or fields.get("publisher") or fields.get("school", "")
        issue = fields.get("volume", "") + (f"({fields['number']})" if "number" in fields else "")
        source = ", ".join(part for part in (f"*{where}* {issue}".strip(), fields.get("pages", "")) if part)
        authors = fields["author"].replace(" and ", "; ")
        text = f"{authors} ({fields['year']}). {fields['title']}. {source}.".replace("--", "–")
        text += f" [doi:{fields['doi']}](https://doi.org/{fields['doi']})" if "doi" in fields else ""
        paragraphs.append(f"({entry.partition(',')[0]})=\n{text}\n")
    (GENERATED / "references.md").write_text("\n".join(paragraphs), encoding="utf-8")


def draw_examples() -> None:
    """Run every example, so that each picture in the gallery is the one that its script draws today."""
    for script in sorted((DOCS.parent / "examples").glob("*.py")):
        if "otcore.neural" in script.read_text(encoding="utf-8"):
            continue  # needs torch, which these pages do without
        here = str(Path(otcore.__file__).parents[1])
        environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": here}
        subprocess.run([sys.executable, str(script), str(GENERATED)], check=True, env=environment, capture_output=True)


def visit_math(self: Any, node: Any) -> None:
    """A formula as MathML, in the line or on a line of its own."""
    if isinstance(node, nodes.math_block):
        self.body.append(f"<p>{latex2mathml.converter.convert(node.astext(), display='block')}</p>")
    else:
        self.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Generated pages come before Sphinx lists the sources."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    GENERATED.mkdir(exist_ok=True)
    write_methods_table()
    write_rules_table()
    write_references()
    draw_examples()
