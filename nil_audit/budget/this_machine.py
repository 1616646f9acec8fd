"""The roofline of this machine, found on the spot by small experiments, in which no whole model takes part.

Imports torch only inside functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from nil_audit.budget.accelerators import Accelerator
from nil_audit.budget.counts import count_blocks
from nil_audit.budget.inference import decode_work, prompt_work
from nil_audit.budget.stopwatch import (
    THIS_MACHINE,
    RandomWeights,
    Run,
    free_memory,
    model_of,
    place_of,
    seconds_of,
    typical,
)
from nil_audit.budget.template import Template
from nil_audit.shape.architecture import Shape, shape_from_config
from nil_audit.shape.hf_config import transformers_config
from nil_audit.shape.meta_model import build_meta_model

STREAMED = 2**28  # bytes that go past between two looks at the same ones: more than any cache holds
MOST_PRODUCTS = 2000  # in one timing, where the matrices are tiny
TOKENS = 512  # rows of the matrix products that the peak is read from
FEW, MANY = 2, 6  # blocks of the small models
SHORT = 32  # tokens in their cache where its bytes should not count; half the context where that is less
MLP_WIDTH = 64  # of theirs, where the type leaves it free
ROUNDS = 16
PROMPTS = 4


def this_machine(config: Mapping[str, Any], *, context: int, device: str = "auto") -> Accelerator:
    """Calibrate a roofline with a fixed cost a block for a shape, from its parts alone, in a few seconds.

    - Bandwidth: matrix-vector products with the matrices of a block and the output matrix, in the proportion in which
      the shape has them. It belongs to the shape: on a CPU short rows are read more slowly than long ones.
    - Peak: products of a block's matrices with 512 tokens.
    - Fixed cost of a block and of a pass: slope and intercept of the time of a decoded token over small models of 2 and
      6 blocks of the same type, head size and heads a group, one key-value head wide, less what their weights take.
    - Rate of the cache, and of attention in a prompt: what a full context adds to these, with as many sequences at
      once as the shape has key-value heads.

    Each is the lower quartile of rounds in turn, with the caches flushed in between. Threads are those that torch has;
    weights are float32 on a CPU and bfloat16 elsewhere.

    Args:
        config: A raw config.
        context: Tokens in a full cache, at least 4.
        device: "auto", or a torch device.

    Raises:
        UsageError: The device does not exist here.
        ConfigError, MeasurementError: No small model of this type can be built or run.
    """
    import torch

    place = place_of(device)
    with torch.inference_mode():
        return _Calibration.of(config, context, place).result()


@dataclass(kw_only=True)
class _Calibration:
    """The experiments for one shape, and the seconds of each by name."""

    shape: Shape
    block: tuple[tuple[int, int], ...]
    output: tuple[int, int]
    random_weights: RandomWeights
    few: Run
    many: Run
    full_few: Run
    full: Run
    place: Any
    times: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any], context: int, place: Any) -> "_Calibration":
        """Build the small models."""
        shape = shape_from_config(config)
        assert shape.heads and shape.kv_heads and shape.head_size
        model = build_meta_model(transformers_config(config, shape.name), shape.name)
        block = tuple((p.shape[0], p.shape[1]) for p in model.blocks[0].parameters() if p.dim() == 2)
        rows, width = model.model.get_output_embeddings().weight.shape
        group = max(1, shape.heads // shape.kv_heads)
        template = Template(config, shape)
        random_weights = RandomWeights(place, max(STREAMED // 4, rows * max(width, group * shape.head_size) + 2**22))
        short = min(SHORT, context // 2)

        def small(depth: int, tokens: int) -> Run:
            raw = template.with_numbers(
                depth=depth, width=group * (shape.head_size or 0), heads=group, kv_heads=1, mlp_width=MLP_WIDTH
            )
            found = shape_from_config(raw)
            counts = count_blocks(Template(raw, found))
            return Run(found, counts, model_of(raw, shape.name, random_weights), tokens, sequences=shape.kv_heads or 1)

        return cls(
            shape=shape,
            block=block,
            output=(rows, width),
            random_weights=random_weights,
            few=small(FEW, short),
            many=small(MANY, short),
            full_few=small(FEW, context),
            full=small(MANY, context),
            place=place,
        )

    def result(self) -> Accelerator:
        """Run every experiment and solve for the constants."""
        import torch

        self._run()
        t = {name: typical(times) for name, times in self.times.items()}
        size = self.random_weights.numbers.element_size()
        block_bytes, output_bytes = size * sum(map(prod, self.block)), size * prod(self.output)
        depth = self.shape.depth
        peak = 2.0 * TOKENS * sum(map(prod, self.block)) / t["products"]
        few, many, full = (
            decode_work(run.shape, run.counts, context=run.context, number_bytes=size)
            for run in (self.few, self.many, self.full)
        )
        slope = (t["many"] - t["few"]) / (MANY - FEW)
        own = (many.weight_bytes - few.weight_bytes) / (MANY - FEW) / block_bytes * t["block"]
        cached = self.full.sequences * (full.cache_bytes - many.cache_bytes)
        products, attention = self._prompt_flops()
        attending = (t["prompt"] - t["prompt of few"]) / (MANY - FEW) - products / peak
        fastest = block_bytes / t["block"]
        return Accelerator(
            name=THIS_MACHINE,
            title=THIS_MACHINE,
            peak_flops=peak,
            attention_flops=min(peak, attention / attending) if attending > 0 else peak,
            bandwidth=(depth * block_bytes + output_bytes) / (depth * t["block"] + t["output"]),
            cache_bandwidth=cached / (t["full"] - t["many"]) if t["full"] > t["many"] else fastest,
            memory=free_memory(self.place),
            block_seconds=max(0.0, slope - own),
            pass_seconds=max(0.0, t["few"] - FEW * slope - t["head"]),
            number_bytes=size,
            source=f"measured here, on {self.place.type} with {torch.get_num_threads()} threads",
        )

    def _prompt_flops(self) -> tuple[float, float]:
        """FLOPs of one small block in a prompt of the full context, all sequences: with weights, and of attention."""
        few, many = (
            prompt_work(run.shape, run.counts, context=run.context, number_bytes=1)
            for run in (self.full_few, self.full)
        )
        blocks = (MANY - FEW) / self.full.sequences
        return (many.flops - few.flops) / blocks, (many.attention_flops - few.attention_flops) / blocks

    def _run(self) -> None:
        """Time the experiments in turn."""
        runs = {"few": self.few, "many": self.many, "full": self.full}
        for run in (*runs.values(), self.full_few):
            run.read(run.context)
            run.decode()
        for round_ in range(ROUNDS):
            if round_ < PROMPTS:
                self._add("prompt", self.full.read(self.full.context))
                self._add("prompt of few", self.full_few.read(self.full_few.context))
            self._add("block", self._vectors(self.block))
            self._add("output", self._vectors([self.output]))
            self._add("products", self._products())
            for name, run in runs.items():
                self.random_weights.numbers.sum()  # so that no weights are left in a cache
                self._add(name, run.decode())
            self.random_weights.numbers.sum()
            self._add("head", self._head())

    def _add(self, name: str, seconds: float) -> None:
        self.times.setdefault(name, []).append(seconds)

    def _vectors(self, matrices: Sequence[tuple[int, int]]) -> float:
        """Seconds of one vector's products with each of the matrices, read from memory."""
        from torch.nn.functional import linear

        size = sum(map(prod, matrices))
        repeats = max(1, min(self.random_weights.numbers.numel() // size, MOST_PRODUCTS // len(matrices)))
        pairs = []
        for start in range(0, repeats * size, size):
            for rows, width in matrices:
                pairs.append((self.random_weights.numbers[:width], self.random_weights.matrix(start, rows, width)))
                start += rows * width
        return seconds_of(lambda: [linear(vector, weight) for vector, weight in pairs], self.place) / repeats

    def _products(self) -> float:
        """Seconds of the products of `TOKENS` tokens with the matrices of a block."""
        from torch.nn.functional import linear

        pairs = [
            (self.random_weights.matrix(0, TOKENS, width), self.random_weights.matrix(TOKENS * width, rows, width))
            for rows, width in self.block
        ]
        return seconds_of(lambda: [linear(tokens, weight) for tokens, weight in pairs], self.place)

    def _head(self) -> float:
        """Seconds of the output matrix of a small model, which its intercept holds."""
        from torch.nn.functional import linear

        weight = self.few.model.get_output_embeddings().weight
        tokens = self.random_weights.matrix(0, self.few.sequences, weight.shape[1])
        return seconds_of(lambda: linear(tokens, weight), self.place)
