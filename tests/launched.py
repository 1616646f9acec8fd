"""Teams of processes in which something fails on purpose: many runs in a row, in the same processes.

``launch`` starts one process that loads the libraries, once, and divides into teams; each process of a team writes what
became of each run into a file. ``differences`` says how a run differs from one that nobody disturbed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nil_audit.errors import MeasurementError, UsageError

STEPS = {
    "resolve": "nil_audit.runner:resolve",
    "shape": "nil_audit.auditing.subject:read_shape",
    "probe": "nil_audit.interaction.probe:load_probe",
    "find": "nil_audit.auditing.passes:find_record",
    "load": "nil_audit.weights.checkpoint:load_checkpoint",
    "windows": "nil_audit.interaction.measure:make_windows",
    "gradients": "nil_audit.interaction.totals:window_gradients",
    "reduction": "nil_audit.interaction.totals:WindowTotals.all_reduce",
    "products": "nil_audit.interaction.totals:WindowTotals.round",
    "document": "nil_audit.auditing.passes:interaction_document",
    "keep": "nil_audit.auditing.passes:keep_record",
    "answers": "nil_audit.score.answers:Journal.read",
    "wrap": "nil_audit.score.engines:wrapped",
    "batch": "nil_audit.score.asking:Asking.ask",
    "group": "nil_audit.score.engines.shared:SharedHFLM.begin",
    "result": "nil_audit.score.result:ScoreResult.to_dict",
}
"""Where a process can fail, in the order in which it comes there."""

FIRST_ALONE = ("find", "keep", "answers")
"""Steps that the first process alone takes."""

OF_SCORE = ("answers", "wrap", "batch", "group", "result")
"""Steps after the audit, which is kept where they fail."""

ERRORS: dict[str, Callable[[], BaseException]] = {
    "ours": lambda: MeasurementError("It cannot be measured; leave it out."),
    "usage": lambda: UsageError("An option is wrong; correct it."),
    "defect": lambda: ZeroDivisionError("division by zero"),
    "system": lambda: OSError(5, "Input/output error"),
    "interrupt": KeyboardInterrupt,
}
"""What a fault raises; under "kill" the process is killed instead."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One process fails at one model, in one step, at the ``time``-th time that it comes there."""

    rank: int
    model: str
    step: str
    error: str = "ours"
    time: int = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: the models, the cache of each process, and what fails.

    Attributes:
        models: Folders, in their order.
        caches: The cache folder of each process.
        faults: What fails.
        mmlu_pro: Folder of the questions that are asked after each audit; None: no score.
        settings: Of its audits, over those of all.
    """

    models: tuple[str, ...]
    caches: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    mmlu_pro: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Now:
    """What this process is at."""

    rank: int = 0
    model: str = ""
    faults: tuple[Fault, ...] = ()
    met: dict[str, int] = field(default_factory=dict)

    def come(self, step: str) -> None:
        """Fail where it is this process's turn."""
        self.met[step] = self.met.get(step, 0) + 1
        for fault in self.faults:
            if (fault.rank, fault.model, fault.step, fault.time) == (self.rank, self.model, step, self.met[step]):
                if fault.error == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise ERRORS[fault.error]()


@contextmanager
def _failing(now: _Now) -> Iterator[None]:
    """Every step asks whether it is to fail."""
    changed = []
    for step, place in STEPS.items():
        module, _, path = place.partition(":")
        owner: Any = import_module(module)
        *parts, name = path.split(".")
        for part in parts:
            owner = getattr(owner, part)
        original = getattr(owner, name)

        @wraps(original)
        def stumbling(*arguments: Any, _original: Any = original, _step: str = step, **options: Any) -> Any:
            now.come(_step)
            return _original(*arguments, **options)

        setattr(owner, name, stumbling)
        changed.append((owner, name, original))
    try:
        yield
    finally:
        for owner, name, original in changed:
            setattr(owner, name, original)


def perform(run: Run, settings: Mapping[str, Any], *, rank: int = 0) -> dict[str, Any]:
    """One run on this process, as the command ``audit`` does it.

    Returns:
        "results" (records), "failures", "interrupted"; or "error", what ended the run.
    """
    from nil_audit.auditing.audit import audit_subject, score_subject
    from nil_audit.auditing.subject import Settings, Subject
    from nil_audit.runner import PartlyFailed, run_each
    from nil_audit.score.plan import plan_score

    os.environ["NIL_AUDIT_CACHE"] = run.caches[rank]
    now = _Now(rank=rank, faults=run.faults)
    plan = None if run.mmlu_pro is None else plan_score("mc", data=Path(run.mmlu_pro))

    def measure(name: str) -> dict[str, Any]:
        now.model, now.met = name, {}
        subject = Subject(name, Settings(**{**settings, **run.settings}))
        record = audit_subject(subject)
        if plan is None:
            return record.to_dict()
        try:
            return score_subject(subject, record, plan).to_dict()
        except Exception as error:
            raise PartlyFailed(record.to_dict(), error) from error

    with _failing(now):
        try:
            outcome = run_each(run.models, measure, on_failure=lambda _: None)
        except UsageError as error:
            return {"error": str(error)}
    return {"results": outcome.results, "failures": outcome.failures, "interrupted": outcome.interrupted}


