"""Model lists: what ships, that the smaller ones are in step, what is refused, and the check against configurations."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nil_audit.catalog.lists import (
    disagreements,
    expand_models,
    hub_key,
    listed_shape,
    lists_folder,
    read_model_list,
    shipped_list,
)
from nil_audit.catalog.scores import published_scores
from nil_audit.errors import DataError
from nil_audit.shape.architecture import Parameters, Shape, read_shape

ROOT = Path(__file__).resolve().parents[2]


def test_the_whole_list_holds_real_base_models_with_sources() -> None:
    table = shipped_list()
    base = table[table["kind"] == "base"]
    assert len(base) >= 100
    assert table["model"].str.fullmatch(r"[\w.-]+/[\w.-]+").all()
    assert not table["model"].str.lower().duplicated().any()
    for column in ("family", "organisation", "lineage", "domain", "shape_source"):
        assert (table[column] != "").all(), column
    assert (table["tokens"].notna() == (table["tokens_source"] != "")).all()
    assert ((table["release"] != "") == (table["release_source"] != "")).all()
    assert table["release"].str.fullmatch(r"(20\d\d-(0[1-9]|1[0-2]))?").all()
    assert set(table["lineage"]) <= {
        "from_scratch", "distilled", "pruned", "pruned+distilled", "depth_upscaled", "continued",
    }  # fmt: skip
    assert table["depth"].between(1, 100).all()
    assert table["width"].between(256, 16_384).all()
    assert (table["heads"] % table["kv_heads"] == 0).all()


def test_tokens_are_a_models_own_and_those_of_what_it_was_made_from_stand_beside_them() -> None:
    table = shipped_list().set_index("model")
    made = ~table["lineage"].isin(["from_scratch", "distilled"])
    assert (table["parent_tokens"].notna() == (table["parent_source"] != "")).all()
    assert table.loc[~made, "parent_tokens"].isna().all()
    assert sorted(table.index[made & table["parent_tokens"].isna()]) == [
        "nvidia/Mistral-NeMo-Minitron-8B-Base",
        "speakleash/Bielik-11B-v2",
        "upstage/SOLAR-10.7B-v1.0",
    ]  # of Mistral's models no tokens are public
    for model, own, parent in (
        ("nvidia/Minitron-8B-Base", 0.094, 8),
        ("princeton-nlp/Sheared-LLaMA-1.3B", 0.0504, 2),
        ("tiiuae/Falcon3-10B-Base", 2, 14),
        ("01-ai/Yi-9B", 0.8, 3.1),
    ):
        assert table.loc[model, "tokens"] == pytest.approx(own * 1e12)
        assert table.loc[model, "parent_tokens"] == pytest.approx(parent * 1e12)
    assert table.loc["Qwen/Qwen2.5-0.5B", "tokens"] == 18e12
    assert table["tokens"].dropna().between(1e10, 40e12).all()


def test_the_tokens_of_most_ranked_models_are_known() -> None:
    ranked = set(published_scores(protocol="leaderboard", kind="base")["model"].map(hub_key))
    table = shipped_list()
    told = table[table["model"].map(hub_key).isin(ranked)]["tokens"].notna()
    assert (len(told), told.sum()) == (113, 96)


def test_an_organisation_has_families_and_a_pruned_pair_differs_in_shape_alone() -> None:
    table = shipped_list().set_index("model")
    assert set(table.loc[table["family"].str.startswith("Qwen"), "organisation"]) == {"Alibaba"}
    assert table.loc["vonjack/MobileLLM-125M-HF", "organisation"] == "Meta"
    assert table["organisation"].nunique() < table["family"].nunique()
    narrow, shallow = (table.loc[f"nvidia/Llama-3.1-Minitron-4B-{part}-Base"] for part in ("Width", "Depth"))
    assert (narrow["depth"], narrow["width"], shallow["depth"], shallow["width"]) == (32, 3072, 16, 4096)
    for column in ("organisation", "family", "tokens", "parent_tokens", "release", "lineage", "uncertain"):
        assert narrow[column] == shallow[column], column


def test_parameters_are_those_that_the_shapes_imply() -> None:
    """Attention and MLP matrices and embeddings give the count to 2%: biases, norms and positions are the rest."""
    table = shipped_list()
    known = table[table["mlp_width"].notna()]
    embedding = known["vocab_size"] * known["width"] * (2 - (known["tied"] == "true"))
    attention = 2 * known["width"] * known["head_size"] * (known["heads"] + known["kv_heads"])
    errors = []
    for matrices in (2, 3):  # plain and gated MLP
        body = known["depth"] * (attention + matrices * known["width"] * known["mlp_width"])
        errors.append(((embedding + body) / known["parameters"] - 1).abs())
    closest = np.minimum(*errors)
    assert (closest < 0.02).all(), known.loc[closest >= 0.02, ["model", "parameters"]]


def test_known_shapes() -> None:
    table = shipped_list().set_index("model")
    for model, depth, width, billions in (
        ("Qwen/Qwen2.5-0.5B", 24, 896, 0.494),
        ("meta-llama/Llama-3.2-1B", 16, 2048, 1.236),
        ("google/gemma-2-9b", 42, 3584, 9.24),
        ("HuggingFaceTB/SmolLM-135M", 30, 576, 0.1345),
    ):
        row = table.loc[model]
        assert (row["depth"], row["width"]) == (depth, width)
        assert row["parameters"] == pytest.approx(billions * 1e9, rel=0.002)


def test_smaller_lists_are_in_step_with_the_whole() -> None:
    script = ROOT / "scripts" / "make_model_lists.py"
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "all lists are in step")


def test_a_stale_list_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("make_model_lists", ROOT / "scripts" / "make_model_lists.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    for name, text in script.smaller_lists().items():
        (tmp_path / name).write_text(text)
    assert script.stale() == []
    (tmp_path / "qwen.csv").write_text("model\nQwen/Qwen2-7B\n")
    (tmp_path / "mamba.csv").write_text("model\n")
    (tmp_path / "pythia.csv").unlink()
    assert script.stale() == ["mamba.csv", "pythia.csv", "qwen.csv"]


def test_every_shipped_list_reads_and_an_unknown_one_names_those_there_are() -> None:
    for path in lists_folder().glob("*.csv"):
        assert len(shipped_list(path.stem)) >= 4, path.name
        assert (shipped_list(path.stem)["kind"] == "base").all() or path.stem == "small_dense_llms"
    with pytest.raises(DataError, match=r"no model list 'mamba'.*qwen"):
        shipped_list("mamba")
    with pytest.raises(DataError, match="no model list"):
        shipped_list("../pyproject.toml")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_of_ids_alone_and_units(tmp_path: Path) -> None:
    assert read_model_list(write(tmp_path, "\ufeffmodel\n Qwen/Qwen2-7B \n"))["model"].tolist() == ["Qwen/Qwen2-7B"]
    text = "model,parameters_b,tokens_t,parent_tokens_t,depth\na,0.5,2,0.25,24\nb,,,,\n"
    table = read_model_list(write(tmp_path, text))
    assert table["parameters"][0] == 5e8
    assert (table["tokens"][0], table["parent_tokens"][0]) == (2e12, 2.5e11)
    assert table[["parameters", "depth"]].isna().all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a CSV table"),
        ("name,depth\na,3\n", "no column 'model' (it has name, depth)"),
        ("model\n", "names no model"),
        ("model,depth\na,3\n,4\n", "line 3: no model is named"),
        ("model,depth\na/b,3\nA/B,4\n", "names A/B more than once"),
        ("model,depth\na/b,3\na/b@main,4\n", "names a/b@main more than once"),
        ("model,depth\na,deep\n", "depth is 'deep', which is not a whole number from 1 to 10,000"),
        ("model,depth\na,1e9\n", "depth is '1e9', which is not a whole number from 1 to 10,000"),
        ("model,width\na,1e500\n", "width is '1e500', which is not a whole number"),
        ("model,tokens_t\na,1e500\n", "tokens_t is '1e500', which is not a number above zero and up to 1,000,000"),
        ("model,parent_tokens_t\na,-8\n", "parent_tokens_t is '-8', which is not a number above zero"),
        ("model,parent_tokens\na,1e19\n", "parent_tokens is '1e19', which is not a number above zero"),
        ("model,parameters\na," + "9" * 5000 + "\n", "9999...', which is not a number above zero"),
        ("model,score\na,1e500\n", "score is '1e500', which is not a number"),
        ("model,depth\na,3.5\n", "depth is '3.5'"),
        ("model,width\na,-768\n", "width is '-768'"),
        ("model,width\na,0\n", "width is '0'"),
        ("model,parameters_b\na,inf\n", "parameters_b is 'inf'"),
        ("model,depth\na,3\nb,4,5,6\n", "not a CSV table"),
    ],
)
def test_bad_lists_are_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_model_list(write(tmp_path, text))
    assert words in str(caught.value)


def test_a_list_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no model list"):
        read_model_list(tmp_path / "none.csv")
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00m\x00o")
    with pytest.raises(DataError, match="not a CSV table in UTF-8"):
        read_model_list(tmp_path / "list.csv")


def test_revisions_are_models_of_their_own(tmp_path: Path) -> None:
    rows = "".join(f"EleutherAI/pythia-410m{at},24,1024\n" for at in ("", "@step1000", "@step2000", "@step3000"))
    path = write(tmp_path, f"model,depth,width\n{rows}")
    assert len(read_model_list(path)) == 4
    assert len(expand_models([str(path)])) == 4
    assert hub_key("EleutherAI/Pythia-410m@main ") == hub_key("eleutherai/pythia-410m")
    listed = read_model_list(path).to_dict("records")[:1]
    assert disagreements(listed, [shape("EleutherAI/pythia-410m@step1000", 99, None)]) == []


def test_a_model_that_is_asked_for_twice_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "model,depth,width\nQwen/Qwen2-7B,28,3584\nme/other,3,64\n./mine/,4,128\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "Mine").mkdir()
    asked = expand_models(["qwen/qwen2-7b", str(path), "me/other", "Qwen/Qwen2-7B@main", "mine", "Mine", str(path)])
    assert list(asked) == ["qwen/qwen2-7b", "me/other", "./mine/", "Mine"]
    assert asked["qwen/qwen2-7b"]["depth"] == 28
    assert asked["./mine/"]["width"] == 128
    assert asked["Mine"] == {}


def test_a_list_whose_embeddings_are_more_than_the_whole_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "model,depth,width,parameters,vocab_size,tied\na/b,3,64,100000,1000,\na/c,3,64,100000,1000,true\n"
        "a/d,3,64,100000,2000,true\n",
    )
    models = expand_models([str(path)])
    with pytest.raises(DataError) as caught:
        listed_shape(models["a/b"])
    assert str(caught.value).startswith(
        "The list gives a/b 100,000 parameters, and its embeddings alone are 128,000 (2 x 1,000 x 64)"
    )
    tied = listed_shape(models["a/c"])
    assert tied is not None and tied.parameters == Parameters(total=100_000, embedding=64_000, body=36_000)
    with pytest.raises(DataError, match=r"embeddings alone are 128,000 \(2,000 x 64, tied\)"):
        listed_shape(models["a/d"])


def test_both_prunings_of_one_teacher_are_listed(tmp_path: Path) -> None:
    """The deep and the wide half of one model, the same teacher and tokens: parameters are those of the config."""
    table = shipped_list().set_index("model")
    for name, depth, width, mlp in (("Depth", 16, 4096, 14_336), ("Width", 32, 3072, 9216)):
        row = table.loc[f"nvidia/Llama-3.1-Minitron-4B-{name}-Base"]
        assert (row["depth"], row["width"], row["mlp_width"], row["family"]) == (depth, width, mlp, "Llama-3")
        config = {
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": depth,
            "hidden_size": width, "intermediate_size": mlp, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 128_256, "tie_word_embeddings": False,
        }  # fmt: skip
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        counted = read_shape(str(path)).parameters
        assert counted is not None and counted.total == pytest.approx(row["parameters"], abs=5e4)


def shape(name: str, depth: int, parameters: int | None) -> Shape:
    counted = None if parameters is None else Parameters(total=parameters, embedding=1, body=1)
    return Shape(
        name=name, source="hub", revision=None, model_type="llama", text_tower_of=None, depth=depth, width=896,
        heads=14, kv_heads=2, head_size=64, mlp_width=4864, vocab_size=151_936, tied=True, context=None,
        parameters=counted,
    )  # fmt: skip


def test_disagreements_with_configurations_are_named() -> None:
    listed = shipped_list().to_dict("records")
    assert disagreements(listed, [shape("Qwen/Qwen2.5-0.5B", 24, 494_032_768)]) == []
    assert disagreements(listed, [shape("someone/else", 99, None)]) == []
    found = disagreements(listed, [shape("qwen/qwen2.5-0.5b@main", 25, 600_000_000)])
    assert found == [
        "qwen/qwen2.5-0.5b@main: the list says depth 24, its configuration 25",
        "qwen/qwen2.5-0.5b@main: the list says parameters 4.94e+08, its configuration 6e+08",
    ]


def test_the_list_agrees_with_the_real_configurations(shared: Path) -> None:
    names = {
        "mlc_gpt2": "openai-community/gpt2",
        "mlc_llama3_2_1b": "meta-llama/Llama-3.2-1B",
        "mlc_qwen2_0_5b": "Qwen/Qwen2-0.5B",
    }
    shapes = [
        replace(read_shape(str(shared / "data" / "configs" / folder)), name=model) for folder, model in names.items()
    ]
    found = disagreements(shipped_list().to_dict("records"), shapes)
    for field in ("depth", "width", "heads", "kv_heads"):
        assert not [one for one in found if f"the list says {field} " in one]


def test_lists_are_expanded_and_give_shapes_where_no_configuration_is_reached(tmp_path: Path) -> None:
    path = write(tmp_path, "model,depth,width,parameters,vocab_size,tied\na/b,3,64,100000,500,true\nc,,,,,\n")
    models = expand_models(["x/y", str(path)])
    assert list(models) == ["x/y", "a/b", "c"]
    assert models["x/y"] == {}
    found = listed_shape(models["a/b"])
    assert found is not None
    assert (found.source, found.depth, found.width, found.heads) == ("list", 3, 64, None)
    assert found.parameters == Parameters(total=100_000, embedding=32_000, body=68_000)
    assert listed_shape(models["x/y"]) is listed_shape(models["c"]) is None
