"""One family of errors: each says what was wrong and what to do next, in a sentence.

The command turns any of these into one line on stderr and the exit code of its class; every other exception is
a defect of nil-audit.
"""

import re

_CAUSE = re.compile(r"\w*Error: (.+)")
_SAY_LITTLE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class NilAuditError(Exception):
    """Base of the errors that a user can act on. The message is one sentence: what is wrong, what to do."""

    exit_code = EXIT_SOME_FAILED


class UsageError(NilAuditError):
    """The command was wrong: options that exclude each other, a value out of range, an unwritable folder."""

    exit_code = EXIT_USAGE


class SourceError(NilAuditError):
    """A model, data set or file cannot be reached: unknown id, gated, no network, no such folder."""


class ConfigError(NilAuditError):
    """A model configuration is unreadable, or a number in it cannot be."""


class UnsupportedArchitectureError(NilAuditError):
    """The model is not a dense decoder-only language model, so depth and width do not describe it."""


class CheckpointError(NilAuditError):
    """Weights or tokenizer are missing, damaged, unsafe or do not fit the configuration."""


class ProbeError(NilAuditError):
    """The probe text is unreachable, too short or not text."""


class MeasurementError(NilAuditError):
    """The gradients cannot be turned into numbers: not finite, all zero, or out of memory at one window."""


class RotationError(NilAuditError):
    """The residual stream of a model cannot be rotated so that it computes the same function."""


class DataError(NilAuditError):
    """A table, list, record or benchmark data set is not what it should be."""


class TeamError(NilAuditError):
    """Another process of a launch is gone, so that this one cannot go on."""


class DefectError(NilAuditError):
    """An exception that nobody foresaw, in the words that a user sees."""

    @classmethod
    def of(cls, error: BaseException) -> "DefectError":
        """Name a defect by the exception that it raised."""
        name, said = type(error).__name__, first_line(error)
        what = said if said.startswith(name) else f"{name}: {said}"
        return cls(f"nil-audit has a defect ({what}); --debug shows where, please report it.")


def first_line(error: BaseException, limit: int = 200) -> str:
    """The telling line of a library's error, without its final full stop; a longer one ends in " ...".

    A bare KeyError or TypeError says little without its name, which is put in front. huggingface_hub's strict
    dataclasses put the cause on the second line: "ValueError: ...".
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = lines[0]
    if isinstance(error, _SAY_LITTLE):
        text = f"{type(error).__name__}: {text}"
    elif text.endswith(":") and len(lines) > 1 and (cause := _CAUSE.match(lines[1])):
        text = cause.group(1)
    text = text.rstrip(".: ")
    return text if len(text) <= limit else text[:limit] + " ..."
