"""Model lists: CSV files of models with their shapes, parameters, training tokens, and the source of each.

``model_lists/README.md`` says what each column means. Only ``model`` is required of a list that is audited;
a list that is compared also needs ``depth`` and ``width``.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nil_audit.errors import DataError, first_line
from nil_audit.files import from_csv
from nil_audit.shape.architecture import Parameters, Shape
from nil_audit.source import existing_path

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[Hashable, Any]
"""A row of a list, as `read_model_list` gives it: numbers are floats, NaN where the cell is empty."""

WHOLE_NUMBERS = ("depth", "width", "mlp_width", "heads", "kv_heads", "head_size", "vocab_size")
IN_UNITS = {
    "parameters": ("parameters_b", 1e9),
    "tokens": ("tokens_t", 1e12),
    "parent_tokens": ("parent_tokens_t", 1e12),
}
"""Counts that a list may give in another column, in billions or trillions, and how many one of those is."""
NUMBERS = (*IN_UNITS, *(column for column, _ in IN_UNITS.values()), "score", "stderr", "chance")
SIGNED = ("score", "stderr", "chance")
LIMITS = {
    **dict.fromkeys(WHOLE_NUMBERS, 10_000_000),
    "depth": 10_000,
    "heads": 10_000,
    "kv_heads": 10_000,
    "parameters_b": 1e6,
    "parameters": 1e15,
    **dict.fromkeys(("tokens_t", "parent_tokens_t"), 1e6),
    **dict.fromkeys(("tokens", "parent_tokens"), 1e18),
}
"""Above these a number of a list is a slip of the pen: no model comes within a factor of a hundred."""
DEFAULT = "small_dense_llms"


def hub_key(name: str) -> str:
    """What spellings of one Hub model at one revision share: the id in lower case, "@main" left out.

    Another revision ("org/name@step1000") is another model.
    """
    return name.strip().strip("/").lower().removesuffix("@main")


def lists_folder() -> Path:
    """The folder of the lists that ship with nil-audit: in the package, or at the root of a checkout."""
    packaged = Path(str(files("nil_audit"))) / "model_lists"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "model_lists"


def shipped_list(name: str = DEFAULT) -> "pd.DataFrame":
    """One of the lists that ship with nil-audit, by its file name without ``.csv``.

    Raises:
        DataError: There is no such list.
    """
    path = lists_folder() / f"{name.removesuffix('.csv')}.csv"
    if not path.is_file() or path.parent != lists_folder():
        raise DataError(f"There is no model list {name!r}; nil-audit ships {_shipped_names()}.")
    return read_model_list(path)


def list_path(path: Path | str) -> Path:
    """Where a list lies: "model_lists/NAME.csv" is one that ships with nil-audit where no such file is there."""
    path = Path(path)
    shipped = lists_folder() / path.name
    return shipped if path.parent == Path("model_lists") and not path.exists() and shipped.is_file() else path


def _shipped_names() -> str:
    return ", ".join(sorted(one.stem for one in lists_folder().glob("*.csv"))) or "none here"


def read_model_list(path: Path | str) -> "pd.DataFrame":
    """Read and check a model list.

    Args:
        path: A CSV file with a header; see `list_path`.

    Returns:
        One row a model, the file's columns, numbers as numbers (NaN where empty), text as text ("" where empty).
        ``parameters``, ``tokens`` and ``parent_tokens`` (counts) are made from ``parameters_b`` (billions),
        ``tokens_t`` and ``parent_tokens_t`` (trillions) where the file gives those.

    Raises:
        DataError: The file cannot be read, has no column ``model``, names a model twice, or holds a number that
            is none, is not above zero, is above its `LIMITS`, or (depth, width and the like) is not whole.
    """
    import pandas as pd

    path = list_path(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError as error:
        raise DataError(
            f"There is no model list {path}; check the path, or name one that ships with nil-audit"
            f" (model_lists/NAME.csv: {_shipped_names()})."
        ) from error
    except OSError as error:
        raise DataError(f"The model list {path} cannot be read ({error.strerror}); check the path.") from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{path} is not a CSV table in UTF-8 ({first_line(error)}); its first line names the columns."
        ) from error
    table.columns = [str(column).strip() for column in table.columns]
    if "model" not in table:
        raise DataError(
            f"The model list {path} has no column 'model' (it has {', '.join(table.columns[:6])});"
            " name the column of Hub ids 'model'."
        )
    table = table.apply(lambda column: column.str.strip().map(from_csv))
    return _checked(table, str(path))


def _checked(table: "pd.DataFrame", source: str) -> "pd.DataFrame":
    """A list with its names checked and its numbers as numbers."""
    empty = table.index[table["model"] == ""]
    if len(empty):
        raise DataError(f"{source}, line {empty[0] + 2}: no model is named; fill the column 'model' or drop the line.")
    if table.empty:
        raise DataError(f"{source} names no model; add a line a model.")
    twice = table["model"][table["model"].map(hub_key).duplicated()]
    if len(twice):
        raise DataError(f"{source} names {twice.iloc[0]} more than once; keep one line a model.")
    for column in (*WHOLE_NUMBERS, *NUMBERS):
        if column in table:
            table[column] = _numbers(table, column, source)
    for made, (column, unit) in IN_UNITS.items():
        if column in table and made not in table:
            table[made] = table[column] * unit
    return table


def _numbers(table: "pd.DataFrame", column: str, source: str) -> "pd.Series[float]":
    """A column as numbers; empty cells are NaN."""
    import numpy as np

    text = table[column]
    values = text.map(_number)
    wrong = (text != "") & ~np.isfinite(values)
    kind = "a number"
    if column not in SIGNED:
        wrong |= (values <= 0) | (values > LIMITS[column])
        kind = f"a number above zero and up to {LIMITS[column]:,.0f}"
    if column in WHOLE_NUMBERS:
        wrong |= values.notna() & (values % 1 != 0)
        kind = f"a whole number from 1 to {LIMITS[column]:,}"
    if wrong.any():
        first = int(np.flatnonzero(wrong.to_numpy())[0])
        given = text.iloc[first] if len(text.iloc[first]) <= 40 else text.iloc[first][:40] + "..."
        raise DataError(
            f"{source}, {table['model'].iloc[first]}: {column} is {given!r}, which is not {kind};"
            " correct it or leave the cell empty."
        )
    return values


def _number(text: str) -> float:
    """A cell as a number; NaN where it is none, infinite where it is beyond what a float holds."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def expand_models(names: Iterable[str]) -> dict[str, Row]:
    """The models asked for, each list (.csv) replaced by its models; every model with its row of a list, or {}.

    A model that is named more than once (by itself and in a list, in another case, with "@main", or a folder by
    another path) is there once, as it was first spelled.

    Raises:
        DataError: A list cannot be read (see `read_model_list`).
    """
    models: dict[str, Row] = {}
    spelled: dict[str, str] = {}
    for name in names:
        if name.lower().endswith(".csv"):
            rows: Sequence[Row] = read_model_list(Path(name)).to_dict("records")
        else:
            rows = [{"model": name}]
        for row in rows:
            first = spelled.setdefault(_one_model(row["model"]), row["model"])
            known = row if len(row) > 1 else {}
            models[first] = models.get(first) or known
    return models


