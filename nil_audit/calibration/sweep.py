"""Read a sweep of shapes from a CSV file: which column is what, and whether its cells can be used."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nil_audit.errors import DataError, UsageError, first_line

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("depth", "width", "loss", "parameters", "body", "tokens")
"""Columns that hold one number above zero a run."""
_NAMES = {
    "depth": ("depth", "layers", "num_hidden_layers", "n_layers", "n_layer", "num_layers", "blocks", "l"),
    "width": ("width", "d_model", "hidden_size", "n_embd", "dim", "model_dim", "d"),
    "parameters": ("parameters", "active_n", "params", "n_params", "num_params", "total_parameters", "n"),
    "body": ("body_parameters", "body", "non_embedding_parameters", "non_embedding_params"),
    "tokens": ("tokens", "train_tokens", "training_tokens", "n_tokens", "tokens_seen"),
    "rate": ("learning_rate", "lr", "rate", "peak_lr", "max_lr"),
    "budget": ("budget", "target_n", "target_parameters", "target_params", "size"),
}
_TOKENS_EACH = "tokens_per_parameter"
_LOSSES = ("loss", "ce", "nll", "cross_entropy")  # a column of this name, or that ends in it after an underscore
_METRICS = ("aofe", "rho", "typical_efficiency")  # a column whose name holds the first, or is one of the others


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep as the fits take it.

    Attributes:
        name: What the file is called, without its folder.
        runs: One row a run, indexed by its line in the file (the header is line 1): ``depth``, ``width``, ``loss``,
            and where the file has them ``parameters``, ``body``, ``tokens``, ``rate`` (text), ``label`` (of its budget)
            and the metrics.
        columns: Which column of the file was taken for what.
        metrics: Names of the interaction metrics.
        others: The file's columns that were taken for nothing.
        notes: What has to be said of the reading.
    """

    name: str
    runs: "pd.DataFrame"
    columns: Mapping[str, tuple[str, ...]]
    metrics: tuple[str, ...]
    others: "pd.DataFrame"
    notes: tuple[str, ...]


def read_sweep(
    source: "str | Path | pd.DataFrame", *, columns: Mapping[str, str] | None = None, where: Sequence[str] = ()
) -> Sweep:
    """Read a sweep.

    Args:
        source: A CSV file, or a frame of the same columns.
        columns: Which column is what where the usual names do not say it: "depth", "width", "loss", "parameters",
            "body", "tokens", "rate", "budget" (several names with commas between).
        where: Conditions that the runs used must meet, as `pandas.DataFrame.query` takes them.

    Raises:
        DataError: The file cannot be read, lacks a column, or a cell that is needed holds no number above zero.
        UsageError: A named column is not there, a condition cannot be read, or the loss has to be named.
    """
    import pandas as pd

    name, table = _table(source)
    found, notes = _found(list(table.columns), columns or {})
    for role in NUMBERS:
        for column in found.get(role, ()):
            table[column] = _numbers(table[column])
    chosen = table
    for condition in where:
        chosen = _selected(chosen, condition)
    if chosen.empty:
        raise DataError(f"No run of {name!r} meets every --where ({' and '.join(where)}); loosen one.")
    runs = pd.DataFrame(index=chosen.index)
    for role in NUMBERS:
        for column in found.get(role, ()):
            runs[role] = chosen[column]
    if "loss" in runs and (missing := runs["loss"].isna()).any():
        notes.append(f"{missing.sum()} of {len(runs)} runs have no {found['loss'][0]}, and are left out.")
        runs, chosen = runs[~missing], chosen[~missing]
        if runs.empty:
            raise DataError(f"No run selected has a number for {found['loss'][0]!r}; name another with --loss.")
    _check_cells(runs, chosen, found)
    runs = runs.astype(float)
    if "parameters" not in runs:
        runs["parameters"] = runs["body"]
    if _TOKENS_EACH in found.get("budget", ()) and "tokens" not in runs:
        each = pd.to_numeric(chosen[_TOKENS_EACH], errors="coerce")
        if (each > 0).all():
            runs["tokens"] = each * runs["parameters"]
    if found.get("rate"):
        runs["rate"] = chosen[found["rate"][0]].map(_label)
    if found.get("budget"):
        parts = [chosen[column].map(_label) for column in found["budget"]]
        runs["label"] = [", ".join(both) for both in zip(*parts, strict=True)]
        if _TOKENS_EACH in found["budget"] and len(parts) > 1:
            runs["label"] = [f"{one} at {each}" for one, each in zip(parts[0], parts[-1], strict=True)]
    taken = {column for names in found.values() for column in names}
    others = [str(column) for column in chosen if column not in taken]
    metrics = [column for column in others if _is_metric(column)]
    for column in metrics:
        runs[column] = pd.to_numeric(chosen[column], errors="coerce")
    return Sweep(
        name=name,
        runs=runs,
        columns={role: names for role, names in found.items() if names},
        metrics=tuple(column for column in metrics if runs[column].notna().any()),
        others=chosen[[column for column in others if not _is_loss(column) and column not in metrics]],
        notes=tuple(notes),
    )


