"""Who trained a model and on how many tokens, from lists to the table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from tests.comparison.files import put


def test_the_shipped_list_says_who_trained_a_model_and_on_what() -> None:
    frame, _, _ = read_frame()
    table = checked(frame[frame["protocol"] == "leaderboard"])[0].set_index("model")
    assert set(table.loc[table["family"].str.startswith("Qwen"), "organisation"]) == {"Alibaba"}
    assert (table["organisation"] != "").all() and set(table["domain"]) == {"general", "code"}
    pruned = table.loc["nvidia/Minitron-8B-Base", ["tokens", "parent_tokens"]]
    assert pruned.tolist() == pytest.approx([0.094e12, 8e12])
    assert np.isnan(table.loc["Qwen/Qwen2-7B", "parent_tokens"])


def test_a_list_of_ones_own_says_so_too(tmp_path: Path) -> None:
    columns = "model,depth,width,score,family,organisation,tokens_t,parent_tokens_t,domain"
    rows = ("org/a,3,64,0.3,F,Some Lab,0.1,2,code", "org/b,3,64,0.3,F,,,,", "run,3,64,0.3,F,,,,")
    put(tmp_path / "mine.csv", "\n".join([columns, *rows]) + "\n")
    frame, _, _ = read_frame([tmp_path])
    table = checked(frame)[0].set_index("model")
    assert table["organisation"].to_dict() == {"org/a": "Some Lab", "org/b": "org", "run": "F"}
    assert table.loc["org/a", ["tokens", "parent_tokens"]].tolist() == pytest.approx([1e11, 2e12])
    assert table["domain"].to_dict() == {"org/a": "code", "org/b": "", "run": ""}


def test_where_no_organisation_is_named_it_is_that_of_the_hub_or_the_family() -> None:
    columns = {"model": ["org/a@v1", "./runs/x", "run"], "depth": 3, "width": 64, "score": 0.3, "parent_tokens": -1}
    table, _, notes = checked(pd.DataFrame({**columns, "family": ["", "F", ""], "organisation": ["", "", "Lab"]}))
    assert table["family"].tolist() == ["org", "F", "run"]
    assert table["organisation"].tolist() == ["org", "F", "Lab"]
    assert table["parent_tokens"].isna().all()
    assert len(notes) == 1 and notes[0].startswith("2 models name no family")
