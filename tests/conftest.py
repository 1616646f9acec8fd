"""What every test may use: the shared data where they are present, and the command as a user runs it."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.drawn import lighten
from tests.forks import Forks
from tests.hub import Hub

# the same inputs in every run
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# Set before any test imports huggingface_hub, which reads them once.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="nil-audit-tests-")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and checkpoints beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository (real data sets and checkpoints)")
    return SHARED


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process that has loaded what an audit, a score and a comparison load."""
    ours = ("cli.app", "auditing.audit", "interaction.measure", "weights.checkpoint", "report.audit.page", "gguf_file")
    ours += ("comparison.compare", "report.comparison.page", "report.score")
    ours += ("score.engines.shared", "score.questions", "score.run")
    libraries = ("huggingface_hub.hf_api", "transformers.models.llama.modeling_llama", "matplotlib.figure", "gguf")
    libraries += ("pandas", "scipy.stats", "scipy.interpolate", "datasets", "lm_eval.tasks")
    with Forks(*(f"nil_audit.{name}" for name in ours), *libraries) as loaded:
        yield loaded


@pytest.fixture
def run_command(forks: Forks, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``nil-audit`` in a process of its own, offline, with a cache of its own, in an empty folder."""

    def run(*arguments: str | Path, columns: int = 80, **environment: str) -> subprocess.CompletedProcess[str]:
        work = tmp_path / "cwd"
        work.mkdir(exist_ok=True)
        own = {
            "NIL_AUDIT_CACHE": str(tmp_path / "cache"),
            "HF_HOME": str(tmp_path / "hf"),
            "COLUMNS": str(columns),
            "NO_COLOR": "1",
        }
        said = tmp_path / "said"
        said.mkdir(exist_ok=True)
        command = [*map(str, arguments)]
        started = forks.start(command, work, said=said, **own | environment)
        return subprocess.CompletedProcess(command, started.wait(), started.stdout, started.stderr)

    return run


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A stand-in for the Hugging Face Hub; point a process at it with ``hub.environment(folder)``."""
    with Hub() as server:
        yield server


@pytest.fixture
def whole_figures() -> None:
    """Asked for by a test that is about a figure's PNG or PDF."""


@pytest.fixture
def light_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without their PNG and PDF, see `tests.drawn`."""
    if "whole_figures" not in request.fixturenames:
        lighten(monkeypatch)
