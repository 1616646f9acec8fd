"""What a model's name leads to: folders and files, and a stand-in Hub with all the ways in which it can refuse."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nil_audit.errors import CheckpointError, ConfigError, SourceError
from nil_audit.source import resolve
from tests.hub import Hub

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "vocab_size": 96,
}
# Runs in a process of its own, because huggingface_hub reads its environment once.
RESOLVE = """
import json, sys
from nil_audit.errors import NilAuditError
from nil_audit.source import resolve
answers = []
for source in sys.argv[1:]:
    try:
        found = resolve(source)
        commit = found.digest.removeprefix("git:")
        answers.append([found.kind, found.reference, commit, found.config["num_hidden_layers"]])
    except NilAuditError as error:
        answers.append([type(error).__name__, str(error)])
assert "torch" not in sys.modules and "transformers" not in sys.modules
print(json.dumps(answers))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model", CONFIG)


def write(folder: Path, config: Any, *, name: str = "config.json") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return folder


def resolve_in_process(*sources: str, environment: dict[str, str]) -> list[list[Any]]:
    process = subprocess.run(
        [sys.executable, "-c", RESOLVE, *sources],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return json.loads(process.stdout)


def test_folder_and_file_are_local(folder: Path) -> None:
    for source, expected in ((folder, folder), (folder / "config.json", folder)):
        found = resolve(str(source))
        assert (found.kind, found.reference, found.revision) == ("local", str(folder), None)
        assert found.name == str(source)
        assert found.folder == expected
        assert found.config == CONFIG


def test_config_file_of_another_name_has_no_folder_of_weights(tmp_path: Path) -> None:
    write(tmp_path / "candidates", CONFIG, name="wide.json")
    found = resolve(str(tmp_path / "candidates" / "wide.json"))
    assert found.folder is None
    with pytest.raises(
        CheckpointError, match=r"wide\.json is a configuration without weights; name its folder, or ask"
    ):
        _ = found.digest


def test_a_folder_is_known_by_the_files_that_decide_what_it_computes(folder: Path) -> None:
    first = resolve(str(folder)).digest
    assert re.fullmatch("sha256:[0-9a-f]{64}", first)
    (folder / "notes.md").write_text("nothing that a model reads")
    assert resolve(str(folder)).digest == first
    (folder / "model.safetensors").write_bytes(b"weights")
    assert resolve(str(folder)).digest != first


def test_files_in_subfolders_count_where_the_index_names_them(folder: Path) -> None:
    """Otherwise other weights would be the same checkpoint."""
    (folder / "parts").mkdir()
    (folder / "parts" / "one.safetensors").write_bytes(b"one")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "other.safetensors").write_bytes(b"other")
    index = {"metadata": {}, "weight_map": {"a": "parts/one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    first = resolve(str(folder)).digest
    (folder / "elsewhere" / "other.safetensors").write_bytes(b"another")
    assert resolve(str(folder)).digest == first
    (folder / "parts" / "one.safetensors").write_bytes(b"two")
    assert resolve(str(folder)).digest != first


def test_code_in_subfolders_counts(folder: Path) -> None:
    (folder / "modeling.py").write_text("from .parts import block")
    (folder / "parts").mkdir()
    (folder / "parts" / "block.py").write_text("block = 1")
    first = resolve(str(folder)).digest
    (folder / "parts" / "block.py").write_text("block = 2")
    assert resolve(str(folder)).digest != first


def test_a_file_whose_name_is_not_text_has_a_digest(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    assert resolve(str(folder)).digest.startswith("sha256:")


def old(file: Path) -> None:
    """Date a file back, as one that was written a while ago."""
    os.utime(file, (1_700_000_000, 1_700_000_000))


def test_a_folder_that_is_written_to_is_told(folder: Path) -> None:
    """Also where size and time of change are as they were."""
    weights = folder / "model.safetensors"
    weights.write_bytes(b"weights of step 1")
    old(weights)
    found = resolve(str(folder))
    _ = found.digest
    found.check_unchanged()
    (folder / "notes.md").write_text("nothing that a model reads")
    weights.touch()
    found.check_unchanged()
    weights.write_bytes(b"weights of step 2")
    old(weights)
    with pytest.raises(CheckpointError, match=r"The files of .*model changed while they were read.*start again"):
        found.check_unchanged()
    fresh = resolve(str(folder))
    _ = fresh.digest
    (folder / "added.safetensors").write_bytes(b"more")
    with pytest.raises(CheckpointError, match="changed while they were read"):
        fresh.check_unchanged()


def test_files_that_nobody_touched_are_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = resolve(str(folder))
    _ = found.digest
    monkeypatch.setattr("nil_audit.folder._RECENT", -3600.0)
    monkeypatch.setattr("nil_audit.folder._digest", lambda *_: pytest.fail("read again"))
    found.check_unchanged()


def test_a_config_that_changed_after_it_was_resolved_is_told(folder: Path) -> None:
    found = resolve(str(folder))
    (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 2}))
    with pytest.raises(CheckpointError, match="changed while they were read"):
        _ = found.digest


@pytest.mark.parametrize("base", ["org/base", None, 3])
def test_an_adapter_is_told_with_its_base(tmp_path: Path, base: Any) -> None:
    adapter = {"peft_type": "LORA", "base_model_name_or_path": base}
    folder = write(tmp_path / "lora", adapter, name="adapter_config.json")
    of = " of org/base" if base == "org/base" else ""
    with pytest.raises(ConfigError) as error:
        resolve(str(folder))
    assert str(error.value) == (
        f"{folder} is a PEFT adapter{of}, which has no weights of its own; merge it into its base (merge_and_unload,"
        f" then save_pretrained) and name that folder, or name {'org/base' if of else 'its base'}."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 300, "Cannot look for xxx.*File name too long"),
        ("~no_such_user/x", "~no_such_user/x begins in the home folder of a user who is not known here"),
        ("caf\udce9", r"The name 'caf.+udce9' is not valid text \(UTF-8\); rename the folder"),
        ("a\0b", "is not valid text"),
    ],
)
def test_a_name_that_no_path_can_have(name: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as error:
        resolve(name)
    str(error.value).encode()


def test_existing_folder_wins_over_a_hub_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert resolve("model").kind == "local"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"hidden_size": 32,', "not valid JSON (line 1"),
        ("", "not valid JSON"),
        ("hello", "not valid JSON"),
        ("[1, 2]", "a JSON array, not an object"),
        ("null", "a JSON null, not an object"),
        ("3", "a JSON number, not an object"),
        ("[" * 100_000, "not valid JSON (it is nested too deep)"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "not valid JSON (a number has thousands of digits)"),
    ],
)
def test_file_that_is_no_config(tmp_path: Path, content: str, words: str) -> None:
    source = write(tmp_path / "model", content)
    with pytest.raises(ConfigError) as error:
        resolve(str(source))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="not valid JSON"):
        resolve(str(file))


