"""Files as the commands write them, cut to what a comparison reads."""

import json
from pathlib import Path
from typing import Any


def record(
    name: str,
    *,
    depth: int = 24,
    width: int = 896,
    probe: str = "p",
    score: float | None = None,
    source: str = "local",
    digest: str = "",
    dtype: str = "float32",
    created: str = "2026-01-01T00:00:00+00:00",
    **interaction: Any,
) -> dict[str, Any]:
    """A record as the audit writes it."""
    metric = {"value": 0.5, "se": 0.01, "low": 0.48, "high": 0.52, "bias": 0.0}
    estimates = {"unbiased": {"spread": metric, "aofe": {**metric, "value": None}}, "plugin": {}}
    scores = [
        {"benchmark": "mmlu_pro", "protocol": "leaderboard", "accuracy": 0.9, "stderr": 0.1, "origin": "published"},
    ]
    if score is not None:
        scores.append(
            {"benchmark": "mmlu_pro", "protocol": "mc", "accuracy": score, "stderr": 0.02, "chance": 0.11,
             "questions": 280, "origin": "measured"}
        )  # fmt: skip
    return {
        "schema": 1,
        "created": created,
        "nil_audit": "0.1.0",
        "model": {"name": name, "source": source, "dtype": dtype} | ({"digest": digest} if digest else {}),
        "shape": {
            "name": name, "source": source, "revision": None, "model_type": "llama", "text_tower_of": None,
            "depth": depth, "width": width, "heads": 14, "kv_heads": 2, "head_size": 64, "mlp_width": 4864,
            "vocab_size": 1000, "tied": True, "context": 2048, "ratio": depth / width, "notes": [],
            "parameters": {"total": 494_000_000, "embedding": 1, "body": 493_999_999},
        },
        "verdict": {"label": "inside"},
        "interaction": {
            "probe": {"sha256": probe}, "window": 512, "tokens": 131_072, "context": 16, "prefix": "<s>",
            "estimates": estimates, "loss": {},
            "estimator": 2, **interaction,
        },
        "scores": scores,
    }  # fmt: skip


def score_row(
    model: str, accuracy: float = 0.2, *, protocol: str = "leaderboard", checkpoint: str = "", **more: Any
) -> dict[str, Any]:
    """A row of ``scores.json``."""
    return {
        "benchmark": "mmlu_pro", "protocol": protocol, "accuracy": accuracy, "stderr": 0.01, "chance": 0.111,
        "questions": 140, "origin": "measured", "model": model, "checkpoint": checkpoint or f"sha256:{model:0<64}",
        "created": "2026-02-01T00:00:00+00:00", "shape": {"depth": 6, "width": 144, "parameters": 1_666_656}, **more,
    }  # fmt: skip


def lm_eval(model: str, accuracy: float) -> dict[str, Any]:
    """A result file of lm-eval."""
    return {
        "results": {"leaderboard_mmlu_pro": {"alias": "mmlu_pro", "acc,none": accuracy, "acc_stderr,none": 0.004}},
        "configs": {"leaderboard_mmlu_pro": {"num_fewshot": 5}},
        "n-shot": {"leaderboard_mmlu_pro": 5},
        "versions": {"leaderboard_mmlu_pro": 0.1},
        "n-samples": {"leaderboard_mmlu_pro": {"original": 12032, "effective": 12032}},
        "config": {"model": "hf", "model_args": f"pretrained={model}"},
        "model_name": model,
    }


def put(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path
