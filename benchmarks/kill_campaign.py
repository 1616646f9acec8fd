"""Runs killed at random moments: every file they leave is whole, and the run that ends gives what it would have given.

    python -m benchmarks.kill_campaign [--kills 100] [--seed 1] [--only audit|score]

A list of tiny models is audited, and every fifth time one is scored on a small data set, into a cache and a folder.
Each run is a fork of this process, so that it starts at once, and most are killed (SIGKILL) before they end. After
each, every file in the cache and in the folder must be whole; a run that ends must have the results of one that nobody
disturbed, apart from times, and leave no temporary file; and no more questions of a score may have been asked twice
than a batch a kill. Prints what went wrong, and counts.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

QUIET = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
OF_TIME = ("created", "cost", "seconds", "answers_reused")  # a run after a kill asks only what is missing
BATCH = 8
_ARCHITECTURES = ("llama", "gpt2", "qwen3", "gpt_neox")


class Job:
    """A command over some models, with a folder for its results and a cache that each series of kills begins anew."""

    def __init__(self, folder: Path, name: str, arguments: list[str]) -> None:
        self.out, self.cache, self.seconds = folder / f"{name}-out", folder / f"{name}-cache", 0.0
        self.arguments = [name, *arguments, "--out", str(self.out), "--quiet"]
        self.log, self.asked = folder / f"{name}.log", folder / f"{name}.asked"
        begun = time.perf_counter()
        if (code := self.run(None)) != 0:
            raise SystemExit(f"The undisturbed run ended with {code}: {self.log.read_text()}")
        self.seconds = time.perf_counter() - begun
        self.expected = self.results()
        self.forget()

    def run(self, until: float | None) -> int | None:
        """Run the command in a fork; None where it was still running after so many seconds, and was killed."""
        process = os.fork()
        if process == 0:
            self._become()
        end = None if until is None else time.perf_counter() + until
        while True:
            found, status = os.waitpid(process, 0 if end is None else os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            if end is not None and time.perf_counter() >= end:
                os.kill(process, signal.SIGKILL)
                code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                return None if code == -signal.SIGKILL else code
            time.sleep(0.002)

    def _become(self) -> None:
        from nil_audit.cli.app import main

        os.environ["NIL_AUDIT_CACHE"] = str(self.cache)
        self._write_down_what_is_asked()
        sys.argv = ["nil-audit", *self.arguments]
        with self.log.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code: Any = 1
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 1)

    def _write_down_what_is_asked(self) -> None:
        from nil_audit.score.engines.plain import PlainHFLM

        respond = PlainHFLM.respond

        def noted(engine: Any, questions: Any) -> Any:
            with self.asked.open("a") as file:
                file.write("".join(f"{question.row['question_id']}\n" for question in questions))
            return respond(engine, questions)

        PlainHFLM.respond = noted  # type: ignore[method-assign]

    def asked_again(self) -> int:
        """Questions asked beyond the first time since everything was forgotten."""
        asked = self.asked.read_text().split() if self.asked.exists() else []
        return len(asked) - len(set(asked))

    def results(self) -> dict[str, Any]:
        """Every JSON document of the folder of results, without what is of time."""
        return {
            str(path.relative_to(self.out)): _timeless(json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(self.out.rglob("*.json"))
        }

    def forget(self) -> None:
        """Begin anew."""
        for folder in (self.out, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
        self.asked.unlink(missing_ok=True)

    def damages(self) -> Iterator[str]:
        """Every file that is not whole."""
        from nil_audit.auditing.record import read_record

        for path in self.files():
            try:
                text = path.read_text(encoding="utf-8")
                if path.suffix == ".json":
                    json.loads(text)
                    if path.parent.name == "records":
                        read_record(path)
                elif path.suffix == ".jsonl":
                    for line in text.split("\n")[:-1]:  # what follows the last end of line may be half an answer
                        json.loads(line or "{}")
                elif not text.strip() or (path.suffix == ".html" and not text.rstrip().endswith("</html>")):
                    yield f"{path} is cut short"
            except Exception as error:
                yield f"{path}: {error!r}"

    def files(self, temporary: bool = False) -> Iterator[Path]:
        """Files of the cache and of the folder of results: those that are to last, or the temporary ones."""
        for folder in (self.out, self.cache):
            for path in folder.rglob("*"):
                picture = path.suffix in (".png", ".pdf")
                if path.is_file() and path.name.startswith(".nil-audit-") == temporary and not picture:
                    yield path


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in OF_TIME}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two documents differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _differences(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{place}/{index}")
    elif one != other:
        yield f"{place} ({str(one)[:200]} for {str(other)[:200]})"


def campaign(jobs: list[Job], kills: int, source: random.Random) -> Counter[str]:
    """Kill until it is enough, and end every series of kills with a run that is left alone.

    Returns:
        Counts: "kills", "with files left" (of those, runs that had kept something), "temporary files left", "runs that
        ended", "questions asked twice", and "wrong".
    """
    counts: Counter[str] = Counter(
        {
            "kills": 0,
            "with files left": 0,
            "temporary files left": 0,
            "runs that ended": 0,
            "questions asked twice": 0,
            "wrong": 0,
        }
    )
    while counts["kills"] < kills:
        job = jobs[1] if len(jobs) > 1 and counts["runs that ended"] % 5 == 4 else jobs[0]
        job.forget()
        code, killed = None, 0
        for attempt in range(source.randint(1, 6)):
            begun = time.perf_counter()
            code = job.run(source.uniform(0, 1.1 * job.seconds))
            if code is not None and attempt == 0:
                job.seconds = time.perf_counter() - begun  # the machine is faster now than it was
            counts["wrong"] += _told(job.damages())
            if code is not None:
                break
            counts["kills"] += 1
            killed += 1
            counts["with files left"] += any(True for _ in job.files())
            counts["temporary files left"] += len(list(job.files(temporary=True)))
        code = job.run(None) if code is None else code
        counts["runs that ended"] += 1
        wrong = [f"a run ended with {code}: {job.log.read_text()}"] if code else []
        if not code:
            wrong += [f"after kills {place} differs" for place in _differences(job.results(), job.expected)]
        counts["questions asked twice"] += job.asked_again()
        if job.asked_again() > killed * BATCH:
            wrong.append(f"{job.asked_again()} questions were asked twice after {killed} kills")
        wrong += [f"{path} was not swept up" for path in job.files(temporary=True)]
        counts["wrong"] += _told([*wrong, *job.damages()])
    return counts


def _told(sentences: Iterable[str]) -> int:
    """Print what went wrong; how much that was."""
    said = list(sentences)
    for sentence in said:
        print(sentence, file=sys.stderr)
    return len(said)


def main() -> None:
    """Run the campaign; exit code 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", type=int, default=len(_ARCHITECTURES))
    parser.add_argument("--only", choices=("audit", "score"), help="Runs of one kind alone.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(QUIET, HF_HOME=str(folder / "hf"))
        # imported here and never used for gradients, so that a fork has them at once
        from nil_audit.cli import app  # noqa: F401
        from nil_audit.interaction import measure  # noqa: F401
        from nil_audit.report.audit import page  # noqa: F401
        from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu
        from tests.tiny import checkpoint_folder, english

        probe = folder / "probe.txt"
        probe.write_text(english(2000))
        models = [
            str(checkpoint_folder(folder / one, one, seed=seed))
            for seed, one in enumerate(_ARCHITECTURES[: options.models])
        ]
        jobs = []
        if options.only != "score":
            settings = ["--probe", str(probe), "--window", "16", "--context", "4", "--tokens", "512"]
            jobs.append(Job(folder, "audit", [*models, *settings]))
        if options.only != "audit":
            data = write_mmlu(folder / "mmlu_pro", *mmlu_rows())
            settings = ["--data", str(data), "--batch-size", str(BATCH)]
            jobs.append(Job(folder, "score", [str(answering_checkpoint(folder / "answering")), *settings]))
        begun = time.perf_counter()
        counts = campaign(jobs, options.kills, random.Random(options.seed))
        print(", ".join(f"{key}: {count}" for key, count in counts.items()) + ".")
        print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    raise SystemExit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
