"""The three ways in which nil-audit asks MMLU-Pro, and what each changes against lm-eval's own tasks.

Two of them are lm-eval's task files, read from the installed package; the third is shipped here (``tasks/``).
docs/mmlu_pro.md tells the same to people.
"""

from dataclasses import dataclass
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
    differences: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of the task files."""
        if self.name == "mc":
            return Path(__file__).parent / "tasks"
        import lm_eval

        tasks = Path(lm_eval.__file__).parent / "tasks"
        return tasks / "leaderboard" / "mmlu_pro" if self.name == "leaderboard" else tasks / "mmlu_pro"

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


def generation_length(context: int) -> int:
    """Tokens that ``cot`` may generate: mmlu_pro's own 2,048, or half of the context where that is less.

    lm-eval leaves ``context - generation length`` tokens to the prompt and refuses when nothing is left, so its
    own setting does not run at a context of 2,048. From a context of 4,096 up this is lm-eval's setting.
    """
    return min(2048, context // 2)
