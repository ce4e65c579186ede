"""What the pages say is true: their code runs, their tables are complete, their references exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import otcore

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
OPTIONAL = {"torch"}  # a module that needs one of these is left out where it is missing


def modules():
    """Names of every module of the package."""
    return [m.name for m in pkgutil.walk_packages(otcore.__path__, "otcore.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("page", [p for p in PAGES if ">>>" in p.read_text(encoding="utf-8")], ids=lambda p: p.name)
def test_the_examples_of_a_page_run(page):
    fences = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    text = "\n".join(fence for fence in fences if ">>>" in fence)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert test.examples
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test).failed == 0


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_run(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name in OPTIONAL:
            pytest.skip(f"{error.name} is not installed")
        raise
    assert doctest.testmod(module, optionflags=FLAGS).failed == 0


def test_every_public_name_is_in_the_reference():
    reference = set(re.findall(r"^   ([A-Za-z_][\w.]*)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    missing = {name for name in otcore.__all__ if not name.startswith("__")} - reference
    assert not missing


def test_every_method_is_explained():
    page = (ROOT / "docs" / "how-to-choose.md").read_text(encoding="utf-8")
    assert all(f"`{method.name}`" in page or f'"{method.name}"' in page for method in otcore.methods())


def bibliography():
    """Keys of the entries of the bibliography, as they stand."""
    return re.findall(r"^@\w+\{(\w+),", (ROOT / "docs" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_bibliography_is_sorted_and_keyed_by_first_author_and_year():
    entries = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8").split("@")[1:]
    assert bibliography() == sorted(set(bibliography()))
    for key, entry in zip(bibliography(), entries, strict=True):
        author = re.search(r"author += \{(?:v[ao]n )*(\w+)", entry)[1].lower().translate(str.maketrans("ůé", "ue"))
        assert key == author + re.search(r"year += \{(\d+)", entry)[1]


@pytest.mark.parametrize("path", sorted((ROOT / "otcore").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_the_code_cites_is_in_the_bibliography(path):
    keys = set(bibliography())
    for citation in re.findall(r"\[([A-Z][^][]*\b(?:1[89]|20)\d\d\b[^][]*)\]", path.read_text(encoding="utf-8")):
        for who, year in re.findall(r"(\D+?)\b((?:1[89]|20)\d\d)\b", citation):
            assert any(name.lower() + year in keys for name in re.findall(r"[A-Z]\w+", who)), citation


def test_the_readme_holds_the_two_commands_that_continuous_integration_reads():
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("otcore demo") and commands[1].endswith("pytest")


def test_the_version_is_the_same_everywhere():
    written = {
        "pyproject.toml": r'^version = "(.*)"',
        "CITATION.cff": r"^version: (.*)",
        "CHANGELOG.md": r"^## (\S+)",
    }
    for name, pattern in written.items():
        found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None and found.group(1) == otcore.__version__, name
