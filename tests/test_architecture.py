"""The import rule: imports point down, services do not know each other, Flask lives in one package.

ARCHITECTURE.md shows the rule, and names files and code that exist.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "simulator").rglob("*.py"))
LONG = 250
"""How many lines a module may have without a reason."""

# Which other parts of the package each part may import.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "progress": set(),
    "document": {"errors", "progress"},
    "contract": {"document", "errors"},
    "directory": {"errors"},
    "state": {"directory", "document", "errors", "settings"},
    "services": {"contract", "directory", "errors", "state"},
    "fixture": {"contract", "directory", "document", "errors", "progress", "services", "state"},
    "control": {
        "contract",
        "directory",
        "document",
        "errors",
        "fixture",
        "reports",
        "services",
        "settings",
        "state",
    },
    "console": {"contract", "control", "reports", "services", "state"},
    "http": {
        "console",
        "contract",
        "control",
        "directory",
        "document",
        "errors",
        "log",
        "services",
        "settings",
        "state",
    },
    "log": {"reports", "state"},
    "server": {"contract", "errors", "http", "settings"},
    "app": {
        "contract",
        "control",
        "directory",
        "document",
        "errors",
        "fixture",
        "http",
        "log",
        "server",
        "services",
        "settings",
        "state",
    },
    "client": {"errors", "progress", "reports", "settings"},
    "library": {"app", "client", "document", "errors", "fixture", "reports", "server", "settings"},
    "pytest_plugin": {"app", "client", "document", "errors", "fixture", "library", "reports", "settings"},
    "reports": set(),
    "lab": {"app", "contract", "directory", "document", "errors", "fixture", "settings", "state"},
    "cli": {
        "app",
        "client",
        "contract",
        "control",
        "directory",
        "document",
        "errors",
        "fixture",
        "lab",
        "library",
        "log",
        "progress",
        "reports",
        "server",
        "settings",
        "state",
    },
    "__main__": {"cli"},
    "__init__": {"app", "client", "errors", "library", "server"},
}
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([^`]+)`", PAGE)
SERVICES = {path.name for path in (ROOT / "simulator" / "services").iterdir() if (path / "model.py").exists()}


def imported(module: Path) -> set[str]:
    """Return the dotted names that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names.update({node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names})
    return names


def part(module: Path) -> str:
    return module.relative_to(ROOT / "simulator").parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below_it(module: Path) -> None:
    ours = {name.split(".")[1] for name in imported(module) if name.startswith("simulator.") and name.count(".")}
    assert ours - ALLOWED[part(module)] - {part(module), "__version__"} == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_flask_and_werkzeug_live_in_http_and_the_composition_root(module: Path) -> None:
    foreign = {name.split(".")[0] for name in imported(module)}
    if part(module) not in ("http", "app"):
        assert foreign & {"flask", "werkzeug", "flask_swagger_ui"} == set()


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_is_three_files_that_import_in_one_direction_and_no_other_service(service: str) -> None:
    package = ROOT / "simulator" / "services" / service
    assert {path.name for path in package.glob("*.py")} == {"__init__.py", "model.py", "rules.py", "operations.py"}
    below = {"model": {"model"}, "rules": {"model", "rules"}, "operations": {"model", "rules", "operations"}}
    for name, allowed in below.items():
        names = imported(package / f"{name}.py")
        own = {each.split(".")[3] for each in names if each.startswith(f"simulator.services.{service}.")}
        assert own <= allowed
        others = SERVICES - {service}
        assert not [each for each in names if each.split(".")[2:3] and each.split(".")[2] in others]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_rules_know_no_http_no_contract_and_no_world(service: str) -> None:
    for name in ("model", "rules"):
        names = imported(ROOT / "simulator" / "services" / service / f"{name}.py")
        assert not [
            each for each in names if each.startswith(("simulator.contract", "simulator.state", "simulator.http"))
        ]


def test_no_kernel_module_contains_the_name_of_a_service() -> None:
    names = {*SERVICES, "Call Capacity", "callCapacit", "Executive", "executive"}
    for module in MODULES:
        # The laboratory asks about the behaviour of each service.
        if part(module) in ("app", "lab") or ("services" in module.parts and module.parent.name in SERVICES):
            continue
        code = ast.unparse(ast.parse(module.read_text(encoding="utf-8")))
        without_docstrings = "\n".join(
            line for line in code.splitlines() if not line.lstrip().startswith(('"""', "'''"))
        )
        assert not [name for name in names if name in without_docstrings], module


def test_only_the_composition_root_knows_which_services_there_are() -> None:
    for module in MODULES:
        if module.parent.name in SERVICES or part(module) == "app":
            continue
        assert not [name for name in imported(module) for service in SERVICES if f"services.{service}" in name], module


def test_a_long_module_says_why_it_is_long() -> None:
    for module in MODULES:
        text = module.read_text("utf-8")
        docstring = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
        assert len(text.splitlines()) <= LONG or re.search("The (module|class) is long because ", docstring), module


def test_templates_are_rendered_in_one_place() -> None:
    assert [part(each) for each in MODULES if "jinja2" in {name.split(".")[0] for name in imported(each)}] == [
        "reports"
    ]


def test_the_page_lists_all_rooms_and_each_imports_only_from_below() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.partition("| Room |")[2].partition("\n\n")[0], re.MULTILINE)
    rooms = [name.rstrip("/").removesuffix(".py") for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(rooms) == sorted(ALLOWED.keys() - {"__init__", "__main__"})
    for i, room in enumerate(rooms):
        assert ALLOWED[room] <= set(rooms[i + 1 :]), room


def test_the_page_names_files_and_folders_that_exist() -> None:
    files = [name for name in NAMED if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.(py|yaml|yml|md|html|json))", name)]
    assert len(files) > 50
    inside_services = {"model.py", "rules.py", "operations.py"}
    for name in files:
        assert name in inside_services or (ROOT / "simulator" / name).exists() or (ROOT / name).exists(), name


def members(module: Path) -> set[str]:
    """The names that a module defines, and the methods and attributes of its classes: `Sandbox.reset`."""
    names: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        names |= stored([node])
        if isinstance(node, ast.ClassDef):
            of_self = {ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Attribute)}
            own = stored(node.body) | {name[5:] for name in of_self if name.startswith("self.")}
            names |= {f"{node.name}.{name}" for name in own}
    return names


def stored(statements: list[ast.stmt]) -> set[str]:
    """The names that these statements define."""
    names: set[str] = set()
    for node in statements:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names.add(ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target))
    return names


def test_the_page_names_code_that_exists_in_the_file_that_it_names() -> None:
    dotted = {name for name in NAMED if re.fullmatch(r"[A-Z]\w+\.[a-z]\w+", name)}
    assert len(dotted) > 10
    assert dotted - set().union(*map(members, MODULES)) == set()
    placed = re.findall(r"`([\w.]+)`\s\(`([\w/]+\.py)`\)", PAGE)
    assert len(placed) > 20
    for name, file in placed:
        assert name in members(ROOT / "simulator" / file), f"{file}: {name}"
