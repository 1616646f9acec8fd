"""One family of errors: each says what was wrong and what to do next, in a sentence.

The command turns any of these into one line on stderr and the exit code of its class; every other exception is
a defect of nil-audit.
"""

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


class DataError(NilAuditError):
    """A table, list, record or benchmark data set is not what it should be."""