def launch(
    teams: Mapping[str, Sequence[Run]], settings: Mapping[str, Any], folder: Path, *, timeout: float
) -> dict[str, list[list[Any]]]:
    """Perform runs one after another in teams of processes, all teams at once.

    Args:
        teams: The runs of each team, by a name; it has a process for each cache of its runs.
        settings: Of every audit.
        folder: For plans and results.
        timeout: Seconds after which all are killed.

    Returns:
        Of each team and run what became of it on each process; None where that was killed.

    Raises:
        subprocess.TimeoutExpired: They hang.
        AssertionError: A process ended otherwise than it should.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plans = {team: [asdict(run) for run in runs] for team, runs in teams.items()}
    (folder / "plan.json").write_text(json.dumps({"settings": dict(settings), "teams": plans}))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.launched", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said
    found = {}
    for team, runs in teams.items():
        files = [
            [folder / f"{team}-{rank}-{at}.json" for rank in range(len(run.caches))] for at, run in enumerate(runs)
        ]
        found[team] = [[json.loads(file.read_text()) if file.exists() else None for file in each] for each in files]
    return found


def differences(run: Run, found: Sequence[Mapping[str, Any]], alone: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with a run, in words; nothing where all went as it must.

    Every model that nothing happened to is measured as one process alone measures it; every process says the same; a
    model that something happened to has failed, in all but the audit where only its score did; nothing that is kept is
    a mixture.

    Args:
        run: What was asked.
        found: What became of it on each process.
        alone: The record of each model by one process that nobody disturbed.
    """
    wrong = []
    told = [{**one, "results": sorted(one["results"])} if "results" in one else dict(one) for one in found]
    if any(one != told[0] for one in told):
        wrong.append(f"the processes differ: {told}")
    ending = next((name for name in run.models if _ends(run, name)), None)
    reached = run.models if ending is None else run.models[: run.models.index(ending)]
    if "error" in found[0]:
        return wrong if ending == run.models[0] else [*wrong, f"ended by {found[0]['error']}"]
    if found[0]["interrupted"] != (ending is not None):
        wrong.append(f"interrupted: {found[0]['interrupted']}")
    met = {fault.model: fault.step for fault in run.faults}
    failing = [name for name in reached if name in met]
    if sorted(found[0]["failures"]) != sorted(failing):
        wrong.append(f"failed: {found[0]['failures']}, not {failing}")
    for name in reached:
        record = found[0]["results"].get(name)
        whole = name not in met
        if record is None and (whole or _audited(run, name)):
            wrong.append(f"{name} has no record")
        elif record is not None:
            if not (whole or _audited(run, name)):
                wrong.append(f"{name} has a record though it failed")
            wrong.extend(
                f"{name}: {one}" for one in unlike(record, alone[str(Path(name))], scored=whole and bool(run.mmlu_pro))
            )
    digests = {record["model"]["digest"]: record for record in alone.values()}
    for cache in set(run.caches):
        for file in Path(cache).glob("records/*.json"):
            kept = json.loads(file.read_text())
            wrong.extend(f"kept: {one}" for one in unlike(kept, digests[kept["model"]["digest"]], scored=False))
    return wrong


def _ends(run: Run, name: str) -> bool:
    """Whether the run ends at a model: by Ctrl-C, or by a wrong command before anything is done."""
    kinds = {fault.error for fault in run.faults if fault.model == name}
    return "interrupt" in kinds or ("usage" in kinds and name == run.models[0] and not _audited(run, name))


def _audited(run: Run, name: str) -> bool:
    """Whether whatever happens to a model happens after its audit."""
    return all(fault.step in OF_SCORE for fault in run.faults if fault.model == name)


def unlike(found: Mapping[str, Any], alone: Mapping[str, Any], *, scored: bool) -> list[str]:
    """Numbers of a record that are not those of another one of the same model, beyond the order of a sum."""
    wrong = []
    mine, other = found["interaction"], alone["interaction"]
    for key in mine["products"].keys() - {"width"}:
        if not np.allclose(mine["products"][key], other["products"][key], rtol=1e-4, atol=0):
            wrong.append(f"{key} differs")
    if not np.allclose(mine["block_loss"], other["block_loss"], rtol=1e-5, atol=0):
        wrong.append("the loss differs")
    if found["model"]["digest"] != alone["model"]["digest"]:
        wrong.append("the digest differs")
    if scored and _answered(found) != _answered(alone):
        wrong.append("the score differs")
    return wrong


def _answered(record: Mapping[str, Any]) -> Any:
    """What a score says, without what may differ between runs that ask the same."""
    gone = ("seconds", "answers_reused", "processes", "created", "categories", "model")
    row = record["scores"][0]
    categories = [{key: value for key, value in one.items() if key not in gone} for one in row["categories"]]
    return {key: value for key, value in row.items() if key not in gone}, categories


def _work(folder: Path, team: str, size: int, rank: int, port: int) -> None:
    """Perform the runs of a team as one of its processes."""
    if size > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "LOCAL_WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    from nil_audit.processes import Team

    plan = json.loads((folder / "plan.json").read_text())
    for index, one in enumerate(plan["teams"][team]):
        faults = tuple(Fault(**fault) for fault in one.pop("faults"))
        found = perform(Run(**one, faults=faults), plan["settings"], rank=rank)
        (folder / f"{team}-{rank}-{index}.json").write_text(json.dumps(found))
    Team.join().leave()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> None:
    """Load the libraries, divide into the processes of every team, and wait for them."""
    folder = Path(sys.argv[1])
    for place in STEPS.values():
        import_module(place.partition(":")[0])
    for library in ("datasets", "lm_eval.tasks"):
        import_module(library)
    from transformers import GPT2LMHeadModel, LlamaForCausalLM  # noqa: F401

    children = []
    for team, runs in json.loads((folder / "plan.json").read_text())["teams"].items():
        size, port = len(runs[0]["caches"]), _free_port()
        for rank in range(size):
            if (child := os.fork()) == 0:
                try:
                    _work(folder, team, size, rank, port)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if set(ended) - {0, -signal.SIGKILL}:
        raise SystemExit("A process of a team failed.")


if __name__ == "__main__":
    main()