def test_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json; name a folder"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    "source", ["./missing", "a/b/c", "no such/model", "missing.json", "../x", "/nowhere", "a/b@", "@x"]
)
def test_name_that_can_be_neither(source: str) -> None:
    with pytest.raises(SourceError, match=r"neither|names no revision") as error:
        resolve(source)
    assert repr(source) in str(error.value)


@pytest.mark.parametrize("source", ["", "  "])
def test_empty_name(source: str) -> None:
    with pytest.raises(SourceError, match="name is empty"):
        resolve(source)


def test_hub(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """Ids, branches, tags and commits; then every refusal of the Hub; one process, because importing takes time."""
    main = hub.add("org/model", folder)
    second = hub.add("org/model", write(tmp_path / "v2", CONFIG | {"num_hidden_layers": 7}), revision="v2.0")
    hub.add("old-style", folder)
    hub.add("org/gated", folder, gated=True)
    hub.add("org/weights-only", write(tmp_path / "bare", "nothing", name="README.md"))
    quants = write(tmp_path / "quants", "GGUF", name="m.Q4_K_M.gguf")
    (quants / "m.Q8_0.gguf").write_text("GGUF")
    hub.add("org/quants", quants)
    hub.add("org/broken", write(tmp_path / "broken", '{"a": '))
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "org/model"}
    hub.add("org/adapter", write(tmp_path / "adapter", adapter, name="adapter_config.json"))
    answers = resolve_in_process(
        "org/model",
        "org/model@v2.0",
        f"org/model@{second}",
        "old-style",
        "org/model@v3",
        "org/none",
        "org/gated",
        "org/weights-only",
        "org/broken",
        "org/mo--del",
        "org/adapter",
        "org/quants",
        environment=hub.environment(tmp_path / "home"),
    )
    assert answers[:4] == [
        ["hub", "org/model", main, 3],
        ["hub", "org/model", second, 7],
        ["hub", "org/model", second, 7],
        ["hub", "old-style", main, 3],
    ]
    kinds, sentences = zip(*answers[4:], strict=True)
    assert kinds == (
        "SourceError",
        "SourceError",
        "SourceError",
        "ConfigError",
        "ConfigError",
        "SourceError",
        "ConfigError",
        "ConfigError",
    )
    for sentence, words in zip(
        sentences,
        (
            "org/model has no revision 'v3'",
            "There is no model org/none on the Hub, or it is private; check the spelling",
            "org/gated is gated",
            "org/weights-only has no config.json",
            "org/broken is not valid JSON",
            "'org/mo--del' is not a valid Hub id",
            "org/adapter is a PEFT adapter of org/model, which has no weights of its own; merge it",
            "org/quants has its weights as GGUF alone (m.Q4_K_M.gguf, m.Q8_0.gguf); download one (hf download"
            " org/quants m.Q4_K_M.gguf --local-dir .), and name the file",
        ),
        strict=True,
    ):
        assert words in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")
    fetched = {request.rsplit("/", 1)[-1] for request in hub.requests}
    assert fetched == {"config.json", "adapter_config.json", "main"}  # the last a list of the files that there are


