"""GGUF files by name and by header: which a folder means, and which are told in a sentence instead of being loaded."""

import json
import re
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nil_audit.errors import CheckpointError, ConfigError, NilAuditError, SourceError
from nil_audit.gguf_file import GgufFile
from nil_audit.source import resolve
from nil_audit.weights.files import find_weights
from tests.tiny import checkpoint_folder
from tests.weights.gguf_files import tiny_llama, write_gguf


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_llama())


def copied(file: Path, *to: Path) -> None:
    for path in to:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, path)


def test_a_folder_means_its_one_gguf_file(tiny: Path, tmp_path: Path) -> None:
    copied(tiny, tmp_path / "alone" / "a.gguf", tmp_path / "beside" / "a.GGUF")
    (tmp_path / "beside" / "config.json").write_text('{"model_type": "gpt2", "n_layer": 7}')
    (tmp_path / "beside" / "training_args.bin").write_bytes(b"")
    for name in ("alone", "beside"):
        found = resolve(str(tmp_path / name))
        assert (found.kind, found.config["num_hidden_layers"], found.config["model_type"]) == ("local", 2, "llama")
        assert found.digest == resolve(str(tiny)).digest
        assert re.fullmatch("sha256:[0-9a-f]{64}", found.digest)


def test_other_weights_in_a_folder_come_first(tiny: Path, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "both")
    copied(tiny, folder / "a.gguf")
    assert resolve(str(folder)).gguf is None
    assert resolve(str(folder / "a.gguf")).gguf is not None


def test_of_several_files_one_has_to_be_named(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "several"
    copied(tiny, *(folder / f"{letter}.gguf" for letter in "abcde"))
    with pytest.raises(ConfigError) as error:
        resolve(str(folder))
    assert str(error.value) == (
        f"The folder {folder} holds 5 GGUF files (a.gguf, b.gguf, c.gguf and 2 more); name one of them."
    )
    (folder / "config.json").write_text('{"model_type": "llama"}')
    source = resolve(str(folder))  # a configuration can be read without weights
    assert source.gguf is None
    with pytest.raises(
        CheckpointError, match=r"several has its weights as GGUF alone; name the file, .*several/a\.gguf"
    ):
        find_weights(source, allow_pickle=False, trust_remote_code=False)


def test_parts_are_to_be_merged(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    copied(tiny, folder / "m-00001-of-00002.gguf", folder / "m-00002-of-00002.gguf")
    whole = "merge them (llama-gguf-split --merge m-00001-of-00002.gguf whole.gguf), and name the whole"
    for name in (folder, folder / "m-00002-of-00002.gguf"):
        with pytest.raises(CheckpointError, match=re.escape(whole)):
            resolve(str(name))
    copied(tiny, tmp_path / "one-00001-of-00001.gguf")
    assert resolve(str(tmp_path / "one-00001-of-00001.gguf")).gguf is not None


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"split.count": 3}, "is one of several GGUF files that hold a model together"),
        ({"general.type": "adapter"}, "is a GGUF file of the type 'adapter', not a model; name the model's file"),
        ({"general.alignment": 33}, "is damaged or cut short (its general.alignment is 33)"),
    ],
)
def test_a_header_that_is_not_of_a_whole_model(tmp_path: Path, metadata: dict[str, object], words: str) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), metadata=metadata)
    with pytest.raises(CheckpointError, match=re.escape(words)):
        resolve(str(file))


def test_an_architecture_that_transformers_does_not_know(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), architecture="minicpm")
    with pytest.raises(ConfigError) as error:
        resolve(str(file))
    assert str(error.value) == (
        f"{file} is a GGUF file of the architecture 'minicpm', which the installed transformers cannot read; update"
        " transformers, or audit the model that the file was made from."
    )


def without_a_key(data: bytes) -> bytes:
    return data.replace(b"llama.block_count", b"llama.block_cnts!")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"", "is damaged or cut short (cannot mmap an empty file"),
        (lambda data: data[:2], "is not a GGUF file, whatever it is called; download it again"),
        (lambda data: b"version https://git-lfs", "is not a GGUF file, whatever it is called"),
        (lambda data: data[:20], "is damaged or cut short (its header ends early)"),
        (lambda data: data[:300], "is damaged or cut short (its header ends early)"),
        (lambda data: data[:-40], "bytes); download it again"),
        (lambda data: data[:4] + struct.pack("<I", 1) + data[8:], "it is of version 0x1, and 2 and 3 can be read"),
        (lambda data: data[:4] + struct.pack(">I", 3) + data[8:], "in the byte order of other machines"),
        (lambda data: data[:8] + struct.pack("<Q", 2**62) + data[16:], "is damaged or cut short"),
        (lambda data: data[:16] + struct.pack("<Q", 2**62) + data[24:], "is damaged or cut short"),
        (lambda data: data.replace(b"general.architecture", b"general.architectura"), "does not say its general.archi"),
        (lambda data: data.replace(b"\nllama".replace(b"\n", b""), b"ll\xffma"), "is damaged or cut short"),
        (without_a_key, "does not say its depth"),
    ],
)
def test_damage_is_told_in_a_sentence(tiny: Path, tmp_path: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    from nil_audit.shape.architecture import read_shape

    file = tmp_path / "damaged.gguf"
    file.write_bytes(damage(tiny.read_bytes()))
    with pytest.raises(NilAuditError) as error:
        read_shape(str(file))
    assert words in str(error.value)
    assert "damaged.gguf" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_type_of_tensor_that_nobody_knows(tiny: Path, tmp_path: Path) -> None:
    data = bytearray(tiny.read_bytes())
    name = b"token_embd.weight"
    at = data.index(name) + len(name) + 4 + 2 * 8
    data[at : at + 4] = struct.pack("<I", 999)
    (tmp_path / "new.gguf").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"'token_embd\.weight' is stored as type 999, which gguf does not know"):
        resolve(str(tmp_path / "new.gguf"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_of_a_header_is_a_defect(tiny: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(tiny.read_bytes())
    header = content.index(b"output_norm.weight") + 100
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, header))
        content[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    file = tmp_path / "fuzzed.gguf"
    file.write_bytes(content)
    try:
        found = GgufFile.read("fuzzed.gguf", file)
    except NilAuditError as error:
        assert "fuzzed.gguf" in str(error)
    else:
        assert isinstance(found.architecture, str)


def test_without_the_package_the_sentence_says_how_to_get_it(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CheckpointError, match=r"needs the package gguf to be read; pip install 'nil-audit\[gguf\]'\."):
        resolve(str(tiny))


def test_a_gguf_file_that_is_not_there_is_no_hub_id() -> None:
    for name in ("missing.gguf", "models/missing.gguf"):
        with pytest.raises(SourceError, match=r"is neither an existing folder or file nor a Hub id"):
            resolve(name)


def test_the_command(tiny: Path, tmp_path: Path, run_command: Callable[..., CompletedProcess[str]]) -> None:
    """The shape comes from the header; a file that is cut short ends in a sentence and exit code 1."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny.read_bytes()[:-40])
    found = run_command(tiny, cut, "--shape-only", "--json")
    assert found.returncode == 1
    document = json.loads(found.stdout)
    assert [record["shape"]["depth"] for record in document["records"]] == [2]
    assert "cut.gguf is damaged or cut short (it has" in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
