"""What holds for the package as a whole: light imports, public names, the command reference, its version."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "pandas", "scipy", "matplotlib", "lm_eval", "datasets", "accelerate")


@pytest.mark.parametrize(
    "code",
    [
        "import nil_audit; dir(nil_audit)",
        "import sys; sys.argv = ['nil-audit', '--help']\n"
        "from nil_audit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code",
    ],
)
def test_import_and_help_load_nothing_heavy(code: str) -> None:
    code += f"\nimport sys; loaded = [name for name in {HEAVY!r} if name in sys.modules]; assert not loaded, loaded"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_documented() -> None:
    import nil_audit

    for name in nil_audit.__all__:
        found = getattr(nil_audit, name)
        assert name == "__version__" or found.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nil_audit.nothing


def test_command_reference_is_in_step() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_command_reference.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_public_names_stay_what_they_are_whatever_else_is_imported() -> None:
    """A submodule becomes an attribute of the package when it is imported, and would hide a function of its name."""
    code = """
import importlib, pkgutil, nil_audit
for module in pkgutil.walk_packages(nil_audit.__path__, "nil_audit."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in nil_audit.__all__:
    found = getattr(nil_audit, name)
    assert not hasattr(found, "__path__") and not hasattr(found, "__file__"), name
    assert name == "__version__" or found.__name__ == name, name
assert callable(nil_audit.audit) and callable(nil_audit.compare)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command by an interpreter of its own."""
    return subprocess.run([sys.executable, "-m", "nil_audit", *arguments], capture_output=True, text=True)


def test_version_is_said_by_the_command_and_the_change_log() -> None:
    import nil_audit

    done = run("--version")
    assert done.stdout == f"nil-audit {nil_audit.__version__}\n"
    assert f"## {nil_audit.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_a_misspelt_command_is_not_taken_for_a_model() -> None:
    done = run("demmo")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no command 'demmo'; did you mean 'nil-audit demo'?")


def test_models_and_options_are_routed_to_the_audit() -> None:
    from nil_audit.cli.app import route

    assert route(["gpt2", "--json"]) == ["audit", "gpt2", "--json"]
    assert route(["--json", "org/model"]) == ["audit", "--json", "org/model"]
    assert route(["demo"]) == ["demo"]
    assert route(["--help"]) == ["--help"]
