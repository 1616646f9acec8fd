"""Options that several commands share, so that they read and mean the same everywhere."""

from typing import Annotated, cast

import typer

from nil_audit import weights
from nil_audit.errors import UsageError

Dtype = Annotated[str, typer.Option(help="Type of the weights: " + ", ".join(weights.DTYPES) + ".")]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
AllowPickle = Annotated[bool, typer.Option("--allow-pickle", help="Load pickled weights, which can run code.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run model code from the repository.")]


def check_dtype(dtype: str) -> weights.Dtype:
    """The type of weights that was asked for, checked before anything heavy is imported.

    Raises:
        UsageError: There is no such type.
    """
    if dtype not in weights.DTYPES:
        raise UsageError(f"There is no dtype {dtype!r}; use {', '.join(weights.DTYPES)}.")
    return cast(weights.Dtype, dtype)
