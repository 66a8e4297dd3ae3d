"""The structure of the code: imports go one way, from each folder to those before it."""

import ast
import graphlib
import pathlib

import pytest
from conftest import ROOT

ROOMS = (
    "base",  # The modules of `research` itself.
    "audio",
    "judge",
    "report",
    "models",
    "data",
    "training",
    "transfer",
    "configs",
    "api",
    "app",
    "shipped",
    "clips",
    "benchmarks",
    "scripts",
)
# Starting must stay quick, and some machines have none of these.
HEAVY = {
    "av",
    "librosa",
    "matplotlib",
    "orbax",
    "PIL",
    "scipy",
    "sklearn",
    "soundfile",
    "soxr",
    "starlette",
    "uvicorn",
}


def modules() -> dict[str, pathlib.Path]:
    """Every module of the project by its dotted name."""
    files = [*ROOT.glob("*.py"), *ROOT.glob("configs/*.py"), *ROOT.glob("research/**/*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


MODULES = modules()


def room(module: str) -> int:
    """The place of a module in `ROOMS`."""
    first, *inner = module.removesuffix(".__init__").split(".")
    if module == "research.__init__":
        return ROOMS.index("api")
    if first == "research":
        is_base = len(inner) == 1 and inner[0] not in ROOMS
        return ROOMS.index("base" if is_base else inner[0])
    return ROOMS.index("configs" if first == "configs" else "scripts")


def imports(module: str, at_start: bool = False) -> set[str]:
    """Modules that a module imports, of the project and others.

    Args:
      module: its name.
      at_start: True for what is imported with the module, not in functions or for types.
    """
    nodes: list[ast.AST] = [ast.parse(MODULES[module].read_text())]
    found = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{module} has a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inner if package_or_module(name)} or {node.module}
        elif not (at_start and is_later(node)):
            nodes += ast.iter_child_nodes(node)
    return {package_or_module(name) or name for name in found}


def is_later(node: ast.AST) -> bool:
    """True for a function, and for a block of `if TYPE_CHECKING`."""
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    return is_function or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))


def package_or_module(name: str) -> str | None:
    """The name in `MODULES` of a module or a package; None if it is of neither."""
    return next((one for one in (name, f"{name}.__init__") if one in MODULES), None)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_goes_back_up(module):
    own = room(module)  # Of an unknown folder it has none, and raises.
    for other in imports(module) & MODULES.keys():
        assert room(other) <= own, f"{module} imports {other}"


def test_no_circle_of_imports():
    graph = {module: imports(module) & MODULES.keys() for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", [one for one in MODULES if one != "research.clips.make_clips"])
def test_heavy_packages_are_imported_where_they_are_used(module):
    packages = {name.split(".")[0] for name in imports(module, at_start=True)}
    assert not packages & HEAVY


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_on_a_few_screens(module):
    num_lines = len(MODULES[module].read_text().splitlines())
    assert num_lines <= 350
