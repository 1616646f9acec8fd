"""What ships with the package is what its documents say: the builtin probe text and the demo model."""

import hashlib
import importlib.util
import json
import math
import re
import sys
import zlib
from collections import Counter
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from tests.forks import Forks

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "train_demo_model.py"
DATA = Path(str(files("nil_audit.data")))
PROBE = DATA / "probe" / "builtin.txt"
DEMO_MODEL = DATA / "demo_model"
KINDS = {"Prose", "Code", "Dialogue", "Mathematics"}
HEADING = re.compile(r"^=== (\w+): .+ ===$", re.MULTILINE)


@pytest.fixture(scope="module")
def probe() -> str:
    return PROBE.read_bytes().decode()


class TestBuiltinProbe:
    """The text: large enough, of four kinds, mixed, and not padded."""

    def test_size_and_line_ends(self, probe: str):
        assert len(probe.encode()) >= 60_000
        assert "\r" not in probe
        assert "\t\n" not in probe
        assert probe.endswith("\n") and not probe.endswith("\n\n")

    def test_each_kind_has_a_fair_share(self, probe: str):
        parts = HEADING.split(probe)
        assert parts[0] == ""
        characters = Counter()
        for kind, body in zip(parts[1::2], parts[2::2], strict=True):
            assert len(body) > 700, body[:60]
            characters[kind] += len(body)
        assert set(characters) == KINDS
        assert min(characters.values()) > 0.18 * len(probe)

    def test_every_sixteenth_mixes_the_kinds(self, probe: str):
        # The audit's 16 blocks are contiguous: a block of one kind only would inflate its standard errors.
        marks = [(match.start(), match.group(1)) for match in HEADING.finditer(probe)]
        ends = [start for start, _ in marks[1:]] + [len(probe)]
        for block in range(16):
            low, high = block * len(probe) // 16, (block + 1) * len(probe) // 16
            kinds = {kind for (start, kind), end in zip(marks, ends, strict=True) if start < high and end > low}
            assert kinds == KINDS

    def test_nothing_is_repeated(self, probe: str):
        length = 60
        seen = Counter(probe[start : start + length] for start in range(len(probe) - length + 1))
        assert [text for text, times in seen.items() if times > 1] == []

    def test_compresses_like_written_text(self, probe: str):
        # Text made by templates falls below a third, random characters lie above 0.6.
        data = probe.encode()
        assert 0.33 < len(zlib.compress(data, 9)) / len(data) < 0.6

    def test_documented_hash_and_size(self):
        readme = (DATA / "README.md").read_text()
        data = PROBE.read_bytes()
        assert hashlib.sha256(data).hexdigest() in readme
        assert f"{len(data):,} bytes" in readme

    def test_python_sections_run(self, probe: str):
        sections = re.findall(r"^=== Code: [^\n]+, Python ===\n(.+?)(?=^=== )", probe, re.MULTILINE | re.DOTALL)
        assert len(sections) >= 3
        for source in sections:
            names: dict[str, object] = {"__name__": "probe"}
            module = compile(source, "probe", "exec", dont_inherit=True)
            exec(module, names)
            for name, test in names.items():
                if name.startswith("test_"):
                    test()


