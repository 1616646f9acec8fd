"""Which of the things that are said of models are said of one model.

A model of the Hub is its id and revision, in any case of its letters; a folder is its checkpoint, by digest where that
is known and else by its path. So a folder that is named like a Hub id is not the model of that id, a checkpoint under
two names is one model, and two that were one after the other in one folder are two.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nil_audit.catalog.lists import hub_key
from nil_audit.comparison.reading.said import Facts, Said, Score


@dataclass(frozen=True, kw_only=True)
class Model:
    """Everything that is said of one model.

    Attributes:
        name: What the comparison calls it, unlike any other's.
        local: Whether it is a folder.
        key: Of a Hub model, what `nil_audit.catalog.lists.hub_key` gives; of a folder "".
        facts: In the order of the inputs.
        scores: Likewise.
    """

    name: str
    local: bool
    key: str
    facts: tuple[Facts, ...]
    scores: tuple[Score, ...]

    @property
    def written(self) -> str:
        """Its name as the inputs first write it."""
        return self.said[0].model

    @property
    def said(self) -> tuple[Said, ...]:
        """All of it."""
        return (*self.facts, *self.scores)


def identify(facts: Sequence[Facts], scores: Sequence[Score]) -> tuple[list[Model], list[str]]:
    """The models that the inputs speak of, in the order in which they first do, and notes on what was joined.

    What does not say where its model lies (a list, a result of lm-eval) speaks of the folder of exactly that name where
    the other inputs know one, else of the Hub. A score of that kind under a path that stands for several checkpoints is
    left out, since it is not known which it is of.

    Args:
        facts: From `nil_audit.comparison.reading.inputs.read_inputs`.
        scores: Likewise.
    """
    said: list[Said] = [*facts, *scores]
    folders = _checkpoints(said)
    written = {_as_written(one.model): _path(one.model) for one in said if one.place == "local"}
    commits = _commits(said)
    groups: dict[str, list[Said]] = defaultdict(list)
    notes = []
    for one in said:
        path = _path(one.model) if one.place == "local" else written.get(_as_written(one.model))
        if one.place != "hub" and path is None and one.model.startswith(("/", "./", "../", "~")):
            path = _path(one.model)
        if one.place == "hub" or path is None:
            groups[f"hub:{commits.get(hub_key(one.model), hub_key(one.model))}"].append(one)
            continue
        keys = [one.digest] if one.digest else sorted(folders.get(path, ())) or [f"path:{path}"]
        if len(keys) > 1 and isinstance(one, Score):
            notes.append(
                f"{one.model} stands for {len(keys)} checkpoints here, and {one.source} does not say which it"
                " scored; its score is left out. 'nil-audit score' writes scores that say so."
            )
            continue
        for key in keys:
            groups[key].append(one)
    models = [_model(key, group) for key, group in groups.items()]
    return _named_apart(models), notes + [note for one in models for note in _joined(one)]


def _as_written(name: str) -> str:
    return name.rstrip("/") or name


def _path(name: str) -> str:
    """A folder's path without detours: "./a/" is "a"."""
    return os.path.normpath(name)


def _checkpoints(said: Iterable[Said]) -> dict[str, set[str]]:
    """The digests that each folder's path stands for."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in said:
        if one.place == "local" and one.digest:
            found[_path(one.model)].add(one.digest)
    return found


def _commits(said: Iterable[Said]) -> dict[str, str]:
    """For each Hub model whose commit is known the key that all models at that commit share.

    Of an id whose commit changed the latest counts; of several names the one without a revision.
    """
    latest: dict[str, tuple[str, str]] = {}
    for one in said:
        if one.place == "hub" and one.digest:
            key = hub_key(one.model)
            latest[key] = max(latest.get(key, ("", "")), (one.created, one.digest))
    shared: dict[str, str] = {}
    for key, (_, digest) in latest.items():
        if "@" in shared.setdefault(digest, key) and "@" not in key:
            shared[digest] = key
    return {key: shared[digest] for key, (_, digest) in latest.items()}


def _model(key: str, said: Sequence[Said]) -> Model:
    hub = key.removeprefix("hub:") if key.startswith("hub:") else ""
    names = [one.model for one in said if not hub or hub_key(one.model) == hub]
    return Model(
        name=names[0].strip() if not hub else names[0].strip().removesuffix("@main"),
        local=not hub,
        key=hub,
        facts=tuple(one for one in said if isinstance(one, Facts)),
        scores=tuple(one for one in said if isinstance(one, Score)),
    )


def _named_apart(models: Sequence[Model]) -> list[Model]:
    """The models with names of which no two are alike in lower case: folders that share one are told apart."""
    count = Counter(model.name.lower() for model in models)
    taken: Counter[str] = Counter()
    named = []
    for model in models:
        if model.local and count[model.name.lower()] > 1:
            digest = next((one.digest for one in model.said if one.digest), "")
            mark = digest[:15] if digest and len(digest) > 15 else digest or "folder"
            name = f"{model.name} ({mark})"
            taken[name.lower()] += 1
            again = taken[name.lower()]
            model = replace(model, name=name if again == 1 else f"{name[:-1]}, {again})")
        named.append(model)
    return named


def _joined(model: Model) -> list[str]:
    """A sentence where a model was known by several names, or at several commits."""
    same = {hub_key(one.model) if not model.local else _path(one.model): one.model for one in reversed(model.said)}
    notes = []
    if len(same) > 1:
        names = list(reversed(same.values()))
        notes.append(f"{' and '.join(names)} are one checkpoint: they count as one model, {model.name}.")
    commits = {one.digest for one in model.said if one.digest}
    if len(commits) > 1:
        shortened = ", ".join(sorted(digest.removeprefix("git:")[:8] for digest in commits))
        notes.append(
            f"{model.name} was measured at {len(commits)} commits of the Hub ({shortened}), which count as one model;"
            " name a revision ('NAME@REVISION') to keep them apart."
        )
    return notes
