"""A checkpoint from a source: what is loaded, what is refused, and what is left as it was."""

import logging
from pathlib import Path

import pytest
import torch

from nil_audit.errors import CheckpointError, UsageError
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.weights import DTYPES
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight, load_checkpoint
from tests.tiny import byte_tokenizer, checkpoint_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_folder(tmp_path_factory.mktemp("models") / "tiny")


def load(name: Path, *, device: str = "cpu", **options: object) -> Checkpoint:
    source = resolve(str(name))
    return load_checkpoint(source, read_shape(source), device=device, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_torchs(folder: Path, dtype: str) -> None:
    found = load(folder, dtype=dtype)
    assert embedding_weight(found.model).dtype == getattr(torch, dtype)
    assert (found.dtype, found.device, found.notes) == (dtype, "cpu", ())
    assert not found.model.training
    assert not any(parameter.requires_grad for parameter in found.model.parameters())


def test_a_configuration_alone_has_no_weights(folder: Path) -> None:
    alone = folder / "candidate.json"
    alone.write_text((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match="is a configuration without weights"):
        load(alone)
    assert load(folder / "config.json").source.folder == folder


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_here_is_named(folder: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"There is no device '{device}' here"):
        load(folder, device=device)


def test_a_tokenizer_of_few_words_is_noted(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    byte_tokenizer(100).save_pretrained(folder)
    assert load(folder).notes == (f"The tokenizer of {folder} knows 100 of the model's 256 tokens.",)


def test_loading_says_nothing_and_leaves_the_library_as_talkative_as_it_was(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("transformers")
    before = logger.level
    load(folder)
    assert logger.level == before
    assert capfd.readouterr() == ("", "")
