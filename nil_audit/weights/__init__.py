"""A checkpoint's weights: loaded, checked, placed and frozen, and the memory that they take."""

from typing import Literal, get_args

Dtype = Literal["float32", "bfloat16", "float16", "float64"]
"""Type of the weights in memory, by torch's name for it."""

DTYPES: tuple[str, ...] = get_args(Dtype)
