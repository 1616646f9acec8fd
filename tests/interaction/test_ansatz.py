"""The ansatz check and both embedding matrices, against a float64 brute force that shares no code with the package."""

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from nil_audit.interaction.alignment import through_map
from nil_audit.interaction.ansatz import Ansatz, ansatz_document
from nil_audit.interaction.measure import Watcher, measure
from nil_audit.interaction.probe import Probe
from nil_audit.interaction.superposition import Superposition
from nil_audit.weights.checkpoint import Checkpoint
from tests.interaction.test_brute_force import checkpoint_of
from tests.tiny import NUL, byte_tokenizer, english, tiny_model

T, C, K, WINDOWS, D = 8, 2, 16, 17, 24
PROBE = Probe(name="text", text=english(T * WINDOWS + 5), sha256="0")


class Point(NamedTuple):
    """A place of a block: where a shift of the stream is added, and the norm behind it that maps read through."""

    shift: str
    before: bool
    kind: str
    gamma: Callable[[nn.Module], torch.Tensor] | None


class Read(NamedTuple):
    """A map by hand."""

    point: int
    role: str
    path: str
    rows: list[int] | None = None


def _weight(module: nn.Module) -> torch.Tensor:
    return module.weight


def _plus(module: nn.Module) -> torch.Tensor:
    return 1 + module.weight


def _apart(point: int, prefix: str = "self_attn.") -> list[Read]:
    return [
        Read(point, role, f"{prefix}{path}")
        for role, path in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"))
    ]


def _gated(point: int) -> list[Read]:
    return [Read(point, "mlp_gate", "mlp.gate_proj"), Read(point, "mlp_in", "mlp.up_proj")]


def _by_head(path: str) -> list[Read]:
    return [
        Read(0, role, path, [head * 18 + i * 6 + c for head in range(4) for c in range(6)])
        for i, role in enumerate(("query", "key", "value"))
    ]


MODELS: dict[str, tuple[list[Point], list[Read]]] = {
    "llama": (
        [Point("input_layernorm", False, "rms", _weight), Point("post_attention_layernorm", False, "rms", _weight)],
        [*_apart(0), *_gated(1)],
    ),
    "gpt2": (
        [Point("ln_1", False, "layer", _weight), Point("ln_2", False, "layer", _weight)],
        [
            *(
                Read(0, role, "attn.c_attn", list(range(i * D, (i + 1) * D)))
                for i, role in enumerate(("query", "key", "value"))
            ),
            Read(1, "mlp_in", "mlp.c_fc"),
        ],
    ),
    "gpt_neox": (
        [Point("input_layernorm", False, "layer", _weight), Point("post_attention_layernorm", False, "layer", _weight)],
        [*_by_head("attention.query_key_value"), Read(1, "mlp_in", "mlp.dense_h_to_4h")],
    ),
    "gemma2": (
        [Point("input_layernorm", False, "rms", _plus), Point("pre_feedforward_layernorm", False, "rms", _plus)],
        [*_apart(0), *_gated(1)],
    ),
    "olmo2": (  # the stream itself: a shift of the block's input, and one of what its attention adds
        [Point("", True, "none", None), Point("post_attention_layernorm", False, "none", None)],
        [*_apart(0), *_gated(1)],
    ),
}


def model_of(name: str) -> nn.Module:
    """A model in float64 whose norms and biases are random too."""
    model = tiny_model(name).double()
    source = torch.Generator().manual_seed(5)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.4 * torch.randn(parameter.shape, generator=source).to(parameter)
    return model


def blocks_of(model: nn.Module) -> nn.ModuleList:
    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == 2)


