"""Options that several commands share, how they are read, and which of them mean nothing together.

Everything here is checked before anything is read or measured, and refused in one sentence.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from nil_audit import weights
from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.errors import UsageError
from nil_audit.source import existing_path
from nil_audit.weights import check_device as check_device

_SPELLINGS = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "fp32": "float32",
    "float": "float32",
    "fp64": "float64",
    "double": "float64",
}
_COUNT = re.compile(r"([+-]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)([kmbgt]?)", re.IGNORECASE)
_SHARE = re.compile(r"(\d*\.?\d+)\s*(%?)")
_SUFFIXES = {"": 0, "k": 3, "m": 6, "b": 9, "g": 9, "t": 12}
MOST_TOKENS = 10**18

SETTINGS, MEASURES, MMLU_PRO, LOADING, RESULTS = (
    "What is measured",
    "More measurements",
    "MMLU-Pro",
    "Loading",
    "Results",
)
"""Panels of the help."""


def flag(name: str, panel: str, help: str) -> Any:
    """An option that is given or not."""
    return typer.Option(name, metavar="", help=help, rich_help_panel=panel)


def value(metavar: str, panel: str, help: str, *names: str, **more: Any) -> Any:
    """An option that takes a value; named after its parameter unless it is given names."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)


def _dtypes() -> list[str]:
    return list(weights.DTYPES)


def _protocols() -> list[str]:
    from nil_audit.score.protocols import PROTOCOLS

    return list(PROTOCOLS)


def intervals() -> list[str]:
    """What ``--interval`` takes by name: the shipped studies, and all of them pooled."""
    from nil_audit.law.pooled import NAME
    from nil_audit.law.studies import studies

    return [*(one.name for one in studies()), NAME]


INTERVAL = "What shapes are held against: law, morph, chinchilla, gemstones, or a file of 'nil-audit calibrate'."

_TYPES = f"Type of the weights: {', '.join(weights.DTYPES)} (or bf16, fp16, fp32, fp64)."

MODELS = "Hub id, id@revision, local folder, GGUF file, or a model list (.csv)."
Models = Annotated[list[str], typer.Argument(metavar="MODEL", help=MODELS)]
Dtype = Annotated[str, value("TYPE", SETTINGS, _TYPES, autocompletion=_dtypes)]
Device = Annotated[str, value("DEVICE", SETTINGS, "auto, cpu, cuda, cuda:1, mps, xpu.")]
Fresh = Annotated[bool, flag("--fresh", SETTINGS, "Measure again, whatever is kept.")]

Protocol = Annotated[
    str,
    value(
        "NAME",
        MMLU_PRO,
        "leaderboard (Open LLM Leaderboard v2, comparable with published scores), mc (5-shot multiple choice) or cot.",
        autocompletion=_protocols,
    ),
]
Questions = Annotated[
    int | None,
    value("N", MMLU_PRO, f"A sample stratified by category (default: all {MMLU_PRO_QUESTIONS:,} questions).", min=1),
]
Data = Annotated[Path | None, value("DIR", MMLU_PRO, "Folder with a local copy of MMLU-Pro (parquet or JSON).")]
DataRevision = Annotated[
    str | None, value("REVISION", MMLU_PRO, "Revision of the Hub's MMLU-Pro (default: the protocol's own).")
]

AllowPickle = Annotated[bool, flag("--allow-pickle", LOADING, "Load pickled weights, which can run code.")]
TrustRemoteCode = Annotated[bool, flag("--trust-remote-code", LOADING, "Run model code from the repository.")]

AsJson = Annotated[bool, flag("--json", RESULTS, "One JSON document on stdout.")]
AuditFolder = Annotated[
    Path | None, value("DIR", RESULTS, "Folder for records, audit.csv, audit.html, audit.md.", "--out")
]
Details = Annotated[
    bool, flag("--details", RESULTS, "Everything else: every number, the heaviest tokens, the settings.")
]
Quiet = Annotated[bool, flag("--quiet", RESULTS, "Only the sentences of the answer; no progress, no notes.")]
Debug = Annotated[bool, flag("--debug", RESULTS, "Show the traceback of an error.")]


def check_dtype(dtype: str) -> weights.Dtype:
    """The type of weights that was asked for, by any of its names.

    Raises:
        UsageError: There is no such type.
    """
    name = _SPELLINGS.get(dtype.lower(), dtype.lower())
    if name not in weights.DTYPES:
        raise UsageError(f"There is no dtype {dtype!r}; use {', '.join(weights.DTYPES)}.")
    return cast(weights.Dtype, name)


