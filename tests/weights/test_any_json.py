"""Whatever stands in the JSON files beside good weights, the end is a result or one sentence."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.weights.mutations import base, change_one, outcome, probe


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """A good checkpoint, the folder of the one that is changed, and a text."""
    work = tmp_path_factory.mktemp("json")
    (work / "model").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(work / "cache"))
        yield base(work / "fresh"), work / "model", probe(work)


@settings(max_examples=90, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_any_json_beside_good_weights_ends_in_a_result_or_in_a_sentence(
    place: tuple[Path, Path, Path], seed: int
) -> None:
    fresh, folder, text = place
    random = Random(seed)
    name = change_one(random, folder, fresh)
    command = "candidate" if name == "config.json" and random.random() < 0.2 else "load"
    outcome(folder, text, command=command)
