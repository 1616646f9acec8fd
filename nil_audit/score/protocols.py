"""The three ways in which nil-audit asks MMLU-Pro, and what each changes against lm-eval's own tasks.

Two of them are lm-eval's task files, read from the installed package; the third is shipped here (``tasks/``).
docs/mmlu_pro.md tells the same to people.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from nil_audit.errors import UsageError

CATEGORIES = (
    "biology",
    "business",
    "chemistry",
    "computer science",
    "economics",
    "engineering",
    "health",
    "history",
    "law",
    "math",
    "other",
    "philosophy",
    "physics",
    "psychology",
)
LETTERS = "ABCDEFGHIJ"
SHOTS = 5
DEFAULT = "leaderboard"
"""The protocol of a run that names none: most published scores are of it, so its scores can be compared."""

REVISIONS = {
    "2024": "3373e0b32277875b8db2aa555a333b78a08477ea",
    "2026": "b189ec765aa7ed75c8acfea42df31fdae71f97be",
}
"""Commits of the Hub's data set by edition: that of 2024, in which 475 options begin with a space, 473 of them right
answers, and that of January 2026, in which none does."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of asking MMLU-Pro.

    Attributes:
        name: What ``--protocol`` takes and records carry.
        title: The same in words.
        group: Name under which lm-eval's results carry the whole benchmark.
        by_category: Whether lm-eval holds a task a category (``group`` + "_math") or one task for all.
        version: The task's version that this protocol stands for.
        metric: lm-eval's metric, an answer's 0 or 1.
        generates: Whether the answer is generated text; otherwise the likeliest letter.
        own_shots: Whether the five worked examples are of the question's own category.
        revision: The Hub's commit of the questions that it asks unless another is chosen.
        differences: How it differs from lm-eval's task, a sentence each; stated in every result.
    """

    name: str
    title: str
    group: str
    by_category: bool
    version: str
    metric: str
    generates: bool
    own_shots: bool
    revision: str
    differences: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of the task files."""
        if self.group == "nil_audit_mmlu_pro_mc":
            return Path(__file__).parent / "tasks"
        import lm_eval

        tasks = Path(lm_eval.__file__).parent / "tasks"
        return tasks / "leaderboard" / "mmlu_pro" if self.group == "leaderboard_mmlu_pro" else tasks / "mmlu_pro"

    def task(self, category: str) -> str:
        """lm-eval's name of the task that holds a category."""
        return f"{self.group}_{category.replace(' ', '_')}" if self.by_category else self.group


_PROTOCOLS = (
    Protocol(
        name="mc",
        title="5-shot multiple choice by log-likelihood, options stripped, shots of the question's own category",
        group="nil_audit_mmlu_pro_mc",
        by_category=True,
        version="1.0",
        metric="acc",
        generates=False,
        own_shots=True,
        revision=REVISIONS["2026"],
        differences=(
            "against leaderboard_mmlu_pro: white space around the options is stripped",
            "against leaderboard_mmlu_pro: the five examples are of the question's own category",
        ),
    ),
    Protocol(
        name="leaderboard",
        title="leaderboard_mmlu_pro: 5-shot multiple choice by log-likelihood, as the Open LLM Leaderboard v2",
        group="leaderboard_mmlu_pro",
        by_category=False,
        version="0.1",
        metric="acc",
        generates=False,
        own_shots=False,
        revision=REVISIONS["2024"],
        differences=(),
    ),
    Protocol(
        name="cot",
        title="mmlu_pro: 5-shot chain of thought, generated, the answer read from 'the answer is (X)'",
        group="mmlu_pro",
        by_category=True,
        version="3.1",
        metric="exact_match",
        generates=True,
        own_shots=True,
        revision=REVISIONS["2026"],
        differences=(
            "against mmlu_pro: at most half of the model's context is generated where that is less than 2,048 tokens",
        ),
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _PROTOCOLS}


def protocol_named(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"There is no protocol '{name}'; choose one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def require_version(protocol: Protocol) -> None:
    """Refuse an lm-eval whose task is not the one that this protocol stands for, before any model is loaded.

    Raises:
        UsageError: The installed lm-eval holds another version of the task.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager

    # lm-eval's own reader, which follows a task file's includes
    index = TaskManager(include_path=str(protocol.folder), include_defaults=False).task_index
    entry = index.get(protocol.task(CATEGORIES[0]))
    found = ((entry.cfg or {}).get("metadata") or {}).get("version") if entry else None
    if str(found) != protocol.version:
        raise UsageError(
            f"lm-eval {lm_eval.__version__} holds version {found} of {protocol.group} where {protocol.version} "
            "is needed for comparable scores; install lm_eval 0.4.12 or 0.4.13."
        )


def on_edition(protocol: Protocol, edition: str) -> Protocol:
    """The protocol by the name that its scores have on one edition of the questions ("2024" or "2026").

    ``mc`` and ``cot`` strip the options, so the editions give them the same prompts. ``leaderboard`` shows options as
    they are: on the edition of 2026 it lacks the spaces that give right answers away, and is another protocol.
    """
    if protocol.name != "leaderboard" or edition == "2024":
        return protocol
    return replace(
        protocol,
        name=f"leaderboard-{edition}",
        title=f"leaderboard_mmlu_pro on the questions of {edition}: 5-shot multiple choice by log-likelihood",
        differences=(
            *protocol.differences,
            "against the Open LLM Leaderboard v2: the questions of January 2026, without spaces before options",
        ),
    )


def generation_length(context: int) -> int:
    """Tokens that ``cot`` may generate: mmlu_pro's own 2,048, or half of the context where that is less.

    lm-eval leaves ``context - generation length`` tokens to the prompt and refuses when nothing is left, so its
    own setting does not run at a context of 2,048. From a context of 4,096 up this is lm-eval's setting.
    """
    return min(2048, context // 2)
