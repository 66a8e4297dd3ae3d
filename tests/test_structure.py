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
    files = [file for file in files if "clips" not in file.parts]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


MODULES = modules()


def room(module: str) -> int:
    """The place of a module in `ROOMS`."""
    first, *inner = module.removesuffix(".__init__").split(".")
    if module == "research.__init__":
        return ROOMS.index("api")
    if first == "research":
        return ROOMS.index(inner[0]) if inner and inner[0] in ROOMS else 0
    return ROOMS.index("configs" if first == "configs" else "scripts")


def imports(module: str, inside_functions: bool) -> set[str]:
    """Modules that a module imports, of the project and others; those for types count too."""
    tree = ast.parse(MODULES[module].read_text())
    nodes = ast.walk(tree) if inside_functions else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {node.module}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_no_import_goes_back_up(module):
    for other in imports(module, inside_functions=True) & MODULES.keys():
        assert room(other) <= room(module), f"{module} imports {other}"


def test_no_circle_of_imports():
    graph = {module: imports(module, inside_functions=True) & MODULES.keys() for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_where_they_are_used(module):
    packages = {name.split(".")[0] for name in imports(module, inside_functions=False)}
    assert not packages & HEAVY


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_on_a_few_screens(module):
    num_lines = len(MODULES[module].read_text().splitlines())
    assert num_lines <= 350
