"""Runs that are killed at random moments leave nothing half written, and the next ones nothing of them."""

import subprocess
import sys
from pathlib import Path


def test_killed_runs_leave_whole_files_and_the_last_one_equals_an_undisturbed_one() -> None:
    command = [sys.executable, "-m", "benchmarks.kill_campaign", "--kills", "4", "--models", "2", "--only", "audit"]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("kills: ") and done.stdout.endswith(", wrong: 0.\n")
