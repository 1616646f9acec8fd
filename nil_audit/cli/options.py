"""Options that several commands share, so that they read and mean the same everywhere."""

from typing import Annotated

import typer

from nil_audit.errors import UsageError

DTYPES = ("float32", "bfloat16", "float16", "float64")

Dtype = Annotated[str, typer.Option(help="Type of the weights: " + ", ".join(DTYPES) + ".")]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
AllowPickle = Annotated[bool, typer.Option("--allow-pickle", help="Load pickled weights, which can run code.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run model code from the repository.")]


def check_dtype(dtype: str) -> None:
    """Refuse a type of weights that there is not, before anything heavy is imported.

    Raises:
        UsageError: It is none of ``DTYPES``.
    """
    if dtype not in DTYPES:
        raise UsageError(f"There is no dtype {dtype!r}; use {', '.join(DTYPES)}.")