class TestDemoModel:
    """The model: small, loadable with no network, really trained, and documented well enough to repeat."""

    @pytest.fixture(scope="class")
    def loaded(self):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(DEMO_MODEL, dtype=torch.float32, local_files_only=True)
        return model.eval(), tokenizer

    def test_folder_is_at_most_4_megabytes(self):
        sizes = {path.name: path.stat().st_size for path in DEMO_MODEL.iterdir()}
        assert set(sizes) >= {"config.json", "model.safetensors", "tokenizer.json", "TRAINING.json", "README.md"}
        assert sum(sizes.values()) <= 4_000_000

    def test_predicts_unseen_text_better_than_token_frequencies(self, loaded, probe: str):
        import torch

        model, tokenizer = loaded
        ids = tokenizer(probe, add_special_tokens=False, return_tensors="pt", verbose=False)["input_ids"][0]
        windows = ids[: 16 * 513].view(16, 513)
        with torch.no_grad():
            logits = model(windows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item()
        # The best loss of any model without context, which even knows the frequencies of this text.
        counts = torch.bincount(ids).double()
        share = counts[counts > 0] / counts.sum()
        unigram = -(share * share.log()).sum().item()
        assert loss < unigram - 0.5
        assert loss < math.log(model.config.vocab_size) - 1.5

    def test_tokenizer_gives_every_text_back(self, loaded, probe: str):
        model, tokenizer = loaded
        text = probe[:20_000] + "naïve 日本語 \t\n\n  x" + "\u00a0"
        ids = tokenizer(text, verbose=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert max(ids) < model.config.vocab_size == len(tokenizer)

    def test_training_record_is_that_of_the_model(self, loaded):
        model, _ = loaded
        record = json.loads((DEMO_MODEL / "TRAINING.json").read_text())
        assert record["parameters"] == sum(parameter.numel() for parameter in model.parameters())
        assert {name: getattr(model.config, name) for name in record["shape"]} == record["shape"]
        assert set(record["recipe"]) >= {"steps", "seed", "threads", "windows_per_step", "window", "learning_rate"}
        assert record["recipe"]["window"] == model.config.max_position_embeddings
        assert set(record["versions"]) == {"torch", "transformers", "tokenizers"}
        assert all(re.fullmatch("[0-9a-f]{64}", text["sha256"]) and text["name"] for text in record["texts"])
        assert not any("/home" in text["name"] or text["name"].startswith("/") for text in record["texts"])
        assert hashlib.sha256(PROBE.read_bytes()).hexdigest() not in {text["sha256"] for text in record["texts"]}
        assert abs(record["held_out_loss_nats_per_token"] - record["held_out_loss_before_rounding"]) < 0.005
        assert str(record["held_out_loss_nats_per_token"]) in (DEMO_MODEL / "README.md").read_text()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The training script as a module."""
    spec = importlib.util.spec_from_file_location("train_demo_model", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestTrainingTexts:
    """What the training script reads, and how it cuts it."""

    def test_default_is_wikitext_2_raw(self, script: ModuleType, monkeypatch: pytest.MonkeyPatch):
        import datasets

        asked = []

        def load_dataset(*names: str, split: str) -> dict[str, list[str]]:
            asked.append((*names, split))
            return {"text": ["", " = Tides = \n", " The well @-@ known tide , of 2 @.@ 5 m , rose ( twice ) . \n" * 99]}

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        (corpus,) = script.read_corpora([])
        assert asked == [("Salesforce/wikitext", "wikitext-2-raw-v1", "train")]
        assert corpus.train.splitlines()[1] == " The well-known tide, of 2.5 m, rose (twice). "
        assert 0.04 < len(corpus.held_out) / len(corpus.train + corpus.held_out) <= 0.05

    def test_other_texts_are_left_as_they_are(self, script: ModuleType, probe: str):
        corpus = script.corpus_of("probe", probe)
        assert corpus.train + corpus.held_out == probe
        assert corpus.train.endswith("\n")

    def test_windows_cover_an_epoch_without_overlap(self, script: ModuleType):
        import torch

        tokens = torch.arange(10 * 512 + 1)
        recipe = script.Recipe(steps=1, seed=3, threads=1, windows_per_step=1)
        batches = script.batches(tokens, recipe)
        epoch = [next(batches)[0] for _ in range(9)]
        starts = sorted(int(window[0]) for window in epoch)
        assert all(torch.equal(window, torch.arange(int(window[0]), int(window[0]) + 513)) for window in epoch)
        assert {later - earlier for earlier, later in pairwise(starts)} == {512}


class TestTrainingScript:
    """``scripts/train_demo_model.py``, run as its users run it, for two steps on a text made of the probe."""

    @pytest.fixture(scope="class")
    def folders(
        self, forks: Forks, script: ModuleType, tmp_path_factory: pytest.TempPathFactory, probe: str
    ) -> dict[str, Path]:
        """Three runs: one as a command, one with the same seed and one with another in this process."""
        import torch

        work = tmp_path_factory.mktemp("train")
        (work / "corpus.txt").write_bytes(probe[:24_000].encode())

        def arguments(name: str, seed: int) -> list[str]:
            text = f"A corpus={work / 'corpus.txt'}"
            return [str(SCRIPT), text, "--steps", "2", "--seed", str(seed), "--out", str(work / name)]

        as_script = f"""
import runpy, sys
sys.argv = {arguments("first", 7)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
raise SystemExit
"""
        run = forks.start((), work, before=as_script)
        assert run.wait() == 0, run.stderr
        assert run.stdout == ""
        assert "step 2/2" in run.stderr and "held out" in run.stderr
        threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        try:
            for name, seed in {"again": 7, "other": 8}.items():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(sys, "argv", arguments(name, seed))
                    script.main()
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
        return {name: work / name for name in ("first", "again", "other")}

    def test_folder_loads(self, folders: dict[str, Path], probe: str):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(folders["first"], local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folders["first"], local_files_only=True)
        assert tokenizer.decode(tokenizer("The tide runs.")["input_ids"]) == "The tide runs."
        assert len(tokenizer) == model.config.vocab_size
        record = json.loads((folders["first"] / "TRAINING.json").read_text())
        text = record["texts"][0]
        assert text["name"] == "A corpus"
        assert text["sha256"] == hashlib.sha256(probe[:24_000].encode()).hexdigest()
        assert record["tokens_seen"] == 2 * 4 * 512
        assert 0 < record["held_out_loss_nats_per_token"] < math.log(len(tokenizer)) + 0.2

    def test_seed_decides_the_weights(self, folders: dict[str, Path]):
        def digest(name: str, file: str) -> str:
            return hashlib.sha256((folders[name] / file).read_bytes()).hexdigest()

        assert digest("first", "model.safetensors") == digest("again", "model.safetensors")
        assert digest("first", "model.safetensors") != digest("other", "model.safetensors")
        assert digest("first", "tokenizer.json") == digest("other", "tokenizer.json")

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "Cannot read"), (b"\xff\xfe\x00 not text", "Cannot read"), (b"one line only", "too short")],
    )
    def test_bad_text_is_one_sentence(self, script: ModuleType, tmp_path: Path, content: bytes | None, words: str):
        corpus = tmp_path / "corpus.txt"
        if content is not None:
            corpus.write_bytes(content)
        # A SystemExit with a message is that line on stderr and exit code 1.
        with pytest.raises(SystemExit, match=words) as caught:
            script.read_corpora([f"A corpus={corpus}"])
        assert len(str(caught.value).splitlines()) == 1
