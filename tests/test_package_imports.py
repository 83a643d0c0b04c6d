"""Packages import one way, and the shell starts without torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

import relook

ROOT = Path(relook.__file__).parent
ORDER = [
    {
        "types",
        "gaussians",
        "errors",
        "files",
        "heif",
        "io",
        "captures",
        "cache",
        "config",
        "stated",
        "covers",
        "options",
        "record",
        "session",
        "engine",
        "progress",
        "ops",
        "__init__",
    },
    {"models"},
    {"perceive"},
    {"correspond"},
    {"transfer"},
    {"lift"},
    {"evaluate"},
    {"present"},
]
RANK = {package: rank for rank, packages in enumerate(ORDER) for package in packages}
ALLOWED_FOR_DOLLHOUSE = {"dollhouse", "types", "errors", "ops"}


@cache
def imports(source: str) -> list[ast.Import | ast.ImportFrom]:
    """What a source imports, at any depth (also inside functions); read once for all tests."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def packages_imported(source: str) -> set[str]:
    """Packages that a module's source imports, at any depth (also inside functions)."""
    names = set()
    for node in imports(source):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module == "relook":
            names |= {f"relook.{alias.name}" for alias in node.names}
        elif node.level == 0 and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("relook.")} & (
        set(RANK) | {"dollhouse", "training"}
    )


def offences(package: str, imported: set[str]) -> set[str]:
    """The imported packages that `package` may not import."""
    if package == "dollhouse":
        return imported - ALLOWED_FOR_DOLLHOUSE
    if package == "training":
        return imported & {"present"}
    if package in {"evaluate", "present"}:  # the suites draw rooms; the command line starts the training
        imported = imported - {"dollhouse"} - ({"training"} if package == "present" else set())
    return {other for other in imported if other in {"dollhouse", "training"} or RANK[other] > RANK[package]}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    assert package in {*RANK, "dollhouse", "training"}, f"{package} is no package of the design"
    source = path.read_text()
    assert not offences(package, packages_imported(source))
    assert not [node for node in imports(source) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("ops", "from relook.transfer.edit import AttentionEdit"),
        ("transfer", "def f():\n    import relook.evaluate.metrics"),
        ("dollhouse", "from relook.io import write_picture"),
        ("training", "from relook.present.cli import main"),
        ("transfer", "from relook.dollhouse import render"),
    ],
)
def test_an_upward_import_is_seen(package: str, source: str) -> None:
    assert offences(package, packages_imported(source))


def sources() -> dict[str, str]:
    """Every module of the package by its dotted name, a package's __init__ by the package's."""
    named = {".".join(("relook", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}
    return {name.removesuffix(".__init__"): path.read_text() for name, path in named.items()}


def modules_imported(source: str, modules: Collection[str]) -> set[str]:
    """The modules that a source imports, at any depth (also inside functions)."""
    names: set[str] = set()
    for node in imports(source):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            inside = {f"{node.module}.{alias.name}": node.module for alias in node.names}
            names |= {module if module in modules else package for module, package in inside.items()}
    return names & set(modules)


def hidden(modules: Mapping[str, str]) -> set[str]:
    """Names that a package takes from elsewhere although a module inside it has that name: importing the module would replace them."""
    found = set()
    for package, source in modules.items():
        for node in imports(source):
            if isinstance(node, ast.ImportFrom) and node.module and node.col_offset == 0:  # at the module's level
                names = {f"{package}.{alias.asname or alias.name}" for alias in node.names}
                found |= {
                    name
                    for name in names
                    if name in modules
                    and name != node.module
                    and f"{node.module}.{name.rsplit('.', 1)[1]}" not in modules
                }
    return found


def test_no_module_hides_a_name_of_its_package() -> None:
    assert not hidden(sources())


def test_a_hidden_name_is_seen() -> None:
    modules = {"relook.one": "from relook.one.two import three\nfrom relook.one.four import four"}
    assert hidden(modules | {"relook.one.three": "", "relook.one.four": ""}) == {"relook.one.three"}


def cycles(modules: dict[str, str]) -> list[set[str]]:
    """Modules that import each other, directly or through others."""
    names = sorted(modules)
    edges = np.zeros((len(names), len(names)), bool)
    for row, name in enumerate(names):
        edges[row, [names.index(other) for other in modules_imported(modules[name], names)]] = True
    _, labels = connected_components(edges, directed=True, connection="strong")
    groups = [{names[i] for i in np.flatnonzero(labels == label)} for label in np.unique(labels)]
    return [group for group in groups if len(group) > 1]


def test_no_modules_import_each_other() -> None:
    assert cycles(sources()) == []


def test_a_cycle_is_seen_also_inside_functions() -> None:
    modules = {
        "relook.one": "from relook import two",
        "relook.two": "def f():\n    from relook.three import g",
        "relook.three": "import relook.one",
        "relook.four": "from relook.one import thing",
    }
    assert cycles(modules) == [{"relook.one", "relook.two", "relook.three"}]


def test_no_print_and_no_sys_path() -> None:
    calls = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr == "path" and getattr(node.value, "id", "") == "sys")
    }
    assert not calls


@pytest.mark.parametrize("words", [["--help"], ["photo", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys; from relook.present.cli import main\n"
        f"code = main({words!r})\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'skimage', 'scipy', 'cv2', 'ot', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "relook" in run.stdout


def test_the_studios_page_is_there_before_what_computes(tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")
    script = (
        "import sys; from pathlib import Path\n"
        "from relook.present.studio.stubs import without_stubs\n"
        "with without_stubs():\n"
        "    from relook.present.studio.server import application\n"
        "    from relook.present.studio.work import Studio\n"
        f"application(Studio(Path({str(tmp_path)!r})))\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'skimage', 'scipy', 'cv2'} & set(sys.modules)\n"
        "import relook.lift.restyled\n"
        "heavy |= {'diffusers'} & set(sys.modules)\n"  # only one of its methods denoises
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_every_fixture_is_used() -> None:
    """Each helper is imported by a test or another helper, or named as its plugin, each folder of data is named by one."""
    folder = Path(__file__).parent
    sources = {path: path.read_text() for path in folder.rglob("*.py") if path != Path(__file__)}
    for entry in (folder / "fixtures").iterdir():
        word = re.compile(
            rf'(import|from) {entry.stem}\b|"{entry.stem}"' if entry.suffix == ".py" else f'"{entry.name}"'
        )
        used = any(word.search(text) for path, text in sources.items() if path != entry)
        assert used or entry.name == "__pycache__", f"nobody uses {entry}"
