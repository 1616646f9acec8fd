"""Probe text: where it comes from, and how it becomes windows of tokens in blocks."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nil_audit.errors import ProbeError, first_line
from nil_audit.progress import quiet_libraries

BLOCKS = 16
"""K: a probe is cut into 16 blocks of windows, which the jackknife leaves out one at a time."""

_SAMPLE = 20_000  # characters that tell how many a token has
_LEAD = 16  # tokens that hold the beginning of any character whose end is the next one
_MARGIN = 256  # tokens behind the last one needed in which the end of a piece may show
_WIKITEXT = ("Salesforce/wikitext", "wikitext-103-raw-v1", "test", "text")
_ALTERNATIVES = "use --probe builtin (shipped, offline) or --probe FILE with a text file of your own"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Text on which gradients are taken.

    Attributes:
        name: "wikitext", "builtin", a file's name, or "hf:..." as given.
        text: The whole text.
        sha256: Of the text in UTF-8.
    """

    name: str
    text: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A probe as one model's tokens.

    Attributes:
        tokens: Token ids, shape (W, T+1): T inputs and T targets, the last id of a row being the next row's first.
        context: C, positions at the start of a window that are read and not counted.
        bytes: UTF-8 bytes of the text that each window's counted targets cover, shape (W,).
        text_ended: Whether the text ended before as many windows were made as were asked for.
    """

    tokens: NDArray[np.int64]
    context: int
    bytes: NDArray[np.int64]
    text_ended: bool = False

    @property
    def count(self) -> int:
        """W, windows in use."""
        return len(self.tokens)

    @property
    def length(self) -> int:
        """T, input tokens a window."""
        return self.tokens.shape[1] - 1

    @property
    def counted(self) -> int:
        """T - C, counted tokens a window."""
        return self.length - self.context


def block_of(windows: int) -> NDArray[np.int64]:
    """The block of each of W windows, floor(i K / W), shape (W,)."""
    return np.arange(windows) * BLOCKS // windows


def document_start(tokenizer: Any) -> int | None:
    """The token that stands in front of a document: bos, else eos (lm-eval's rule), else None."""
    first = tokenizer.bos_token_id
    return tokenizer.eos_token_id if first is None else first


def _probe(name: str, text: str) -> Probe:
    if not text.strip():
        raise ProbeError(f"The probe {name} holds no text; {_ALTERNATIVES}.")
    return Probe(name=name, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def load_probe(name: str) -> Probe:
    """The probe of a name.

    Args:
        name: "wikitext" (WikiText-103 raw, test split, from the Hub), "builtin" (shipped), a text file's path, or
            "hf:DATASET[:CONFIG[:SPLIT[:COLUMN]]]" for any text data set of the Hub or in a local folder.

    Raises:
        ProbeError: It cannot be reached or is not text. Nothing is ever put in its place.
    """
    if name == "wikitext":
        return _probe(name, _dataset_text(name, *_WIKITEXT))
    if name == "builtin":
        return _probe(name, (files("nil_audit") / "data" / "probe" / "builtin.txt").read_text(encoding="utf-8"))
    if name.startswith("hf:"):
        dataset, config, split, column = (*name[3:].split(":"), "", "", "")[:4]
        return _probe(name, _dataset_text(name, dataset, config or None, split or "test", column or "text"))
    return _probe(Path(name).name, _file_text(Path(name).expanduser()))


def _file_text(path: Path) -> str:
    if not path.is_file():
        raise ProbeError(f"There is no probe file {path}; {_ALTERNATIVES}, or --probe wikitext.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProbeError(f"The probe file {path} cannot be read ({error.strerror}); {_ALTERNATIVES}.") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProbeError(
            f"The probe file {path} is not UTF-8 text (byte {error.start}); convert it to UTF-8 or name another file."
        ) from error
    if "\x00" in text:
        raise ProbeError(f"The probe file {path} is binary, not text (it holds NUL bytes); name a text file.")
    return text


def _dataset_text(name: str, dataset: str, config: str | None, split: str, column: str) -> str:
    """Rows of a text column, in order, each ended by a newline (WikiText's empty rows are its blank lines)."""
    import datasets

    try:
        with quiet_libraries():
            rows = datasets.load_dataset(dataset, config, split=split)
    except Exception as error:  # the library raises a dozen unrelated classes for an unreachable data set
        raise ProbeError(f"The probe {name} cannot be reached ({first_line(error, 160)}); {_ALTERNATIVES}.") from error
    if column not in rows.column_names:
        raise ProbeError(
            f"The probe {name} has no column {column!r} (it has {', '.join(rows.column_names)}); name one: "
            "hf:DATASET:CONFIG:SPLIT:COLUMN."
        )
    texts: list[Any] = rows[column][:]
    if not all(isinstance(text, str) for text in texts):
        raise ProbeError(f"Column {column} of probe {name} does not hold text; name another column.")
    return "".join(text if text.endswith("\n") else text + "\n" for text in texts)


def make_windows(probe: Probe, tokenizer: Any, *, tokens: int, window: int, context: int) -> Windows:
    """Cut the text's tokens, taken without special tokens, into windows.

    Window w holds the tokens w T to w T + T; the first floor(tokens / T) windows are used, fewer where the text ends.
    The tokens are those of the whole text, of which no more is tokenised than they need.

    Args:
        probe: The text.
        tokenizer: The model's own tokenizer.
        tokens: How many input tokens to use at most.
        window: T.
        context: C, below T.

    Raises:
        ProbeError: The text or ``tokens`` gives fewer windows than blocks.
    """
    asked = tokens // window
    if asked < BLOCKS:
        raise ProbeError(
            f"{tokens:,} tokens make {asked} windows of {window}, but {BLOCKS} are needed for error bars; use "
            f"--tokens {BLOCKS * window} or more, or a shorter --window."
        )
    encoded = _encode_beginning(probe.text, tokenizer, asked * window + 1)
    ids = np.asarray(encoded["input_ids"], dtype=np.int64)
    available = max(0, (len(ids) - 1) // window)
    if available < BLOCKS:
        shorter = (len(ids) - 1) // BLOCKS
        remedy = f", or --window {shorter} or less" if shorter > context else ""
        raise ProbeError(
            f"The probe {probe.name} has {len(ids):,} tokens for this model, but {BLOCKS} windows of {window} need "
            f"{BLOCKS * window + 1:,}; use a longer text{remedy}."
        )
    count = min(asked, available)
    rows = np.lib.stride_tricks.sliding_window_view(ids, window + 1)[: count * window : window]
    return Windows(
        tokens=np.ascontiguousarray(rows),
        context=context,
        bytes=_counted_bytes(probe.text, encoded, tokenizer, count, window, context),
        text_ended=available < asked,
    )


def _encode_beginning(text: str, tokenizer: Any, needed: int) -> Any:
    """The encoding of so much of a text that its first ``needed`` tokens are those of the whole, or of all of it.

    What a token is depends on the text around it, so the last tokens of a piece need not be the whole text's. A piece
    is therefore cut between lines or words, well behind the tokens that are needed, and a second, longer one must give
    the same tokens and offsets up to there. Where they differ longer pieces are tried, at last the whole text.
    """
    wanted = needed + max(_MARGIN, needed // 16)
    sample = min(_SAMPLE, len(text))
    size = 1000 + wanted * sample // max(1, len(_encode(text[:sample], tokenizer)["input_ids"]))
    while True:
        first = _cut(text, size, size * 5 // 4)
        second = _cut(text, size * 5 // 4 + 1, size * 3 // 2)
        if first + second >= len(text):
            return _encode(text, tokenizer)
        shorter = _encode(text[:first], tokenizer)
        if _same_beginning(shorter, _encode(text[:second], tokenizer), wanted):
            return shorter
        size *= 2


def _encode(text: str, tokenizer: Any) -> Any:
    return tokenizer(text, add_special_tokens=False, return_offsets_mapping=bool(tokenizer.is_fast), verbose=False)


def _cut(text: str, low: int, high: int) -> int:
    """Where a text may be cut, between two positions: behind a line, else before a word; at its end if nowhere."""
    if (line := text.rfind("\n", low, high)) >= 0:
        return line + 1
    word = text.rfind(" ", low, high)
    return word if word >= 0 else len(text)


def _same_beginning(one: Any, other: Any, tokens: int) -> bool:
    """Whether two encodings have so many tokens, and all of these alike."""
    return len(one["input_ids"]) >= tokens and all(
        one[key][:tokens] == other[key][:tokens] for key in ("input_ids", "offset_mapping") if key in one
    )


def _counted_bytes(text: str, encoded: Any, tokenizer: Any, count: int, window: int, context: int) -> NDArray[np.int64]:
    """UTF-8 bytes of the text that the counted targets of each window cover, shape (W,)."""
    starts = np.arange(count) * window
    if "offset_mapping" in encoded:
        ends = [end for _, end in encoded["offset_mapping"]]
        pieces = [text[ends[first + context] : ends[first + window]] for first in starts.tolist()]
        return np.array([len(piece.encode()) for piece in pieces], dtype=np.int64)
    ids = encoded["input_ids"]  # a slow tokenizer keeps no offsets: decode instead

    def size(first: int, end: int) -> int:
        # from a little before the window, so that a character which its edge cuts is whole here too
        text = tokenizer.decode(ids[max(0, first - _LEAD) : end + 1], clean_up_tokenization_spaces=False)
        return len(text.encode())

    return np.array(
        [size(first, first + window) - size(first, first + context) for first in starts.tolist()], dtype=np.int64
    )
