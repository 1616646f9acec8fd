"""The vLLM backend: the same questions through vLLM where it is installed (the extra ``nil-audit[vllm]``)."""

import os
from importlib.util import find_spec
from typing import Any

from nil_audit.errors import UsageError


def require_vllm() -> None:
    """Raise a UsageError that says what to do where vLLM is missing."""
    if find_spec("vllm") is None:
        raise UsageError(
            "vLLM is not installed; install it with pip install 'nil-audit[vllm]', or use --backend hf, "
            "which runs the same questions through transformers."
        )


def wrap_vllm(reference: str, *, revision: str | None, dtype: str, trust_remote_code: bool) -> Any:
    """An engine of vLLM as lm-eval takes it; it loads the checkpoint itself and schedules its own batches.

    Args:
        reference: A Hub id or a folder, as transformers takes it.
        revision: Commit on the Hub, or None.
        dtype: Of the weights.
        trust_remote_code: Run the repository's own model code.

    Raises:
        UsageError: vLLM is not installed, or this is one of several processes.
    """
    require_vllm()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("vLLM starts its own processes; run --backend vllm without accelerate launch or torchrun.")
    from lm_eval.models.vllm_causallms import VLLM

    from nil_audit.score.engines.hf import quiet_libraries

    with quiet_libraries():
        return VLLM(
            pretrained=reference,
            revision=revision,
            tokenizer_revision=revision,
            dtype=dtype,
            batch_size="auto",
            trust_remote_code=trust_remote_code,
        )
