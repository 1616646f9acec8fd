"""What the data say of a claim, as an answer that follows from the numbers by stated rules.

The claim is held against what it predicts, not against zero alone. The effect is the coefficient of the dose: 0 where
shape does not matter, 1 where it matters as the study predicts.

| answer | when |
| --- | --- |
| supported | the 95% interval excludes 0 from below and holds 1 |
| contradicted | the 90% interval lies below 1, in the claim's own world the 95% one too; or the 95% one below 0 |
| cannot_tell | else: the interval holds 0 and 1, or lies above 1 (shape matters, and more than predicted) |
| insufficient | fewer than 10 models of known size or 5 groups of them, or no interval can be made |

A claim is held against its own world. Where shape costs what a study predicts, the curve of score on size has that
cost in it, and a slope taken from it is too flat: the effect comes out low, and the 90% interval lies below 1 in 10
to 24 of 100 simulated comparisons. So 1 is rejected only where the 95% interval lies below it, too, with the dose of a
world in which the prediction holds (`nil_audit.comparison.effect.dose.predicted_terms`).

Where the first two both hold (an interval that excludes 0, and 1 at 90% but not at 95%) the answer is the first.
``docs/simulation.md`` shows how often each answer is given where there is no effect, the predicted one, and twice that.
"""

from nil_audit.comparison.findings import Answer, Effect
from nil_audit.stats.jackknife import FEWEST_GROUPS

ENOUGH_MODELS = 10
ENOUGH_GROUPS = FEWEST_GROUPS
"""With fewer models, or families of them, nothing is said."""

VERDICTS = ("supported", "contradicted", "cannot_tell", "insufficient")


Ends = tuple[float, float]


def verdict(interval: Ends | None, narrow: Ends | None, predicted: Ends | None = None) -> str:
    """One of `VERDICTS`.

    Args:
        interval: The 95% interval of an effect; None where there is none.
        narrow: The 90% interval.
        predicted: The 90% interval with the dose of a world in which the prediction holds; None: ``narrow`` stands
        for it.
    """
    if interval is None or narrow is None:
        return "insufficient"
    if interval[0] > 0 and interval[1] >= 1 >= interval[0]:
        return "supported"
    below = narrow[1] < 1 and (predicted or narrow)[1] < 1
    return "contradicted" if below or interval[1] < 0 else "cannot_tell"


def answer(protocol: str, primary: Effect | None, *, models: int, sized: int, groups: int, sized_groups: int) -> Answer:
    """The answer of one protocol's models.

    Args:
        protocol: Its name.
        primary: The effect that the answer rests on; None where it cannot be made.
        models: Models with a usable score.
        sized: Those of known size.
        groups: Groups of the models.
        sized_groups: Groups of those of known size.
    """
    enough = sized >= ENOUGH_MODELS and sized_groups >= ENOUGH_GROUPS
    return Answer(
        protocol=protocol,
        models=models,
        sized=sized,
        groups=groups,
        sized_groups=sized_groups,
        verdict=primary.verdict if enough and primary is not None else "insufficient",
        primary=primary,
    )
