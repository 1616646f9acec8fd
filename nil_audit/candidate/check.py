"""A candidate architecture before pretraining: where it stands, what it costs, and what else the budget buys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from nil_audit.budget import DEFAULT_CONTEXT
from nil_audit.budget.accelerators import Accelerator, accelerator
from nil_audit.budget.cost import cost
from nil_audit.budget.counts import BlockCounts, Match, count_blocks
from nil_audit.budget.stopwatch import measure_all
from nil_audit.budget.template import Template
from nil_audit.budget.this_machine import this_machine
from nil_audit.candidate.options import shapes_of_budget, timed
from nil_audit.candidate.recommendation import recommend
from nil_audit.candidate.result import CandidateReport, Option, Prediction
from nil_audit.catalog.neighbours import nearest
from nil_audit.errors import UsageError
from nil_audit.law.loss_curves import FEWEST_BLOCKS, TOKENS_PER_PARAMETER
from nil_audit.law.other_laws import readings
from nil_audit.law.pooled import Reference
from nil_audit.law.pooled import reference as find_reference
from nil_audit.law.studies import DEFAULT
from nil_audit.progress import Progress, silent
from nil_audit.shape.architecture import Shape, read_shape, shape_from_config
from nil_audit.source import resolve

DEVICES = ("h100",)
"""The accelerator that times are predicted for unless others are named: what such models are trained and first served
on, and, since it reads weights so fast, one of those where blocks in sequence cost the most. The price of depth is not
understated."""


HERE = "here"
"""The device name of the machine that this runs on, whose roofline is calibrated on the spot."""


def check_candidate(
    config: str | Path | Mapping[str, Any],
    *,
    name: str | None = None,
    tokens: float | None = None,
    match: Match = "body",
    tolerance: float = 0.02,
    context: int | None = None,
    interval: str | Path = DEFAULT,
    devices: Sequence[str] = DEVICES,
    measure: bool = False,
    neighbours: bool = True,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> CandidateReport:
    """Check an architecture before it is trained: no weights are needed, and none are made unless times are measured.

    Args:
        config: A config file, a folder, a Hub id, or a raw config.
        name: What to call it; by default the source's own name.
        tokens: Training tokens; 20 for each parameter by default (Hoffmann et al. 2022).
        match: What the alternatives hold equal: "body" parameters, "total" parameters, or forward "flops" a token.
        tolerance: How far their budget may differ, as a share.
        context: Window length that FLOPs and times are taken at; 4096, or the model's own where that is shorter.
        interval: What it is held against: a study's name, an interval file, or the file of a pool.
        devices: Accelerators that times are predicted for, or "here": this machine, calibrated on the candidate's own
            matrices; by the first it is told which shapes are dominated, and which of equally good ones decodes
            fastest.
        measure: Time the shapes on this machine too, with random weights.
        neighbours: Look up the nearest real models in the shipped list.
        notes: Sentences to add to the report's own.
        progress: Shows how far the timing is.

    Raises:
        SourceError, ConfigError, UnsupportedArchitectureError: The config cannot be reached, read, or is not dense.
        UsageError: Tokens, tolerance or context out of range; no accelerator of that name.
        DataError: The interval is no study, and no file of one or of a pool.
        MeasurementError: The shapes cannot be run on this machine.
    """
    reference, machines = check_settings(
        tokens=tokens, tolerance=tolerance, context=context, match=match, interval=interval, devices=devices
    )
    raw, shape = _read(config, name)
    counts, itself = None, None
    options: tuple[Option, ...] = ()
    if shape.parameters is not None:
        template = Template(raw, shape)
        counts = count_blocks(template)
        context = context or min(DEFAULT_CONTEXT, shape.context or DEFAULT_CONTEXT)
        spent = cost(shape, counts, tokens=tokens or TOKENS_PER_PARAMETER * shape.parameters.total, context=context)
        itself, options = shapes_of_budget(
            template,
            counts,
            spent,
            match=match,
            tolerance=tolerance,
            reference=reference,
            machines=[one or this_machine(raw, context=context) for one in machines],
        )
        if measure:
            itself, options = timed(itself, options, partial(measure_all, context=context, progress=progress))
    total = None if shape.parameters is None else shape.parameters.total
    advice = recommend(
        [one.gain for one in options],
        [one.better_in_all for one in options],
        [one.serving[0].decode_seconds for one in options],
        noise=reference.pool.residual,
    )
    return CandidateReport(
        shape=shape,
        reference=reference,
        verdict=reference.verdict(shape.ratio, total),
        predictions=_predict(reference, shape.ratio, total),
        extrapolation=reference.pool.extrapolation(shape.ratio, total),
        itself=itself,
        tokens_stated=tokens is not None,
        match=match,
        tolerance=tolerance,
        options=options,
        recommendation=advice if itself is not None else replace(advice, reason="uncounted"),
        laws=readings(shape.depth, shape.width, shape.parameters.body) if shape.parameters else (),
        neighbours=nearest(shape) if neighbours and shape.parameters else (),
        notes=(*_notes(shape, counts, raw), *notes),
    )


def check_settings(
    *,
    tokens: float | None,
    tolerance: float,
    context: int | None,
    match: str,
    interval: str | Path,
    devices: Sequence[str],
) -> tuple[Reference, tuple[Accelerator | None, ...]]:
    """Refuse settings of `check_candidate` that are out of range, before any config is read.

    Returns:
        What a shape is held against, and the accelerators by their names; None for `HERE`.

    Raises:
        UsageError: One of them is out of range, or names no accelerator.
        DataError: The interval is no study, and no file of one or of a pool.
    """
    if tokens is not None and not 0 < tokens < 1e18:
        raise UsageError(f"Training tokens are {tokens:g}, but must be above zero; give --tokens such as 20e9.")
    if not 0 < tolerance <= 0.5:
        raise UsageError(f"The tolerance is {tolerance:g}, but must lie between 0 and 0.5; 0.02 is 2%.")
    if context is not None and context < 1:
        raise UsageError(f"The context is {context}, but must be at least 1 token; correct it.")
    if match not in get_args(Match):
        raise UsageError(f"Alternatives cannot match {match!r}; choose {', '.join(get_args(Match))}.")
    if not devices:
        raise UsageError("Name at least one accelerator to predict times for, as h100.")
    return find_reference(interval), tuple(None if one == HERE else accelerator(one) for one in dict.fromkeys(devices))


def _read(config: str | Path | Mapping[str, Any], name: str | None) -> tuple[dict[str, Any], Shape]:
    """The raw config and its shape."""
    if isinstance(config, Mapping):
        return dict(config), shape_from_config(config, name=name or "candidate")
    source = resolve(str(config))
    return source.config, replace(read_shape(source), name=name or source.name)


def _predict(reference: Reference, ratio: float, parameters: int | None) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(
            study=study.name,
            interval=study.interval(parameters),
            optimum=study.optimum(parameters),
            excess=study.excess(ratio, parameters),
            extrapolation=study.extrapolation(ratio, parameters),
        )
        for study in reference.studies
    )


def _notes(shape: Shape, counts: BlockCounts | None, raw: Mapping[str, Any]) -> list[str]:
    notes = list(shape.notes)
    if counts is None:
        notes.append(
            "Costs, times and alternatives need a type that transformers builds; the studies are read at 1B parameters."
        )
    else:
        if counts.parameters(shape.depth) != shape.parameters:
            notes.append("Blocks of this type differ from each other; its costs are those of an average block.")
        if shape.depth < FEWEST_BLOCKS:
            notes.append(
                "Depths 1 and 2 are another regime (7 to 12% worse in the law's runs): no study speaks of them."
            )
        if raw.get("kv_lora_rank"):
            notes.append("This type compresses its keys and values: the key-value cache given is an upper bound.")
    if shape.revision:
        notes.append(f"Config of {shape.name} at commit {shape.revision}.")
    return notes