def _one_model(name: str) -> str:
    """What all spellings of a model share: of what is on disk its place there, else its `hub_key`."""
    path = existing_path(name)
    return f"disk:{path.resolve()}" if path is not None else hub_key(name)


def listed_shape(row: Row) -> Shape | None:
    """A shape from one row of a model list, not checked against a configuration; None without depth and width.

    The parameters are the listed total, split by the size of the embeddings where the vocabulary is known.

    Raises:
        DataError: The embeddings alone would have as many parameters as the listed total, or more.
    """
    numbers = {name: _whole(row, name) for name in WHOLE_NUMBERS}
    depth, width, vocabulary = numbers["depth"], numbers["width"], numbers["vocab_size"]
    if depth is None or width is None:
        return None
    tied, total = str(row.get("tied", "")).lower() == "true", _whole(row, "parameters")
    parameters = None
    if total is not None and vocabulary is not None:
        embedding = vocabulary * width * (1 if tied else 2)
        if embedding >= total:
            raise DataError(
                f"The list gives {row['model']} {total:,} parameters, and its embeddings alone are {embedding:,}"
                f" ({'' if tied else '2 x '}{vocabulary:,} x {width:,}{', tied' if tied else ''}); correct its"
                " parameters, vocab_size, width or tied ('true' where input and output share one matrix)."
            )
        parameters = Parameters(total=total, embedding=embedding, body=total - embedding)
    return Shape(
        name=str(row["model"]),
        source="list",
        model_type=str(row.get("model_type", "")),
        depth=depth,
        width=width,
        heads=numbers["heads"],
        kv_heads=numbers["kv_heads"],
        head_size=numbers["head_size"],
        mlp_width=numbers["mlp_width"],
        vocab_size=vocabulary or 0,
        tied=tied,
        context=None,
        parameters=parameters,
    )


def _whole(row: Row, column: str) -> int | None:
    value = row.get(column, math.nan)
    return None if math.isnan(value) else int(value)


def disagreements(rows: Iterable[Row], shapes: Iterable[Shape]) -> list[str]:
    """Where a list and the models' own configurations disagree, a sentence each.

    Args:
        rows: Of a list.
        shapes: Shapes read from configurations (``nil_audit.read_shape``); matched to the list by name and revision.

    Returns:
        Depths, widths, MLP widths, heads, key-value heads, head sizes and vocabularies that differ, and parameters by
        more than 0.5%; empty cells of the list and numbers a configuration does not give agree.
    """
    listed = {hub_key(str(row["model"])): row for row in rows}
    found = []
    for shape in shapes:
        row = listed.get(hub_key(shape.name), {})
        own = {name: getattr(shape, name) for name in WHOLE_NUMBERS}
        own["parameters"] = shape.parameters.total if shape.parameters else None
        for name, value in own.items():
            given = row.get(name, math.nan)
            if value is None or math.isnan(given):
                continue
            if abs(given / value - 1) > (0.005 if name == "parameters" else 0):
                found.append(f"{shape.name}: the list says {name} {given:g}, its configuration {value:g}")
    return found
