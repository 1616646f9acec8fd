"""Runs that are killed at random moments leave nothing half written, and the next ones nothing of them."""

from pathlib import Path

from tests.forks import Forks

# without the files of figures, which are not looked into
CAMPAIGN = """
import sys
import pytest
from benchmarks.kill_campaign import main
from tests.drawn import lighten

sys.argv = ["kill_campaign", "--kills", "4", "--models", "2", "--only", "audit"]
lighten(pytest.MonkeyPatch())
main()
"""


def test_killed_runs_leave_whole_files_and_the_last_one_equals_an_undisturbed_one(forks: Forks, tmp_path: Path) -> None:
    done = forks.start((), tmp_path, before=CAMPAIGN)
    assert done.wait(240) == 0, done.stdout + done.stderr
    assert done.stdout.startswith("kills: ") and done.stdout.endswith(", wrong: 0.\n")
