"""The gradient of the loss with respect to the input embedding, for any architecture, weights frozen.

Shape legend: B windows in a batch, T tokens a window, C of them context, N = T - C counted, d channels, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.nn import functional as F

from nil_audit.errors import MeasurementError
from nil_audit.interaction.places import Place, the_only, watched
from nil_audit.weights.checkpoint import embedding_weight


class PlaceGradients(NamedTuple):
    """What one batch of windows gives at a place of the network, at its counted positions.

    Attributes:
        gradients_BND: ∂ℓ_w/∂h_{w,t}, along every way from there to the loss.
        values_BND: h.
    """

    gradients_BND: torch.Tensor
    values_BND: torch.Tensor


class WindowGradients(NamedTuple):
    """What one batch of windows gives at its counted positions, those from C on.

    Attributes:
        gradients_BND: ∂ℓ_w/∂e_{w,t}, ℓ_w the summed cross-entropy of the window's counted targets in nats.
        embeddings_BND: e, the output of the embedding module.
        losses_BN: Cross-entropy of every counted target in nats.
        inside: The same at other places of the network, as asked for.
    """

    gradients_BND: torch.Tensor
    embeddings_BND: torch.Tensor
    losses_BN: torch.Tensor
    inside: tuple[PlaceGradients, ...] = ()


@contextmanager
def exact_matmul() -> Iterator[None]:
    """Float32 matrix products in float32: no TF32, no reduced-precision passes, restored afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def embedding_leaf(model: torch.nn.Module) -> Iterator[Callable[[], torch.Tensor]]:
    """Turn the output of the embedding module into a leaf that requires a gradient.

    A hook on the module reaches every architecture, whether it scales, projects or normalises embeddings later.

    Yields:
        What returns the leaf after a forward pass; it raises a MeasurementError where the module ran other than once.
    """
    captured: list[torch.Tensor] = []

    def capture(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_()
        captured.append(leaf)
        return leaf.clone()  # some models scale it in place, which a leaf forbids

    def only() -> torch.Tensor:
        if len(captured) != 1:
            raise MeasurementError(
                f"The input embedding ran {len(captured)} times in one forward pass; this architecture has no single "
                "input whose gradient could be taken."
            )
        return captured[0]

    handle = model.get_input_embeddings().register_forward_hook(capture)  # type: ignore[operator]
    try:
        yield only
    finally:
        handle.remove()


def window_gradients(
    model: torch.nn.Module,
    tokens_BT1: torch.Tensor,
    *,
    prefix: int | None = None,
    context: int = 0,
    places: Sequence[Place] = (),
) -> WindowGradients:
    """One forward and one activation-only backward over a batch of windows.

    The logits are the model's own, so caps and scales are in them; the loss is taken in float32 or better. A gradient
    depends only on targets at or after its position, so it is the same whether context is counted or not.

    Args:
        model: A frozen causal language model (see ``freeze``).
        tokens_BT1: Token ids, shape (B, T+1): T inputs and their next-token targets.
        prefix: A document-start token that is read in front of every window, never counted.
        context: C, positions at the start of a window that are read and not counted, at most T - 1.
        places: Where else gradients are taken, from the same backward pass.

    Raises:
        MeasurementError: A loss or a gradient is not finite, or the embedding module or a place was passed other than
            once.
    """
    inputs = tokens_BT1[:, :-1].to(embedding_weight(model).device)
    if prefix is not None:
        inputs = torch.cat([torch.full_like(inputs[:, :1], prefix), inputs], dim=1)
    skipped = context + (prefix is not None)
    with torch.enable_grad(), embedding_leaf(model) as leaf, watched(places) as passing:
        logits = model(input_ids=inputs, use_cache=False).logits[:, skipped:]
        embeddings = leaf()
        inside = the_only(passing, *inputs.shape)
        wide = logits if logits.dtype == torch.float64 else logits.float()
        targets = tokens_BT1[:, 1 + context :].to(wide.device)
        losses = F.cross_entropy(wide.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        gradients, *inner = torch.autograd.grad(losses.sum(), (embeddings, *inside))
    gradients = gradients[:, skipped:]
    if not torch.isfinite(losses).all():
        wider = "" if embeddings.element_size() >= 4 else "try --dtype float32, and "
        raise MeasurementError(
            f"The loss is not finite on this text; {wider}check that the weights are those of the config, undamaged."
        )
    # what is not finite at another place comes down to the embedding with the backward pass
    if not torch.isfinite(gradients).all():
        raise overflowed("A gradient is not finite though the loss is", embeddings.dtype)
    found = (
        PlaceGradients(*(one.detach().reshape(*inputs.shape, -1)[:, skipped:] for one in (slope, value)))
        for slope, value in zip(inner, inside, strict=True)
    )
    return WindowGradients(gradients, embeddings.detach()[:, skipped:], losses.detach(), tuple(found))


def overflowed(what: str, dtype: torch.dtype) -> MeasurementError:
    """The error of gradients of a type that are not finite."""
    wider = {torch.float32: "use --dtype float64, or ", torch.float64: ""}.get(dtype, "use --dtype float32, or ")
    return MeasurementError(
        f"{what}: numbers overflow in the backward pass; {wider}check that the weights are undamaged."
    )


def check_causal(model: torch.nn.Module, tokens_T: torch.Tensor) -> None:
    """Make sure that no logit depends on a later token: its loss would be that of a model that sees the answer.

    Some multimodal models read a bare text in both directions, whatever their configuration says. The last token of
    a short text is changed; logits before it must stay, up to the rounding of the weights' type.

    Args:
        model: A frozen causal language model.
        tokens_T: Token ids of a text; the first 64 are used, and a single one shows nothing.

    Raises:
        MeasurementError: Earlier logits moved.
    """
    if len(tokens_T) < 2:
        return
    weight = embedding_weight(model)
    pair = tokens_T[:64].repeat(2, 1).to(weight.device)
    pair[1, -1] = (pair[1, -1] + 1) % len(weight)
    with torch.no_grad():
        logits = model(input_ids=pair, use_cache=False).logits[:, :-1].float()
    moved = (logits[0] - logits[1]).abs().max()
    if moved > 0.05 * logits[0].std():
        raise MeasurementError(
            "Logits of this model depend on later tokens when it reads plain text, so its loss would leak the answer; "
            "only models that read from left to right can be measured."
        )
