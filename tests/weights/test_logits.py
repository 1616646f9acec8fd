"""Logits of some positions alone are those of a whole forward pass."""

import pytest
import torch

from nil_audit.weights.logits import last_logits, logits_at
from nil_audit.weights.memory import window_memory
from tests.tiny import ARCHITECTURES, VOCABULARY, tiny_model


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_they_are_those_of_all_positions_and_no_others_are_computed(name: str) -> None:
    model = tiny_model(name)
    tokens = torch.randint(2, VOCABULARY, (3, 9), generator=torch.Generator().manual_seed(1))
    positions = torch.tensor([[8, 0], [4, 4], [7, -1]])
    seen: list[torch.Size] = []
    head = model.get_output_embeddings()
    with torch.no_grad():
        whole = model(input_ids=tokens).logits
        handle = head.register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape))
        torch.testing.assert_close(last_logits(model, tokens), whole[:, -1])
        with logits_at(model, positions) as was_asked:
            chosen = model(input_ids=tokens).logits
        handle.remove()
    assert was_asked()
    torch.testing.assert_close(chosen, torch.stack([whole[row, places] for row, places in enumerate(positions)]))
    assert [tuple(shape) for shape in seen] == [(3, 1, VOCABULARY), (3, 2, VOCABULARY)]
    assert tuple(model(input_ids=tokens).logits.shape) == (3, 9, VOCABULARY)


def test_memory_of_the_last_logits_alone_leaves_out_the_others() -> None:
    model = tiny_model("llama")
    # of each logit its float copy, log-softmax and two gradients; the copy is the logit itself in float32
    assert window_memory(model, 16) - window_memory(model, 16, last_only=True) == pytest.approx(
        15 * VOCABULARY * 16, rel=0.1
    )
