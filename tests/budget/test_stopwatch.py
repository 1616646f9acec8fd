"""Times taken on this machine: that they are there, of every kind of block, and that what cannot be timed is said."""

from typing import Any

import pytest
import torch

from nil_audit.budget import stopwatch, this_machine
from nil_audit.budget.inference import decode_work
from nil_audit.budget.stopwatch import RandomWeights, measure, measure_all, model_of
from nil_audit.budget.template import config_from_flags
from nil_audit.errors import ConfigError, MeasurementError, UsageError
from nil_audit.progress import Task
from nil_audit.shape.architecture import shape_from_config
from tests.budget.test_inference import CONFIG, COUNTS, SHAPE
from tests.shape.tiny import tiny_config

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "ROUNDS", 1)
    monkeypatch.setattr(this_machine, "ROUNDS", 2)
    monkeypatch.setattr(this_machine, "PROMPTS", 1)
    monkeypatch.setattr(this_machine, "STREAMED", 2**16)


def test_times_of_shapes_in_turn() -> None:
    steps: list[int] = []

    class Counted:
        def __enter__(self) -> Task:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def advance(self, done: int, said: str = "") -> None:
            steps.append(done)

        def tell(self, sentence: str) -> None:
            raise AssertionError(sentence)

    found = measure_all([CONFIG, {**CONFIG, "num_hidden_layers": 2}], context=16, progress=lambda *_, **__: Counted())
    assert len(found) == 2
    assert len(steps) == 2 * (stopwatch.ROUNDS + stopwatch.PROMPTS)
    for one in found:
        assert one.device == "this machine"
        assert one.decode_bound == ""
        assert 0 < one.decode_seconds < 60
        assert 0 < one.prompt_seconds < 60
    assert found[0].intensity == decode_work(SHAPE, COUNTS, context=16, number_bytes=4).intensity


@pytest.mark.parametrize("model_type", ["gpt2", "gemma2", "qwen3", "bloom", "opt", "mpt", "gpt_bigcode"])
def test_types_with_caches_masks_and_positions_of_their_own(model_type: str) -> None:
    config = tiny_config(model_type)
    longest = shape_from_config(config).context or 16  # the last position is still there to decode at
    assert measure(config, name="x", context=min(longest, 128)).decode_seconds > 0


def test_models_share_one_memory_and_keep_what_is_tied() -> None:
    random_weights = RandomWeights(CPU, 10_000)
    one, two = (model_of(config, "x", random_weights) for config in (CONFIG, {**CONFIG, "tie_word_embeddings": False}))
    assert one.get_output_embeddings().weight is one.get_input_embeddings().weight
    assert two.get_output_embeddings().weight is not two.get_input_embeddings().weight
    held = random_weights.numbers.untyped_storage().data_ptr()
    for model in (one, two):
        starts = [weight.data_ptr() for weight in model.parameters()]
        assert {weight.untyped_storage().data_ptr() for weight in model.parameters()} == {held}
        assert min(starts) == held
        assert len(starts) == len(set(starts))
    assert sum(weight.numel() for weight in one.parameters()) == SHAPE.parameters.total  # type: ignore[union-attr]


def test_what_is_timed_is_the_model_with_a_full_cache() -> None:
    """The last token behind the others in the cache has the logits of the whole prompt."""
    model = model_of(CONFIG, "x", RandomWeights(CPU, 10_000))
    run = stopwatch.Run(SHAPE, COUNTS, model, 12)
    with torch.inference_mode():
        run.read(12)
        assert run.cache.get_seq_length() == 12
        run.decode()
        assert run.cache.get_seq_length() == 12
        ids = torch.arange(12)[None]
        whole = model(input_ids=ids).logits[0, -1]
        cache = model(input_ids=ids, use_cache=True).past_key_values
        cache.crop(-1)
        assert torch.allclose(model(input_ids=ids[:, -1:], past_key_values=cache).logits[0, -1], whole, atol=1e-6)


def test_too_large_for_memory_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "free_memory", lambda _place: 10**9)
    monkeypatch.setattr(stopwatch, "model_of", lambda *_: pytest.fail("built"))
    large = config_from_flags("llama", depth=32, width=4096, heads=32, mlp_width=11008, vocab_size=32000)
    with pytest.raises(
        MeasurementError, match=r"^Timing big takes about \d+\.\d GB of memory, but 1\.0 GB are free; leave --measure"
    ):
        measure(large, name="big", context=4096)


def test_unknown_device() -> None:
    with pytest.raises(UsageError, match="no device 'cuda:7'"):
        measure(CONFIG, name="x", context=8, device="cuda:7")


def test_context_beyond_the_positions_is_one_sentence() -> None:
    config = tiny_config("gpt2")
    context = 4 * (shape_from_config(config).context or 0)
    with pytest.raises(MeasurementError, match=rf"^transformers cannot run mine at {context} tokens \(.*\); leave"):
        measure(config, name="mine", context=context)


def test_interrupt_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(stopwatch, "seconds_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(CONFIG, name="x", context=8)


def test_calibration_names_device_and_threads() -> None:
    found = this_machine.this_machine(CONFIG, context=16)
    assert (found.name, found.number_bytes) == ("this machine", 4)
    assert found.source == f"measured here, on cpu with {torch.get_num_threads()} threads"
    assert min(found.peak_flops, found.attention_flops, found.bandwidth, found.cache_bandwidth, found.memory) > 0
    assert 0 <= found.block_seconds < 60


def test_calibration_solves_for_what_the_times_were_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """From times that a known machine would take, its constants come back."""
    bandwidth, cache, peak, attention, block, fixed = 2e9, 1e9, 4e9, 3e9, 1e-3, 5e-3
    one = this_machine._Calibration.of(CONFIG, 16, CPU)
    size = 4 * sum(rows * width for rows, width in one.block)

    def decode(run: stopwatch.Run) -> float:
        work = decode_work(run.shape, run.counts, context=run.context, number_bytes=4)
        head = 4 * run.shape.vocab_size * run.shape.width / bandwidth
        blocks = (run.counts.block * run.shape.depth * 4) / bandwidth
        cached = run.sequences * (run.context - one.many.context) * work.cache_bytes / run.context / cache
        return head + blocks + cached + run.shape.depth * block + fixed

    def prompt(run: stopwatch.Run) -> float:
        work = this_machine.prompt_work(run.shape, run.counts, context=run.context, number_bytes=4)
        return run.sequences * (work.flops / peak + work.attention_flops / attention)

    one.times = {
        "block": [size / bandwidth],
        "output": [4 * 32 * 8 / bandwidth],
        "products": [2 * this_machine.TOKENS * size / 4 / peak],
        "few": [decode(one.few)],
        "many": [decode(one.many)],
        "full": [decode(one.full)],
        "head": [4 * one.few.shape.vocab_size * one.few.shape.width / bandwidth],
        "prompt": [prompt(one.full)],
        "prompt of few": [prompt(one.full_few)],
    }
    monkeypatch.setattr(this_machine._Calibration, "_run", lambda _self: None)
    found = one.result()
    assert found.bandwidth == pytest.approx(bandwidth)
    assert found.cache_bandwidth == pytest.approx(cache)
    assert found.peak_flops == pytest.approx(peak)
    assert found.attention_flops == pytest.approx(attention)
    assert found.block_seconds == pytest.approx(block)
    assert found.pass_seconds == pytest.approx(fixed)


def test_a_type_that_has_no_small_model_says_so() -> None:
    with pytest.raises(ConfigError):
        this_machine.this_machine({**CONFIG, "num_attention_heads": 3}, context=16)