def _table(source: "str | Path | pd.DataFrame") -> "tuple[str, pd.DataFrame]":
    """The name and the rows, indexed by their line in the file."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        name, table = "the frame", source.copy()
    else:
        name = Path(source).name
        try:
            table = pd.read_csv(source, skip_blank_lines=False, encoding="utf-8-sig")
        except FileNotFoundError:
            raise DataError(f"There is no file {str(source)!r}; name a CSV file with one row a run.") from None
        except pd.errors.EmptyDataError:
            raise DataError(f"The file {str(source)!r} is empty; a sweep has a header and one row a run.") from None
        except IsADirectoryError:
            raise DataError(f"{str(source)!r} is a folder; name a CSV file with one row a run.") from None
        except UnicodeDecodeError:
            raise DataError(f"The file {str(source)!r} is not UTF-8 text; save it as CSV in UTF-8.") from None
        except (OSError, ValueError) as error:
            raise DataError(f"The file {str(source)!r} cannot be read as CSV ({first_line(error)}).") from None
    table.index = pd.RangeIndex(2, len(table) + 2)
    table.columns = [str(column).strip() for column in table.columns]
    table = table.dropna(how="all")
    if table.empty:
        raise DataError(f"The sweep {name!r} has no runs; give one row a run.")
    return name, table


def _found(there: list[str], named: Mapping[str, str]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Which column is what, and what has to be said of it."""
    lower = {column.lower(): column for column in reversed(there)}
    found: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for role, text in named.items():
        parts = tuple(part.strip() for part in text.split(",")) if role == "budget" else (text,)
        if missing := [part for part in parts if part not in there]:
            raise UsageError(f"--{role} {missing[0]!r} is no column of the sweep; it has {_listing(there)}.")
        found[role] = parts
    for role, names in _NAMES.items():
        if role not in found:
            hits = [lower[name] for name in names if name in lower]
            found[role] = tuple(hits[:1])
            if role == "budget" and _TOKENS_EACH in lower:
                found[role] = (*hits[:1], lower[_TOKENS_EACH])
    if "loss" not in found:
        found["loss"] = _loss(there)
        others = [column for column in there if _is_loss(column) and column not in found["loss"]]
        if found["loss"] and others:
            notes.append(f"The loss is {found['loss'][0]}; --loss names another ({', '.join(others)}).")
    missing = [role for role in ("depth", "width", "loss") if not found[role]]
    if not found["parameters"] and not found["body"]:
        missing.append("parameters")
    if missing:
        verb = "is not" if len(missing) == 1 else "are not"
        raise DataError(
            f"{', '.join(missing).capitalize()} {verb} among the columns of the sweep ({_listing(there)}); name"
            f" {'it' if len(missing) == 1 else 'them'} with {' '.join(f'--{role} COLUMN' for role in missing)}."
        )
    return found, notes


def _loss(there: list[str]) -> tuple[str, ...]:
    """The loss: a test loss before a validation loss before any other that is not of training; or the only one."""
    losses = [column for column in there if _is_loss(column)]
    ranks = [
        [column for column in losses if column.lower() in _LOSSES],
        [column for column in losses if column.lower().startswith("test")],
        [column for column in losses if column.lower().startswith(("val", "eval"))],
        [column for column in losses if not column.lower().startswith("train")],
        losses,
    ]
    best = next((rank for rank in ranks if rank), [])
    if len(best) > 1:
        raise UsageError(f"The sweep has several losses ({', '.join(best)}); name one with --loss.")
    return tuple(best)


def _is_loss(column: str) -> bool:
    return column.lower() in _LOSSES or column.lower().endswith(tuple(f"_{name}" for name in _LOSSES))


def _is_metric(column: str) -> bool:
    return _METRICS[0] in column.lower() or column.lower() in _METRICS[1:]


def _numbers(values: "pd.Series") -> "pd.Series":
    """A column whose cells are numbers where they can be; where one cannot, it stays what it is."""
    import pandas as pd

    if values.dtype.kind in "if":
        return values
    made = pd.to_numeric(values, errors="coerce")
    return made.astype(object).where(made.notna() | values.isna(), values)


def _selected(table: "pd.DataFrame", condition: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        holds = table.eval(condition, local_dict={}, global_dict={}, engine="python")
    except Exception as error:  # whatever Python's and pandas's parsers say of a text
        raise UsageError(
            f"--where {condition!r} cannot be read ({first_line(error)}); write a condition on the columns"
            f' {_listing(list(table.columns))}, as "depth >= 3".'
        ) from None
    if not isinstance(holds, pd.Series) or holds.dtype.kind != "b":
        raise UsageError(f'--where {condition!r} is no condition; write one, as "depth >= 3".')
    return table.loc[holds]


def _check_cells(runs: "pd.DataFrame", table: "pd.DataFrame", found: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a cell that holds no number above zero."""
    for role in (role for role in NUMBERS if role in runs):
        column = found[role][0]
        for line, cell in table[column].items():
            if not isinstance(cell, str):
                if math.isfinite(cell) and cell > 0:
                    continue
                what = "is empty" if math.isnan(cell) else f"is {cell:g}, which is not above zero"
            else:
                what = f"is {cell!r}, which is not a number"
            raise DataError(
                f"Line {line} of the sweep: {column} {what}; correct it, or leave the row out with --where."
            )


def _label(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _listing(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
