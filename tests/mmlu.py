"""A small MMLU-Pro of made-up questions, and a checkpoint whose context holds five worked examples of it."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from nil_audit.score.answers import Answer
from nil_audit.score.protocols import CATEGORIES, LETTERS
from tests.tiny import byte_tokenizer

Rows = list[dict[str, Any]]


def mmlu_rows(each: int = 4, *, seed: int = 0) -> tuple[Rows, Rows]:
    """Test and validation rows: ``each`` questions a category with 2 to 10 options, five worked examples each.

    As in the real one, the right option carries leading white space in some.
    """
    source = random.Random(seed)

    def row(number: int, category: str, options: int) -> dict[str, Any]:
        index = source.randrange(options)
        texts = [f"{source.randint(1, 99)}" for _ in range(options)]
        texts[index] = " " * (number % 3 == 0) + texts[index]
        return {
            "question_id": number,
            "question": f"{category}: {source.randint(10, 99)} and {source.randint(10, 99)}?",
            "options": texts,
            "answer": LETTERS[index],
            "answer_index": index,
            "cot_content": f"A: Let's think step by step. It is so. The answer is ({LETTERS[index]}).",
            "category": category,
            "src": "made-up",
        }

    test = [row(70 + i, category, 2 + i % 9) for i, category in enumerate(CATEGORIES * each)]
    validation = [row(i, category, 4) for i, category in enumerate(c for c in CATEGORIES for _ in range(5))]
    return sorted(test, key=lambda one: one["category"]), validation


def answer(**known: Any) -> Answer:
    """An answer of which only what matters is said."""
    rest: dict[str, Any] = {
        "question_id": 1,
        "category": "law",
        "options": 10,
        "target": "A",
        "chosen": "A",
        "correct": True,
        "likelihoods": (),
        "text": None,
        "cut": False,
        "question_cut": False,
        "context": 1024,
        "engine": "shared",
        "batch_size": 8,
        "seconds": 0.5,
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Answer(**rest | known)


def write_mmlu(folder: Path, test: Rows, validation: Rows, kind: str = "parquet") -> Path:
    """Write both splits as parquet, json or jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("test", test), ("validation", validation)):
        file = folder / f"{split}.{kind}"
        if kind == "parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
        elif kind == "json":
            file.write_text(json.dumps(rows))
        else:
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def answering_checkpoint(folder: Path, *, context: int = 1024, seed: int = 0) -> Path:
    """A random Llama of one token a byte with weights so large that its answers differ between questions."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(
        LlamaConfig(
            vocab_size=256,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.5)
    model.save_pretrained(folder)
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(0)
    tokenizer.save_pretrained(folder)
    return folder
