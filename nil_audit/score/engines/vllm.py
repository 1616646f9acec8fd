"""The engine of vLLM, where it is installed (the extra ``nil-audit[vllm]``): a file of its own, like every engine."""

import os
from typing import Any

from nil_audit.errors import UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.source import Source


def load_vllm(source: Source, *, dtype: str, trust_remote_code: bool) -> Any:
    """An engine of vLLM as lm-eval takes it; it loads the checkpoint itself and schedules its own batches.

    Args:
        source: The checkpoint.
        dtype: Of the weights.
        trust_remote_code: Run the repository's own model code.

    Raises:
        UsageError: This is one of several processes, or a GGUF file.
    """
    if source.gguf is not None:
        raise UsageError(
            f"{source.name} is a GGUF file, which vLLM would run as it is quantised; leave --engine vllm out, and its"
            " weights are turned back into numbers."
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("vLLM starts its own processes; run --engine vllm without accelerate launch or torchrun.")
    from lm_eval.models.vllm_causallms import VLLM

    with quiet_libraries():
        return VLLM(
            pretrained=source.reference,
            revision=source.revision,
            tokenizer_revision=source.revision,
            dtype=dtype,
            batch_size="auto",
            trust_remote_code=trust_remote_code,
        )
