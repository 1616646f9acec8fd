"""A checkpoint's weights: loaded, checked, placed and frozen, and the memory that they take.

What can be asked for, type and device, is checked here, without loading anything heavy where that is not needed.
"""

import re
from typing import Literal, get_args

from nil_audit.errors import UsageError

Dtype = Literal["float32", "bfloat16", "float16", "float64"]
"""Type of the weights in memory, by torch's name for it."""

DTYPES: tuple[str, ...] = get_args(Dtype)

_DEVICE = re.compile(r"(cuda|xpu|mps)(?::(\d{1,4}))?")


def check_device(device: str) -> None:
    """Refuse a device that this machine has not got; torch is loaded for any but "auto" and "cpu".

    Args:
        device: "auto", "cpu", "cuda", "cuda:1", "xpu", "xpu:1" or "mps".

    Raises:
        UsageError: It does not exist here; the sentence names those that do.
    """
    if device in ("auto", "cpu"):
        return
    import torch

    counts = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "xpu": torch.xpu.device_count() if torch.xpu.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    asked = _DEVICE.fullmatch(device)
    if asked is not None and int(asked[2] or 0) < counts[asked[1]]:
        return
    here = ["cpu", *(f"{kind}:{index}" for kind, count in counts.items() for index in range(count))]
    raise UsageError(
        f"There is no device {device!r} here: PyTorch {torch.__version__} finds {', '.join(here)}; use"
        f" {'it' if len(here) == 1 else 'one of these'}, or leave --device out."
    )