def test_cache_serves_what_was_fetched_without_a_network(hub: Hub, folder: Path, tmp_path: Path) -> None:
    commit = hub.add("org/model", folder)
    environment = hub.environment(tmp_path / "home")
    resolve_in_process("org/model", environment=environment)
    found, refused = resolve_in_process("org/model", "org/other", environment=environment | {"HF_HUB_OFFLINE": "1"})
    assert found == ["hub", "org/model", commit, 3]
    assert refused[0] == "SourceError"
    assert "HF_HUB_OFFLINE forbids the network" in refused[1]


def test_no_network(tmp_path: Path, folder: Path) -> None:
    with Hub() as hub:
        commit = hub.add("org/model", folder)
        environment = hub.environment(tmp_path / "home")
        resolve_in_process("org/model", environment=environment)
    found, refused = resolve_in_process("org/model", "org/other", environment=environment)
    assert found == ["hub", "org/model", commit, 3]
    assert refused[0] == "SourceError"
    assert refused[1].startswith(f"No network connection to {environment['HF_ENDPOINT']}")


def test_whole_models_can_be_served(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """The stand-in serves what loading a checkpoint asks for: listings, several files, and parts of files."""
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 4)
    hub.add("org/model", folder)
    script = (
        "import sys, urllib.request\n"
        "from huggingface_hub import HfApi, snapshot_download\n"
        "print(snapshot_download('org/model'))\n"
        "print([entry.path for entry in HfApi().list_repo_tree('org/model')])\n"
        f"request = urllib.request.Request('{hub.url}/org/model/resolve/main/model.safetensors')\n"
        "request.add_header('Range', 'bytes=250-259')\n"
        "print(list(urllib.request.urlopen(request).read()))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | hub.environment(tmp_path / "home"),
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    snapshot, names, part = process.stdout.splitlines()
    assert (Path(snapshot) / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert names == "['config.json', 'model.safetensors']"
    assert part == str([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])
    shutil.rmtree(tmp_path / "home")
