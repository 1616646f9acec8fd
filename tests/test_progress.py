"""Libraries are silent while that is asked for, and as they were afterwards."""

import logging
import subprocess
import sys
import warnings

import pytest

from nil_audit.progress import quiet_libraries, silent


def test_logging_warnings_and_bars_are_silent_and_restored(capfd: pytest.CaptureFixture[str]) -> None:
    from datasets.utils.logging import get_logger
    from tqdm import tqdm
    from transformers.utils import logging as transformers_logging

    levels = [logging.getLogger(name).level for name in ("transformers", "datasets")]
    with pytest.raises(KeyError), quiet_libraries():
        transformers_logging.get_logger("transformers.models").error("an error of transformers")
        get_logger("datasets.load").error("an error of datasets")
        warnings.warn("a warning", stacklevel=1)
        assert list(tqdm([1, 2])) == [1, 2]
        raise KeyError
    assert capfd.readouterr() == ("", "")
    assert [logging.getLogger(name).level for name in ("transformers", "datasets")] == levels
    with pytest.warns(UserWarning, match="a warning"):
        warnings.warn("a warning", stacklevel=1)
    print("heard", file=sys.stderr)
    assert capfd.readouterr() == ("", "heard\n")


def test_nothing_is_imported_for_it() -> None:
    code = (
        "import sys\nfrom nil_audit.progress import quiet_libraries\nwith quiet_libraries(): pass\n"
        "assert not {'torch', 'transformers', 'datasets', 'huggingface_hub', 'lm_eval'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_silent_progress_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with silent("work", 3, unit="questions") as task:
        task.advance(2, "an estimate")
        task.tell("what it costs")
    assert capfd.readouterr() == ("", "")
