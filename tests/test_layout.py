"""The house: which room may import which, and how large its modules are. No exemption."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "nil_audit"
FLOORS = (
    "cli",
    "report",
    "comparison",
    "candidate",
    "calibration",
    "auditing",
    "score",
    "interaction",
    "budget",
    "catalog",
    "weights",
    "shape",
    "law",
    "ground",
)
"""From the top down: a module imports from its own floor and from those below it."""
GROUND = (
    "data",
    "displayed",
    "stats",
    "source",
    "folder",
    "gguf_file",
    "hub",
    "runner",
    "files",
    "progress",
    "processes",
    "errors",
)
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "nil_audit")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if node.module and node.module.split(".")[0] == "nil_audit":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in MODULES else node.module


def floor(module: str) -> int:
    """Which floor a module is on, 0 the top one."""
    room = module.split(".")[1]
    return FLOORS.index("ground" if room in GROUND else room)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"nil_audit", "nil_audit.__main__"}))
def test_arrows_run_down(module: str) -> None:
    if module.startswith("nil_audit.data"):
        assert not list(imports(MODULES[module]))
        return
    for other in imports(MODULES[module]):
        if other != "nil_audit":
            assert floor(other) >= floor(module), f"{module} imports {other} from a floor above it"


def test_no_circle() -> None:
    arrows = {module: set(imports(path)) - {module, "nil_audit"} for module, path in MODULES.items()}
    while leaves := {module for module, others in arrows.items() if not others & arrows.keys()}:
        arrows = {module: others for module, others in arrows.items() if module not in leaves}
    assert not arrows, f"these import each other in a circle: {sorted(arrows)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_fits_on_a_few_screens(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400
