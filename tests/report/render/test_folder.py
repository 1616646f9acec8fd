"""A report's folder: the page in both formats, plots, and data by the kind of what it is given."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nil_audit.catalog.lists import read_model_list
from nil_audit.errors import UsageError
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.page import Figure, Page, Prose, Section

FIGURE = Figure(
    name="plot", caption="C", description="D", svg="<svg viewBox='0 0 1 1'></svg>", png=b"png\x00", pdf=b"%PDF"
)
PAGE = Page(
    title="T",
    kicker="K",
    answer=("A",),
    figure=replace(FIGURE, name="first"),
    sections=(Section(name="s", title="S", blocks=(Prose(text="P"), FIGURE), detail=True),),
)
FILES = {
    "data/one.json": {"value": math.nan, "name": "ä"},
    "table.csv": pd.DataFrame({"model": ["a", "b"], "n": [1, 2], "x": [0.1, None]}, index=[7, 9]),
    "words.txt": "as they\r\nare",
    "bytes.bin": b"\x00\xff",
}


def test_the_page_comes_first_then_plots_then_files_by_their_kind(tmp_path: Path) -> None:
    paths = write_report(tmp_path / "out", "report", PAGE, FILES)
    names = [str(path.relative_to(tmp_path / "out")) for path in paths]
    plots = [f"plots/{name}.{form}" for name in ("first", "plot") for form in ("svg", "png", "pdf")]
    assert names == ["report.html", "report.md", *plots, *FILES]
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(paths)
    read = {name: path.read_bytes() for name, path in zip(names, paths, strict=True)}
    assert json.loads(read["data/one.json"]) == {"value": None, "name": "ä"}
    assert read["table.csv"] == b"model,n,x\na,1,0.1\nb,2,\n"
    assert read["words.txt"] == b"as they\r\nare" and read["bytes.bin"] == b"\x00\xff"
    assert read["plots/plot.png"] == FIGURE.png and read["plots/plot.svg"] == FIGURE.svg.encode()
    assert read["plots/plot.pdf"] == FIGURE.pdf
    assert read["report.html"].startswith(b"<!doctype html>") and b"plots/plot.png" in read["report.md"]
    again = write_report(tmp_path / "again", "report", PAGE, FILES)
    assert [path.read_bytes() for path in again] == list(read.values())


def test_no_spreadsheet_runs_what_a_table_says_and_it_is_read_back(tmp_path: Path) -> None:
    names = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "'=1", "\t=1", "\r=1", "＝1", "a=b", "-3", "x"]
    frame = pd.DataFrame({"model": names, "=n": range(len(names)), "x": [-0.5] * len(names), "y": [-1, *[None] * 10]})
    write_report(tmp_path, "report", PAGE, {"table.csv": frame, "list.csv": frame.drop(columns=["=n"])})
    header, *rows = list(csv.reader(io.StringIO((tmp_path / "table.csv").read_text(encoding="utf-8"))))
    assert header == ["model", "'=n", "x", "y"]
    cells = [row[0] for row in rows]
    assert cells == [*(f"'{name}" for name in names[:5]), "\\t=1", "\\r=1", "'＝1", "a=b", "-3", "x"]
    assert [row[1:] for row in rows][:2] == [["0", "-0.5", "-1.0"], ["1", "-0.5", ""]]
    assert list(read_model_list(tmp_path / "list.csv")["model"])[:5] == names[:5]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("a file")
    with pytest.raises(UsageError, match="Cannot write to"):
        write_report(tmp_path / "wall" / "out", "report", PAGE, {})
