"""JSON files of a checkpoint with anything in them: arbitrary values, and the real file with something wrong.

Everything is drawn from one source of chance, so that a test can fix it and a long run can seed it.
"""

import json
import math
import shutil
from pathlib import Path
from random import Random
from typing import Any

from nil_audit.auditing.audit import audit
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.candidate.check import check_candidate
from nil_audit.errors import NilAuditError
from nil_audit.interaction.probe import load_probe, make_windows
from nil_audit.runner import run_each
from tests.tiny import checkpoint_folder, english
from tests.weights.edits import shard

FILES = (
    "config.json",
    "model.safetensors.index.json",
    "generation_config.json",
    "tokenizer_config.json",
    "adapter_config.json",
)
WORDS = ("", "x", "llama", "gpt2", "24", "bfloat16", "auto", "../x", "model.safetensors", "\x1b[31m", "é", "\ud83d")
NUMBERS = (0, -1, 1, 2, 3, 7, 2**31, 2**63, 10**20, 10**400, 0.5, -0.0, 1e-320, 1e308, math.nan, math.inf, -math.inf)
KEYS = {
    "config.json": (
        *("quantization_config", "auto_map", "tie_word_embeddings", "rope_scaling", "rope_parameters", "rope_theta"),
        *("torch_dtype", "dtype", "transformers_weights", "layer_types", "sliding_window", "text_config", "model_type"),
        *("architectures", "is_encoder_decoder", "pruned_heads", "attn_implementation", "use_cache", "pad_token_id"),
        *("fusion_config", "per_layer_config", "head_dim", "num_local_experts", "attention_dropout", "hidden_act"),
    ),
    "model.safetensors.index.json": ("metadata", "weight_map"),
    "generation_config.json": ("eos_token_id", "do_sample", "temperature", "max_length", "cache_implementation"),
    "tokenizer_config.json": (
        *("model_max_length", "tokenizer_class", "added_tokens_decoder", "chat_template", "extra_special_tokens"),
        *("auto_map", "bos_token", "eos_token", "pad_token", "add_bos_token", "truncation_side", "padding_side"),
        *(
            "clean_up_tokenization_spaces",
            "split_special_tokens",
            "unk_token",
            "backend",
            "model_specific_special_tokens",
        ),
    ),
    "adapter_config.json": ("base_model_name_or_path", "peft_type", "target_modules", "r"),
}
DIGITS, DEEP, WIDE = "@digits@", "@deep@", "@wide@"
_TEXTS = {DIGITS: "7" * 5000, DEEP: "[" * 20_000 + "]" * 20_000, WIDE: "[" * 300 + "]" * 300}


def base(folder: Path) -> Path:
    """A checkpoint that has every file that is changed, but for the adapter's."""
    checkpoint_folder(folder)
    shard(folder, ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"))
    return folder


def probe(folder: Path) -> Path:
    """A text to take gradients on."""
    file = folder / "probe.txt"
    file.write_text(english(400))
    return file


def changed(random: Random, name: str, content: str | None) -> bytes:
    """What stands in a file instead of its content (None: there is no such file)."""
    if content is None or random.random() < 0.2:
        document: Any = value(random, name)
    else:
        document = json.loads(content)
        for _ in range(random.randint(1, 3)):
            document = _edited(random, name, document)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    for mark, meant in _TEXTS.items():
        text = text.replace(f'"{mark}"', meant)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.05:
        data = data[: random.randrange(len(data) + 1)]
    if random.random() < 0.02:
        data = bytes([random.randrange(256)]) + data
    return data


def value(random: Random, name: str, depth: int = 3) -> Any:
    """An arbitrary JSON value, whose keys are often those that matter."""
    kind = random.randrange(8 if depth else 5)
    if kind == 0:
        return random.choice((None, True, False))
    if kind in (1, 2):
        return random.choice(NUMBERS)
    if kind == 3:
        return random.choice(WORDS)
    if kind == 4:
        return random.choice((DIGITS, DEEP, WIDE, "x" * 300))
    if kind == 5:
        return [value(random, name, depth - 1) for _ in range(random.randrange(4))]
    return {_key(random, name): value(random, name, depth - 1) for _ in range(random.randrange(4))}


def _key(random: Random, name: str) -> str:
    return random.choice((*KEYS[name], "quant_method", "rope_type", "factor", "a", ""))


def _edited(random: Random, name: str, document: Any) -> Any:
    """A document with one thing dropped, added, replaced or of another type, anywhere in it."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.03:
        return value(random, name)
    keys: list[Any] = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = random.choice(keys)
    copy = document.copy()
    step = random.random()
    if isinstance(copy[key], dict | list) and copy[key] and step < 0.5:
        copy[key] = _edited(random, name, copy[key])
    elif step < 0.2:
        del copy[key]
    elif step < 0.5:
        copy[key] = _retyped(random, copy[key])
    elif step < 0.75 or isinstance(copy, list):
        copy[key] = value(random, name)
    else:
        copy[_key(random, name)] = value(random, name)
    return copy


def _retyped(random: Random, old: Any) -> Any:
    return random.choice((str(old), [old], {"a": old}, None, random.choice(NUMBERS), not old, [old, old, "x"]))


def outcome(folder: Path, text: Path, *, command: str) -> str:
    """What a command comes to on a checkpoint: "result", or the kind of error that it ends in.

    Args:
        folder: The checkpoint.
        text: What gradients are taken on.
        command: "audit", "candidate", or "load", which is all of an audit but the gradients.

    Raises:
        AssertionError: An error that is not one sentence with the name of the model.
    """
    kind = "result"

    def task(name: str) -> None:
        nonlocal kind
        try:
            if command == "candidate":
                check_candidate(name)
            elif command == "audit":
                audit(name, probe=str(text), window=8, context=2, tokens=128, device="cpu", fresh=True)
            else:
                loaded = Subject(name, Settings(device="cpu")).checkpoint
                make_windows(load_probe(str(text)), loaded.tokenizer, tokens=128, window=8, context=2)
        except NilAuditError as error:
            kind = type(error).__name__
            raise

    for sentence in run_each([str(folder)], task, on_failure=lambda _: None).failures.values():
        assert kind != "result", sentence  # a defect, of which no error of the family tells
        assert sentence.endswith("."), sentence
        assert "\n" not in sentence, sentence
        assert str(folder) in sentence, sentence
    return kind


def change_one(random: Random, folder: Path, fresh: Path) -> str:
    """Make a folder the fresh checkpoint with one of its JSON files changed; returns which."""
    name = random.choice(FILES)
    for file in fresh.iterdir():
        if file.suffix == ".json" or not (folder / file.name).exists():
            shutil.copy(file, folder)
    (folder / "adapter_config.json").unlink(missing_ok=True)
    source = fresh / name
    (folder / name).write_bytes(changed(random, name, source.read_text() if source.exists() else None))
    return name
