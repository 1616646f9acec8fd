"""Records of models that were never trained: simulated gradients, brought into a record by the package's own sums.

Sections that are measured on request: tests/report/sections.py.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from nil_audit.auditing.measured import all_estimates
from nil_audit.auditing.record import Record, verdict_document
from nil_audit.files import plain
from nil_audit.shape.architecture import Parameters, Shape

CHANNELS = 12
BLOCKS = 16
TOKEN = {
    "window": 3,
    "position": 17,
    "token": " from",
    "before": "a letter that came\n",
    "after": "  far away",
    "share": 0.01,
    "norm": 4950.0,
}


def shape_of(depth: int = 30, width: int = 576, parameters: int | None = 134_515_008, name: str = "shape") -> Shape:
    """A shape; SmolLM2-135M's unless said otherwise."""
    counted = parameters and Parameters(total=parameters, embedding=parameters // 5, body=parameters - parameters // 5)
    return Shape(
        name=name,
        source="hub",
        model_type="llama",
        depth=depth,
        width=width,
        heads=9,
        kv_heads=3,
        head_size=64,
        mlp_width=1536,
        vocab_size=49_152,
        tied=True,
        context=2048,
        parameters=counted or None,
    )


def record_of(
    name: str = "org/model",
    *,
    shift: float = 0.0,
    seed: int = 0,
    windows: int = 64,
    heaviness: float = 0.7,
    shape: Shape | None = None,
    text: int = 0,
    token_share: float = 0.01,
    permille_share: float = 0.03,
    token: Mapping[str, Any] | None = None,
    ended_by: str = "precision",
    scores: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    **interaction: Any,
) -> Record:
    """A record of the newest schema.

    Args:
        name: Of the model, on the Hub.
        shift: Nats by which its typical efficiency lies above that of the same seed without one.
        seed: Of its gradients.
        windows: Their number, measured in rounds of 16, 32, ...
        heaviness: Standard deviation of the logarithm of a gradient's length, beside that of its direction.
        shape: See `shape_of`.
        text: Records of one number read the same text, with the same tokenizer.
        token_share: Of the heaviest token.
        permille_share: Of the heaviest 0.1%.
        token: What is different of the heaviest token.
        ended_by: Why the measurement ended.
        scores: Rows.
        notes: Sentences.
        **interaction: Fields of the interaction that are different.
    """
    shape = shape or shape_of()
    rounds = [_round(seed, count, text, shift, heaviness) for count in (16, 32, 64, 128) if count <= windows]
    last = rounds.pop()
    found = all_estimates(last)
    document = {
        "probe": {"name": "wikitext", "sha256": "ab" * 32},
        "window": 512,
        "context": 16,
        "prefix": "<|endoftext|>",
        "asked": {"tokens": 131_072, "precision": 0.05, "prefix": True},
        "ended_by": ended_by,
        "estimator": 2,
        **last,
        "estimates": {kind: found[kind] for kind in ("plugin", "unbiased")},
        "loss": found["loss"],
        "heaviest": {
            "token_share": token_share,
            "permille_share": permille_share,
            "tokens": [TOKEN | {"share": token_share / (1 + place)} | dict(token or {}) for place in range(10)],
        },
        "zero_share": 0.0,
        "rounds": rounds,
        "cost": {
            "seconds": 12.5,
            "tokens_per_second": 655.0,
            "peak_memory_bytes": 2_000_000_000,
            "batch_size": 8,
            "processes": 1,
        },
        **interaction,
    }
    return bare_record(name, shape=shape, scores=scores, notes=notes, interaction=plain(document), seed=seed)


def bare_record(
    name: str = "org/model",
    *,
    shape: Shape | None = None,
    interaction: Mapping[str, Any] | None = None,
    scores: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Record:
    """A record without what reads weights, unless that is given."""
    shape = shape or shape_of()
    weights = {"digest": f"sha256:{seed:064x}", "dtype": "float32", "device": "cpu"} if interaction else {}
    return Record(
        created="2026-01-01T00:00:00+00:00",
        nil_audit="0.1.0",
        model={"name": name, "source": "hub", "revision": "0" * 40, **weights},
        shape=shape,
        verdict=verdict_document(shape),
        interaction=interaction,
        superposition={"embedding": {"aofe_ratio": 0.9}, "unembedding": None, "alignment": None}
        if interaction
        else None,
        scores=tuple(scores),
        environment={"torch": "2.0"},
        notes=tuple(notes),
    )


def measured_score(accuracy: float, questions: int = 12_032, protocol: str = "leaderboard") -> dict[str, Any]:
    """A score row as a run of the benchmark makes it."""
    error = (accuracy * (1 - accuracy) / questions) ** 0.5
    return {
        "benchmark": "mmlu_pro",
        "protocol": protocol,
        "accuracy": accuracy,
        "stderr": error,
        "low": accuracy - 1.96 * error,
        "high": accuracy + 1.96 * error,
        "chance": 0.111,
        "questions": questions,
        "origin": "measured",
    }


def published_score(accuracy: float, protocol: str = "leaderboard", stderr: float | None = 0.003) -> dict[str, Any]:
    """A score row as others have published it."""
    return {
        "benchmark": "mmlu_pro",
        "protocol": protocol,
        "accuracy": accuracy,
        "stderr": stderr,
        "origin": "published",
        "source": "a card",
    }


def _round(seed: int, windows: int, text: int, shift: float, heaviness: float) -> dict[str, Any]:
    """The sums of one round, as a record holds them; a larger embedding is a lower efficiency and nothing else."""
    found = dict(sums(seed, windows, heaviness))
    size = np.array(found["products"]["embedding_square"]) * np.exp(-shift)
    found["products"] = {**found["products"], "embedding_square": size.tolist()}
    found["block_bytes"] = [bytes_ + text for bytes_ in found["block_bytes"]]
    return found


@cache
def sums(seed: int, windows: int, heaviness: float, decay: float = 0.2, turned: str = "") -> Mapping[str, Any]:
    """Sums over windows of 24 heavy-tailed gradients each; a round of more windows holds the first ones too.

    Args:
        seed: Of the gradients.
        windows: Their number.
        heaviness: Standard deviation of the logarithm of a gradient's length.
        decay: How much weaker the last channel is than the first.
        turned: Into which random basis they are turned, by name; "" leaves them on the channels.
    """
    turn = np.eye(CHANNELS)
    if turned:
        turn = np.linalg.qr(np.random.default_rng([*turned.encode()]).normal(size=turn.shape))[0]
    gradients = []
    for window in range(windows):
        rng = np.random.default_rng([seed, window])
        directions = rng.normal(size=(24, CHANNELS)) * np.geomspace(1.0, decay, CHANNELS) @ turn
        gradients.append(directions * np.exp(rng.normal(0, heaviness, size=(24, 1))))
    blocks = np.array(gradients).reshape(BLOCKS, -1, CHANNELS)
    squares = (blocks**2).sum(-1)
    unit = blocks / np.sqrt(squares)[..., None]
    mean, direction = (np.einsum("bti,btj->bij", one, one) / one.shape[1] for one in (blocks, unit))
    diagonal = np.einsum("bii->bi", mean)
    tokens = [blocks.shape[1]] * BLOCKS
    document = {
        "windows": windows,
        "tokens": sum(tokens),
        "products": {
            "width": CHANNELS,
            "tokens": tokens,
            "gram": np.einsum("aij,bij->ab", mean, mean),
            "diagonal_gram": diagonal @ diagonal.T,
            "trace": squares.mean(1),
            "embedding_square": [0.01] * BLOCKS,
            "direction_gram": np.einsum("aij,bij->ab", direction, direction),
            "directions": tokens,
            "log_norm": np.log(squares).mean(1),
        },
        "block_loss": [3.0 + 0.01 * block for block in range(BLOCKS)],
        "block_bytes": [4 * blocks.shape[1]] * BLOCKS,
    }
    found: Mapping[str, Any] = plain(document)
    return found
