"""Imports go down the floors: the map of the library, read off its syntax trees."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import otcore

ROOT = Path(otcore.__file__).parent

# The floors of the design, the lowest last; a module stands on the floor of its longest prefix.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["demo"],
    ["bench"],
    ["plots", "_pairwise", "_warmup"],
    ["divergences"],
    ["_api"],
    ["_solve"],
    ["solvers", "solvers.auto"],  # the registry and the method that chooses among methods
    ["solvers.*"],  # one method each
    ["solvers._highs"],
    ["solvers._protocol"],
    ["neural"],
    ["certify"],
    ["reductions"],  # above the engines: a cap on costs asks one whether cheap arcs can carry the mass
    ["engines"],
    ["problem", "solution", "measure"],
    ["costs", "plans"],
    ["_kernels", "_gate", "_habits", "_memory", "_read", "_table"],
    ["errors", "_types"],
]
HEIGHT = {name: -k for k, names in enumerate(FLOORS) for name in names}
UPWARD = {  # Certificate.verify() and .to_json() open the second opinion and the writer when they are asked for
    ("solution", "certify.verify"),
    ("solution", "certify.export"),
}
ONLY = {  # who may import what is slow or optional
    "torch": ("neural", "bench.peers.entropic"),
    "ot": ("solvers.emd", "bench.peers"),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"}


def room(module: str) -> str:
    """The entry of FLOORS that a module belongs to."""
    if module in HEIGHT:
        return module
    package = module.split(".")[0]
    return "solvers.*" if package == "solvers" else package


def imports(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, also inside functions, but not for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import on line {node.lineno}"
            found |= {resolve(node.module or "", alias.name) for alias in node.names}
    return found


def resolve(module: str, name: str) -> str:
    """``from otcore.costs import Cost`` names the package, ``from otcore._kernels import tree`` the module."""
    if module == "otcore" and name in otcore._HOME_OF:
        return otcore._HOME_OF[name]
    inner = f"{module}.{name}"
    return inner if inner.removeprefix("otcore.") in FILES else module


OURS = {
    name: {m.removeprefix("otcore.") for m in imports(path) if m.startswith("otcore.")} for name, path in FILES.items()
}


def test_every_file_stands_on_a_floor():
    lost = [name for name in FILES if room(name) not in HEIGHT]
    assert not lost, f"give these a floor: {lost}"


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down(name):
    for other in OURS[name] - {name}:
        here, there = room(name), room(other)
        if (name, other) in UPWARD:
            continue
        assert there in HEIGHT, f"{name} imports {other}, which stands on no floor"
        if here == there and here != "solvers.*":
            continue  # inside one package
        assert HEIGHT[there] < HEIGHT[here], f"{name} ({here}) imports {other} ({there}), which is not below it"


def test_a_solver_never_imports_another_solver():
    methods = {name for name in FILES if room(name) == "solvers.*"}
    assert methods, "no method found"
    for name in methods:
        assert not OURS[name] & (methods - {name}), name


@pytest.mark.parametrize("module", ONLY)
def test_slow_and_optional_modules_are_imported_in_one_place_only(module):
    users = {name for name, path in FILES.items() if any(m.split(".")[0] == module for m in imports(path))}
    assert all(f"{name}.".startswith(tuple(f"{home}." for home in ONLY[module])) for name in users), users


def reachable(start: set[str]) -> set[str]:
    found, todo = set(), list(start)
    while todo:
        name = todo.pop()
        if name not in found and name in FILES:
            found.add(name)
            todo.extend(OURS[name])
    return found


def test_nothing_that_a_certificate_uses_has_fastmath():
    """Fast-math turns a compensated dot product into a plain one without a word."""
    used = reachable({name for name in FILES if room(name) in ("certify", "costs", "plans")})
    assert any(name.startswith("_kernels.") for name in used)
    for name in used:
        for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, f"{name}:{node.value.lineno}"


def test_the_second_opinion_shares_nothing_with_the_first():
    makers = {name for name in FILES if room(name) in ("certify", "engines", "_kernels", "reductions")}
    checkers = {"certify.verify", "certify.reals", "certify.tangents", "certify.check"}
    makers -= {"certify.export"}  # writes what is made already, and only after the checker has accepted it
    for checker in checkers:
        assert not OURS[checker] & (makers - checkers), checker
    assert not any(OURS[maker] & checkers for maker in makers - checkers)
    assert {m.split(".")[0] for m in imports(FILES["certify.check"])} <= sys.stdlib_module_names, "a lone file"
    used = imports(FILES["certify.verify"])
    assert not {m for m in used if m.split(".")[0] in ("numba", "scipy", "ot")}


def test_a_violation_would_be_seen(tmp_path):
    """The reader of syntax trees sees lazy imports and skips those for type checkers."""
    path = tmp_path / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from otcore.problem import Problem\n"
        "def f():\n    from otcore._kernels import tree\n    import torch.nn\n"
    )
    assert imports(path) == {"typing", "otcore._kernels.tree", "torch.nn"}
