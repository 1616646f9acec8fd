"""Which record and which score of a model counts where there are several, and in words which does not."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from nil_audit.auditing.measured import Setting
from nil_audit.comparison.reading.identity import Model
from nil_audit.comparison.reading.said import MEASURED, Facts, Score

ORIGINS = ("measured", "lm-eval", "table", "published")
"""Of two scores of a model by one protocol the first of these counts."""

_SPOKEN = 5
"""Of more models than this the others are counted, not named."""


def count_records(models: Sequence[Model]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """What the record of each model says, by the model's name, and notes on the records that do not count.

    Metrics and losses of different settings (`nil_audit.auditing.record.setting`) are not comparable: those of the
    setting that most models share stay. Of several records of a model the one of that setting counts, then one with
    metrics, then the latest.
    """
    common = _common([model.facts for model in models])
    values: dict[str, Mapping[str, Any]] = {}
    other: dict[str, Setting] = {}
    notes = []
    for model in models:
        records = list({(one.created, one.setting, one.digest): one for one in model.facts if one.record}.values())
        if not records:
            continue
        records.sort(key=lambda one: (one.setting == common, one.setting is not None, one.created), reverse=True)
        chosen = records[0]
        alike = chosen.setting is None or chosen.setting == common
        values[model.name] = {
            name: value
            for name, value in chosen.values.items()
            if alike or name.removesuffix("_stderr") not in MEASURED
        }
        if chosen.setting is not None and not alike:
            other[model.name] = chosen.setting
        if len(records) > 1:
            rest = ", ".join(_record_words(one) for one in records[1:])
            notes.append(
                f"Of {model.name} there are {len(records)} records: {_record_words(chosen)} counts, not {rest}."
            )
    if other and common is not None:
        notes.append(_settings_words(common, other, sum(common == one.setting for m in models for one in m.facts)))
    return values, notes


def _common(facts: Sequence[Sequence[Facts]]) -> Setting | None:
    """The setting that the most models have a record of; of two as frequent that of the newer estimator."""
    counts = Counter(setting for own in facts for setting in {one.setting for one in own} if setting is not None)
    return max(counts, key=lambda one: (counts[one], str(one)), default=None)


def _settings_words(common: Setting, other: Mapping[str, Setting], models: int) -> str:
    differing = [name for name, value in common if any(dict(one)[name] != value for one in other.values())]
    shown = ", ".join(f"{name} {value}" for name, value in common if name in differing and name != "probe")
    return (
        f"Records differ in {listed(differing)}, so their metrics cannot be compared: those of the {models} that share"
        f" one setting{f' ({shown})' if shown else ''} are used, and {len(other)} are not: {listed(list(other))}."
        " Measured alike, they would be."
    )


def _record_words(record: Facts) -> str:
    kind = "of the shape alone" if record.setting is None else f"in {dict(record.setting)['dtype']}"
    return f"the one {kind} of {record.created[:16]} ({record.source})"


def count_scores(model: Model) -> tuple[list[Score], list[str]]:
    """One score a protocol, unflagged ones first, then by `ORIGINS`, most questions, and the latest.

    Returns:
        The scores that count, and a sentence for each protocol of which some do not.
    """
    kept, notes = [], []
    for protocol in dict.fromkeys(score.protocol for score in model.scores):
        same: dict[Hashable, Score] = {}
        for one in model.scores:
            if one.protocol == protocol:
                same.setdefault((one.origin, one.values["score"], one.questions, one.created), one)
        found = sorted(same.values(), key=lambda one: one.created, reverse=True)
        found.sort(key=lambda one: (bool(one.values.get("flag")), _rank(one.origin), -one.questions))
        kept.append(found[0])
        if len(found) > 1:
            first, *rest = map(_score_words, found)
            notes.append(
                f"Of {model.name} there are {len(found)} scores of protocol {protocol}: {first} counts, not"
                f" {listed(rest)}."
            )
    return kept, notes


def _rank(origin: str) -> int:
    return ORIGINS.index(origin) if origin in ORIGINS else len(ORIGINS)


def spoken(notes: Sequence[str]) -> Iterator[str]:
    """The first notes, the number of the others, and the rule that they follow."""
    yield from notes[:_SPOKEN]
    if len(notes) > _SPOKEN:
        yield f"Likewise for {len(notes) - _SPOKEN} more."
    if notes:
        yield (
            "Scores measured here count before lm-eval results, those before lists, and those before published ones;"
            " of one kind the one on most questions counts, then the latest."
        )


def _score_words(score: Score) -> str:
    """A score, told from others of its model."""
    asked = f" on {score.questions:,} questions" if score.questions else ""
    when = f" at {score.created[:16]}" if score.created else ""
    value = f"{100 * score.values['score']:.1f}%"
    words = {
        "measured": f"{value} measured{asked}{when} ({score.source})",
        "lm-eval": f"{value} by lm-eval{asked} ({score.source})",
        "published": f"{value} as published",
    }
    return words.get(score.origin, f"{value} of the list {score.source}")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b, c and 4 more"."""
    if len(names) > _SPOKEN:
        return f"{', '.join(names[: _SPOKEN - 1])} and {len(names) - _SPOKEN + 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