def gradients(model: nn.Module, points: list[tuple[nn.Module, bool]], width: int = D) -> list[list[np.ndarray]]:
    """∂ℓ/∂x at each point by block of text, from a shift of zeros that is added there; one window at a time."""
    ids = byte_tokenizer()(PROBE.text, add_special_tokens=False)["input_ids"]
    start = byte_tokenizer().convert_tokens_to_ids(NUL)
    found: list[list[list[np.ndarray]]] = [[[] for _ in range(K)] for _ in points]
    for window in range(WINDOWS):
        text = ids[window * T : window * T + T + 1]
        shifts = [torch.zeros(1, T + 1, width, dtype=torch.float64, requires_grad=True) for _ in points]
        with ExitStack() as stack:
            for (module, before), shift in zip(points, shifts, strict=True):
                if before:
                    handle = module.register_forward_pre_hook(lambda _m, given, s=shift: (given[0] + s, *given[1:]))
                else:
                    handle = module.register_forward_hook(lambda _m, _g, out, s=shift: out + s)
                stack.callback(handle.remove)
            logits = model(input_ids=torch.tensor([[start, *text[:T]]])).logits[0, 1:]
        loss = (torch.logsumexp(logits[C:T], 1) - logits[range(C, T), text[C + 1 :]]).sum()
        loss.backward()
        for kept, shift in zip(found, shifts, strict=True):
            kept[window * K // WINDOWS] += list(shift.grad[0, 1 + C :].numpy())
    return [[np.array(part) for part in one] for one in found]


def rho(A: np.ndarray, means: list[np.ndarray], n: np.ndarray, identity: np.ndarray) -> float:
    """The formula of docs/definitions.md word for word."""
    space = np.trace(identity)
    A0 = A - np.trace(A) / space * identity
    M0 = [M - np.trace(M) / space * identity for M in means]
    pair = [(a, b, n[a] * n[b]) for a in range(len(n)) for b in range(len(n)) if a != b]
    square = sum(w * np.sum(M0[a] * M0[b]) for a, b, w in pair) / sum(w for *_, w in pair)
    total = sum(w * M for w, M in zip(n / n.sum(), M0, strict=True))
    return float(np.sum(A0 * total) / np.sqrt(np.sum(A0 * A0)) / np.sqrt(square))


def effective_rank(means: list[np.ndarray], n: np.ndarray) -> float:
    """tr(M)²/‖M‖² from products of different blocks."""
    pair = [(a, b, n[a] * n[b]) for a in range(len(n)) for b in range(len(n)) if a != b]
    traces = sum(w * np.trace(means[a]) * np.trace(means[b]) for a, b, w in pair)
    return float(traces / sum(w * np.sum(means[a] * means[b]) for a, b, w in pair))


def jackknife(A: np.ndarray, means: list[np.ndarray], n: np.ndarray, identity: np.ndarray) -> float:
    each = [rho(A, means[:a] + means[a + 1 :], np.delete(n, a), identity) for a in range(K)]
    return float(np.sqrt((K - 1) / K * np.sum((np.array(each) - np.mean(each)) ** 2)))


def measured(model: nn.Module, watch: Callable[[Checkpoint], Watcher]) -> Any:
    """What a watcher reads."""
    checkpoint = checkpoint_of(model, "float64")
    found = measure(
        checkpoint, PROBE, precision=0, window=T, context=C, batch_size=WINDOWS, watchers=(watch(checkpoint),)
    )
    return found.readings[0]


def checked(model: nn.Module, *depths: int) -> dict[str, Any]:
    """The ansatz section of some of two blocks."""
    return ansatz_document(measured(model, lambda checkpoint: Ansatz(checkpoint, depths)), blocks=2)


@pytest.mark.parametrize("name", MODELS)
def test_every_correlation_agrees_with_float64_brute_force(name: str) -> None:
    points, reads = MODELS[name]
    model = model_of(name)
    blocks = blocks_of(model)
    where = [(block.get_submodule(point.shift), point.before) for block in blocks for point in points]
    every = gradients(model, where)
    expected: dict[tuple[int, str], dict[str, Any]] = {}
    squares: dict[tuple[int, str], np.ndarray] = {}
    for depth, block in enumerate(blocks):
        for read in reads:
            point = points[read.point]
            gamma = np.ones(D)
            if point.gamma is not None:
                gamma = point.gamma(block.get_submodule(point.shift)).detach().numpy()
            identity = np.eye(D) - (1 / D if point.kind == "layer" else 0)
            module = block.get_submodule(read.path)
            weight = module.weight.detach().numpy()
            weight = weight.T if type(module).__name__ == "Conv1D" else weight
            through = (weight if read.rows is None else weight[read.rows]) * gamma @ identity
            squares[depth, read.role] = through.T @ through
            D_ = np.diag(gamma) @ identity
            slopes = [[g @ D_ for g in part] for part in every[depth * len(points) + read.point]]
            n = np.array([len(part) for part in slopes], dtype=float)
            means = [sum(np.outer(g, g) for g in part) / len(part) for part in slopes]
            units = [sum(np.outer(g, g) / (g @ g) for g in part) / len(part) for part in slopes]
            expected[depth, read.role] = {
                "path": read.path,
                "rows": len(through),
                "norm": point.kind,
                "given": (units, means, n, identity),
                "null_sd": np.sqrt(2 / ((np.trace(identity) - 1) * (np.trace(identity) + 2))),
            }
    document = checked(model, 0, 1)
    assert [(one["depth"], one["role"]) for one in document["maps"]] == [
        (depth, read.role) for depth in range(2) for read in sorted(reads, key=lambda r: _order(blocks[0], r, reads))
    ]
    for one in document["maps"]:
        key = one["depth"], one["role"]
        what = expected[key]
        assert [one[k] for k in ("path", "rows", "norm")] == [what[k] for k in ("path", "rows", "norm")]
        assert one["null_sd"] == pytest.approx(what["null_sd"])
        units, means, n, identity = what["given"]
        other = squares[1 - one["depth"], one["role"]]
        for kind, parts in (("typical", units), ("mean", means)):
            assert one[kind]["value"] == pytest.approx(rho(squares[key], parts, n, identity), rel=1e-5), kind
            assert one[kind]["se"] == pytest.approx(jackknife(squares[key], parts, n, identity), rel=1e-4), kind
            assert one["other_blocks"][kind] == pytest.approx(rho(other, parts, n, identity), rel=1e-4, abs=1e-7)
            rank = effective_rank(parts, n)
            A = squares[key]
            control = through_map(
                trace=float(np.trace(A)),
                square=float(np.sum(A * A)),
                rows=what["rows"],
                dimensions=round(np.trace(identity)),
                rank=rank,
            )
            assert one["through_map"][kind] == pytest.approx(control, rel=1e-4)
        assert one["beats_null"] == (one["typical"]["low"] > 1.96 * what["null_sd"])
        assert one["beats_through_map"] == (one["typical"]["low"] > one["through_map"]["typical"])


def test_a_scale_that_is_moved_from_the_norm_into_the_maps_changes_no_correlation() -> None:
    model = model_of("llama")
    before = checked(model, 0, 1)
    with torch.no_grad():
        for block in blocks_of(model):
            attention, mlp = block.self_attn, block.mlp
            for norm, maps in (
                (block.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
                (block.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
            ):
                for one in maps:
                    one.weight *= norm.weight
                norm.weight.fill_(1)
    after = checked(model, 0, 1)
    for here, there in zip(before["maps"], after["maps"], strict=True):
        for kind in ("typical", "mean"):
            assert there[kind] == pytest.approx(here[kind], rel=1e-3, abs=1e-5), (here["role"], kind)


def _order(block: nn.Module, read: Read, reads: list[Read]) -> tuple[int, int]:
    """Maps of a block come in the order in which they run, parts of a fused one in that of their roles."""
    paths = [path for path, _ in block.named_modules()]
    return (paths.index(read.path), reads.index(read))


def test_shares_count_the_maps_of_every_role() -> None:
    document = checked(model_of("llama"), 0, 1)
    assert (document["blocks"], document["depths"], document["left_out"]) == (2, [0, 1], [])
    assert list(document["shares"]) == ["query", "key", "value", "mlp_gate", "mlp_in", "all"]
    for role, shares in document["shares"].items():
        mine = [one for one in document["maps"] if role in ("all", one["role"])]
        assert shares["maps"] == len(mine)
        assert shares["beats_null"] == sum(one["beats_null"] for one in mine) / len(mine)
        assert shares["beats_through_map"] == sum(one["beats_through_map"] for one in mine) / len(mine)
        better = [one["typical"]["value"] > one["other_blocks"]["typical"] for one in mine]
        assert shares["beats_other_blocks"] == sum(better) / len(mine)
    # 2 places a block, each 2 K matrices of d x d in float64, and the gradients of windows that change their block
    assert document["memory_bytes"] >= 4 * 2 * K * D * D * 8


def test_one_block_has_no_others_to_be_held_against() -> None:
    document = checked(model_of("gpt2"), 1)
    assert {one["depth"] for one in document["maps"]} == {1}
    assert all(one["other_blocks"] == {"typical": None, "mean": None} for one in document["maps"])
    assert document["shares"]["all"]["beats_other_blocks"] is None
    assert document["shares"]["all"]["beats_null"] is not None


def test_median_is_over_the_other_blocks_alone() -> None:
    """Of three blocks each has two others: the median lies between their values with this block's AGOP."""
    from transformers import AutoModelForCausalLM, GPT2Config

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        GPT2Config(vocab_size=256, n_embd=D, n_layer=3, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0)
    )
    model = model.double().eval().requires_grad_(False)
    reading = measured(model, lambda checkpoint: Ansatz(checkpoint, (0, 1, 2)))
    C_ = np.eye(D) - 1 / D
    every = gradients(model, [(block.ln_2, False) for block in model.transformer.h])
    squares = [C_ @ (w := block.mlp.c_fc.weight.detach().numpy()) @ w.T @ C_ for block in model.transformer.h]
    for depth, slopes in enumerate(every):
        (one,) = [m for m in reading.maps if m.depth == depth and m.role == "mlp_in"]
        n = np.array([len(part) for part in slopes], dtype=float)
        means = [C_ @ (sum(np.outer(g, g) for g in part) / len(part)) @ C_ for part in slopes]
        others = [rho(squares[other], means, n, C_) for other in range(3) if other != depth]
        assert one.other_mean == pytest.approx(median(others), rel=1e-5)


@pytest.mark.parametrize("name", ["gpt_neox", "opt_projected"])
def test_both_embedding_matrices_are_held_against_the_agop(name: str) -> None:
    model = tiny_model(name).double()
    found = measured(model, Superposition)
    table = model.get_input_embeddings()
    width = table.weight.shape[1]
    (slopes,) = gradients(model, [(table, False)], width)
    n = np.array([len(part) for part in slopes], dtype=float)
    means = [sum(np.outer(g, g) for g in part) / len(part) for part in slopes]
    units = [sum(np.outer(g, g) / (g @ g) for g in part) / len(part) for part in slopes]
    matrices = {"embedding": table.weight, "unembedding": model.get_output_embeddings().weight}
    for which, weight in matrices.items():
        if which == "unembedding" and name == "opt_projected":  # one matrix with the embedding
            assert found["unembedding"] is None
            assert found["alignment"]["unembedding"] is None
            continue
        W = weight.detach().numpy()
        M = W.T @ W / len(W)
        F, S = np.sum(M**2), np.sum(np.diag(M) ** 2)
        assert found[which]["aofe_ratio"] == pytest.approx(1 - S / F, rel=1e-9)
        assert found[which]["effective_rank"] == pytest.approx(np.trace(M) ** 2 / F, rel=1e-9)
        assert not {"sensitivity", "interaction_efficiency"} & found[which].keys()
        for kind, parts in (("typical", units), ("mean", means)):
            one = found["alignment"][which][kind]
            assert one["value"] == pytest.approx(rho(M, parts, n, np.eye(width)), rel=1e-6)
            assert one["se"] == pytest.approx(jackknife(M, parts, n, np.eye(width)), rel=1e-5)
    assert found["alignment"]["null_sd"] == pytest.approx(np.sqrt(2 / ((width - 1) * (width + 2))))


def test_an_unembedding_of_another_width_is_in_numbers_alone() -> None:
    model = tiny_model("gpt_neox").double()
    narrow = nn.Linear(16, 256, bias=False).double()
    model.get_output_embeddings = lambda: narrow
    found = measured(model, Superposition)
    assert found["unembedding"]["trace"] == pytest.approx(float((narrow.weight.detach() ** 2).sum()) / 256)
    assert found["alignment"]["unembedding"] is None
    assert found["alignment"]["embedding"] is not None
