"""Ways to run MMLU-Pro on a model, one file each: what they build is a language model as lm-eval takes it."""

from typing import TYPE_CHECKING, Any

from nil_audit.score.plan import Plan
from nil_audit.source import Source
from nil_audit.weights import Dtype

if TYPE_CHECKING:
    from nil_audit.score.engines.engine import Engine


def build(
    plan: Plan, source: Source, *, dtype: Dtype, device: str, allow_pickle: bool, trust_remote_code: bool
) -> "Engine":
    """Load a checkpoint into the plan's engine.

    Args:
        plan: Names the engine and its batch size.
        source: The checkpoint.
        dtype: Of the weights in memory.
        device: Where to; vLLM chooses its own.
        allow_pickle: Also load pickled weights (vLLM decides for itself).
        trust_remote_code: Run the repository's own model code.

    Raises:
        NilAuditError: The model cannot be loaded (see ``load_checkpoint``), or not by this engine.
    """
    if plan.engine == "vllm":
        from nil_audit.score.engines.vllm import load_vllm

        return load_vllm(source, dtype=dtype, trust_remote_code=trust_remote_code)
    from nil_audit.shape.architecture import read_shape
    from nil_audit.weights.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(
        source,
        read_shape(source, trust_remote_code=trust_remote_code),
        dtype=dtype,
        device=device,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
    )
    return wrapped(plan, checkpoint.model, checkpoint.tokenizer)


def wrapped(plan: Plan, model: Any, tokenizer: Any) -> "Engine":
    """A model of transformers that is loaded already; it stays where it is, and the tokenizer as it is."""
    from nil_audit.progress import quiet_libraries
    from nil_audit.score.engines.plain import PlainHFLM, wrapping
    from nil_audit.score.engines.shared import SharedHFLM

    chosen = PlainHFLM if plan.engine == "plain" else SharedHFLM
    with quiet_libraries():
        return chosen(**wrapping(model, tokenizer, batch_size=plan.batch_size or 1))
