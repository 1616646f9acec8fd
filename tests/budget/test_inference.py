"""Times by the roofline against arithmetic by hand, and the accelerators that there are figures of."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from nil_audit.budget.accelerators import Accelerator, accelerator, accelerators
from nil_audit.budget.cost import cost
from nil_audit.budget.counts import BlockCounts, count_blocks
from nil_audit.budget.inference import decode_work, prompt_work, serving_time
from nil_audit.budget.template import Template, config_from_flags
from nil_audit.errors import UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import Shape, shape_from_config
from nil_audit.shape.hf_config import transformers_config

# 3 blocks of width 8, 4 heads of 2 in groups of 2, MLP 16, 32 tokens in the vocabulary, one embedding matrix
CONFIG = config_from_flags(
    "llama", depth=3, width=8, heads=4, kv_heads=2, mlp_width=16, vocab_size=32, context=64, tied=True
)
SHAPE = shape_from_config(CONFIG)
COUNTS = count_blocks(Template(CONFIG, SHAPE))
CONTEXT = 10
BLOCK = 8 * 8 * 2 + 8 * 4 * 2 + 3 * 8 * 16  # weights of its matrices: queries and output, keys and values, MLP
MACHINE = Accelerator(
    name="test",
    title="Test",
    peak_flops=1e6,
    attention_flops=1e6,
    bandwidth=1e6,
    cache_bandwidth=1e6,
    memory=1e9,
    block_seconds=0.0,
    source="",
)


def deeper(depth: int) -> Shape:
    """The shape at another depth."""
    return replace(SHAPE, depth=depth)


def test_decoded_token_by_hand() -> None:
    work = decode_work(SHAPE, COUNTS, context=CONTEXT)
    assert work.flops == 2 * (3 * BLOCK + 32 * 8)
    assert work.attention_flops == 3 * 4 * CONTEXT * 8
    assert work.weight_bytes == 2 * (3 * (BLOCK + 2 * 8) + 32 * 8 + 8)  # with norms, the output matrix, one row
    assert work.cache_bytes == 3 * CONTEXT * 2 * 2 * 2 * 2
    assert work.intensity == (work.flops + work.attention_flops) / (work.weight_bytes + work.cache_bytes)


def test_prompt_by_hand() -> None:
    work = prompt_work(SHAPE, COUNTS, context=CONTEXT)
    assert work.flops == 2 * (CONTEXT * 3 * BLOCK + 32 * 8)  # the output matrix for the last token alone
    assert work.attention_flops == 3 * 4 * 8 * sum(range(1, CONTEXT + 1))
    assert work.weight_bytes == 2 * (3 * (BLOCK + 2 * 8) + 32 * 8 + CONTEXT * 8)


def test_flops_of_a_decoded_token_are_those_that_pytorch_counts() -> None:
    with quiet_libraries(), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(transformers_config(CONFIG, "x").full, attn_implementation="eager")
        cache = model(input_ids=torch.zeros(1, CONTEXT - 1, dtype=torch.long), use_cache=True).past_key_values
        with FlopCounterMode(display=False) as counter:
            model(input_ids=torch.zeros(1, 1, dtype=torch.long), past_key_values=cache)
    work = decode_work(SHAPE, COUNTS, context=CONTEXT)
    assert counter.get_total_flops() == work.flops + work.attention_flops


def test_cache_and_weights_are_those_of_the_cost() -> None:
    spent = cost(SHAPE, COUNTS, tokens=1.0, context=CONTEXT)
    work = decode_work(SHAPE, COUNTS, context=CONTEXT)
    assert work.cache_bytes == CONTEXT * spent.kv_bytes_per_token
    assert work.weight_bytes == spent.weight_bytes  # of tied matrices, the final norm for one embedding row


def test_untied_input_embedding_costs_a_row() -> None:
    config = {**CONFIG, "tie_word_embeddings": False}
    shape = shape_from_config(config)
    counts = count_blocks(Template(config, shape))
    assert decode_work(shape, counts, context=CONTEXT) == decode_work(SHAPE, COUNTS, context=CONTEXT)


@given(st.integers(1, 200), st.floats(0, 1e-2))
def test_each_block_adds_its_bytes_and_its_fixed_cost(depth: int, fixed: float) -> None:
    machine = replace(MACHINE, peak_flops=1e9, attention_flops=1e9, block_seconds=fixed)
    one, more = (serving_time(deeper(L), COUNTS, machine, context=CONTEXT).decode_seconds for L in (depth, depth + 1))
    bytes_of_a_block = 2 * (BLOCK + 2 * 8) + CONTEXT * 2 * 2 * 2 * 2
    assert more - one == pytest.approx(bytes_of_a_block / 1e6 + fixed, rel=1e-6)


def test_deeper_is_slower_at_the_same_bytes() -> None:
    """Twice the blocks of half the size: the same weights, more fixed costs."""
    halves = BlockCounts(**{**vars(COUNTS), "block": COUNTS.block // 2, "matmul_block": COUNTS.matmul_block // 2})
    thin = replace(SHAPE, depth=6, heads=2, kv_heads=1)
    assert decode_work(thin, halves, context=CONTEXT) == decode_work(SHAPE, COUNTS, context=CONTEXT)
    for card in accelerators():
        deep, wide = (serving_time(*one, card, context=CONTEXT) for one in ((thin, halves), (SHAPE, COUNTS)))
        assert deep.decode_seconds - wide.decode_seconds == pytest.approx(3 * card.block_seconds)
        assert deep.prompt_seconds > wide.prompt_seconds


def test_what_bounds_a_decoded_token() -> None:
    memory = replace(MACHINE, peak_flops=1e9, attention_flops=1e9)
    fast = replace(memory, bandwidth=2e6, cache_bandwidth=2e6)
    one, two = (serving_time(SHAPE, COUNTS, machine, context=CONTEXT) for machine in (memory, fast))
    assert one.decode_bound == two.decode_bound == "memory"
    assert one.decode_seconds == 2 * two.decode_seconds
    work = decode_work(SHAPE, COUNTS, context=CONTEXT)
    compute = serving_time(SHAPE, COUNTS, replace(MACHINE, bandwidth=1e9, cache_bandwidth=1e9), context=CONTEXT)
    assert compute.decode_bound == "compute"
    assert compute.decode_seconds == pytest.approx((work.flops + work.attention_flops) / 1e6)
    blocks = serving_time(SHAPE, COUNTS, replace(memory, block_seconds=1.0, pass_seconds=5.0), context=CONTEXT)
    assert blocks.decode_bound == "blocks"
    assert blocks.decode_seconds == pytest.approx(8 + one.decode_seconds)
    assert blocks.prompt_seconds == pytest.approx(8 / CONTEXT + one.prompt_seconds)
    assert (blocks.device, blocks.intensity) == ("test", work.intensity)


def test_rates_of_attention_and_cache_count_apart() -> None:
    machine = replace(MACHINE, peak_flops=1e9, attention_flops=1e3, cache_bandwidth=1e3)
    decode, prompt = (of(SHAPE, COUNTS, context=CONTEXT) for of in (decode_work, prompt_work))
    found = serving_time(SHAPE, COUNTS, machine, context=CONTEXT)
    assert found.decode_seconds == pytest.approx(
        max(decode.weight_bytes / 1e6 + decode.cache_bytes / 1e3, decode.flops / 1e9 + decode.attention_flops / 1e3)
    )
    assert found.prompt_seconds * CONTEXT == pytest.approx(prompt.flops / 1e9 + prompt.attention_flops / 1e3)


def test_numbers_of_the_machines_type_count() -> None:
    two, four = (decode_work(SHAPE, COUNTS, context=CONTEXT, number_bytes=size) for size in (2, 4))
    assert four.weight_bytes + four.cache_bytes == 2 * (two.weight_bytes + two.cache_bytes)
    found = serving_time(SHAPE, COUNTS, replace(MACHINE, number_bytes=4, peak_flops=1e9), context=CONTEXT)
    assert found.intensity == two.intensity / 2


def test_figures_of_the_accelerators() -> None:
    names = [one.name for one in accelerators()]
    assert len(names) == len(set(names)) <= 12
    assert {"h200", "h100", "a100", "l4", "t4", "rtx4090", "mi300x"} <= set(names)
    h100 = accelerator(" H100 ")
    assert (h100.peak_flops, h100.bandwidth, h100.memory) == (989e12, 3.35e12, 80e9)
    for one in accelerators():
        assert one.source and one.title and one.number_bytes == 2 and one.pass_seconds == 0
        assert (one.attention_flops, one.cache_bandwidth) == (one.peak_flops, one.bandwidth)
        # a matrix product of a large batch is bound by arithmetic, a decoded token by memory
        assert 20 < one.peak_flops / one.bandwidth < 500
        assert 1e-6 < one.block_seconds < 1e-4


def test_unknown_accelerator_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no figures of an accelerator 'h2000'; choose h200, h100, .*m1max\."):
        accelerator("h2000")


def test_needs_no_torch() -> None:
    code = (
        "import sys, nil_audit.budget.stopwatch, nil_audit.budget.this_machine;"
        "from nil_audit.budget.accelerators import accelerators; accelerators();"
        "assert not {'torch', 'transformers', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