def check_count(text: str, option: str = "--tokens") -> int:
    """A number of tokens as people write it: 131072, 131_072, 131k, 1M, 2B, 1.5T, 3e11 (k is a thousand).

    Raises:
        UsageError: It is no number, not whole, below 1, or absurd.
    """
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text!r} is not a number; write it as 131072, 131k, 1M, 2B or 3e11.")
    number = Decimal(found[1].replace("_", "").replace(",", "")).scaleb(_SUFFIXES[found[2].lower()])
    if number <= 0:
        raise UsageError(f"{option} is {text}, but must be above zero; give a number such as 131072, 131k or 2B.")
    if number >= MOST_TOKENS:
        raise UsageError(f"{option} {text} is more than there can be; give a number such as 131072, 131k or 2B.")
    if number != number.to_integral_value():
        raise UsageError(f"{option} {text} is not a whole number; give one such as 131072, 131k or 2B.")
    return int(number)


def check_share(text: str, option: str) -> float:
    """A share as people write it: 1%, 0.5%, 0.01.

    Raises:
        UsageError: It is none, or not above 0 and at most 50%.
    """
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text!r} is not a share; write it as 1% or 0.01.")
    share = float(found[1]) / (100 if found[2] else 1)
    if not 0 < share <= 0.5:
        raise UsageError(
            f"{option} {text} is {share:.4g} of the whole, but must be above 0 and at most 0.5; 0.01 is 1%."
        )
    return share


def check_precision(text: str) -> float:
    """A standard error that an accuracy can be brought to, as people write it: 1%, 2.5%, 0.01.

    Raises:
        UsageError: It is none, or not above 0 and below 50%.
    """
    found = _SHARE.fullmatch(text.strip())
    error = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < error < 0.5:
        raise UsageError(
            f"--precision {text!r} is no standard error of an accuracy; write one above 0 and below 50%, such as 1% or"
            " 0.01."
        )
    return error


def check_models(context: typer.Context, models: Sequence[str]) -> None:
    """Refuse names that no model can have, each with what was probably meant.

    Raises:
        UsageError: A name is several names joined by commas, or is one of the commands.
    """
    commands = getattr(context.parent.command, "commands", {}) if context.parent else {}
    for name in models:
        if existing_path(name) is not None:
            continue
        if "," in name:
            apart = " ".join(filter(None, re.split(r"[,\s]+", name)))
            raise UsageError(f"Models are set apart by spaces, not by commas; write {apart}.")
        if name in commands:
            raise UsageError(
                f"{name!r} is a command, and comes first: nil-audit {name} ...; of a Hub model of that name give the"
                " whole id, OWNER/NAME."
            )


def refuse_without(context: typer.Context, needed: str, *options: str) -> None:
    """Refuse options that do nothing unless another is given.

    Args:
        context: Of the command.
        needed: The other option, as "--mmlu-pro".
        options: Those that need it.

    Raises:
        UsageError: One of them is given, and the other is not.
    """
    there = given(context)
    if needed not in there and (idle := [option for option in options if option in there]):
        named, verb = _listing(idle), "does" if len(idle) == 1 else "do"
        raise UsageError(f"{named} {verb} nothing without {needed}; add {needed}, or leave {named} out.")


def refuse_together(context: typer.Context, option: str, *others: str, because: str) -> None:
    """Refuse options that mean nothing beside another.

    Args:
        context: Of the command.
        option: The option, as "--shape-only".
        others: Those that cannot stand beside it.
        because: Why, as the end of a sentence that begins with the option: "reads no weights".

    Raises:
        UsageError: It is given, and one of the others too.
    """
    there = given(context)
    if option in there and (clash := [other for other in others if other in there]):
        raise UsageError(f"{option} {because}, so {_listing(clash)} cannot go with it; leave one or the other out.")


def given(context: typer.Context) -> frozenset[str]:
    """The options that the command line itself gives, by their first name ("--tokens"), defaults left out."""
    names = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name) if parameter.name else None
        if source is not None and source.name == "COMMANDLINE":
            names.append(next((name for name in parameter.opts if name.startswith("--")), str(parameter.name)))
    return frozenset(names)


def _listing(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
