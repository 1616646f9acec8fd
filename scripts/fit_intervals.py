"""Write the four interval files from the published runs that they rest on, and the pool of all of them.

    python scripts/fit_intervals.py byte_lm_shape_sweep.csv open_lm_morph_runs.csv chinchilla_runs.csv gemstones.csv

The first is the sweep of arXiv 2605.27989's code (columns target_n, depth, d_model, active_n, test_ce), the second the
open-lm runs of Morph-1B (size, tokens_per_parameter, parameters, depth, width, loss; arXiv 2501.18107), the third the
Chinchilla runs as reconstructed in arXiv 2404.10102 with depth and width (parameters, tokens, width, depth, loss), the
fourth the Gemstones suite at every 10B tokens (model, run, width, depth, parameters, body_parameters, tokens,
train_loss, fineweb_edu_loss; arXiv 2502.06857).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nil_audit.calibration import depth_width
from nil_audit.calibration.evidence import study_evidence
from nil_audit.calibration.pool_file import pool_document
from nil_audit.calibration.quadratic import QuadraticFit, comparable_runs, fit_quadratic, fit_scattered
from nil_audit.files import write_atomically
from nil_audit.law.loss_curves import LossCurve
from nil_audit.stats.estimate import Estimate

FOLDER = Path(__file__).resolve().parent.parent / "nil_audit" / "law" / "intervals"
TOLERANCE = 0.01
DRAWS = 2000
KEPT_DRAWS = 200
QUADRATIC_RULE = (
    "ln loss = a_N + c (ln R - ln R*)^2, one offset a budget, depth 3 and more, budgets of at least four shapes whose"
    " parameters agree within 15%; interval = R* exp(+- sqrt(ln(1.01)/c)); 95% intervals by a bootstrap over budgets"
    " and, within each, over runs (2,000 draws, of which 200 are kept here)"
)

SCATTERED_RULE = (
    "ln loss = quadratic in ln N + c (ln R - ln R*)^2, N the parameters without vocabulary matrices: no two shapes"
    " share a budget; depth 3 and more; interval = R* exp(+- sqrt(ln(1.01)/c)); 95% intervals by a bootstrap over"
    " shapes (2,000 draws, of which 200 are kept here)"
)
GEMSTONES_CONTEXT, GEMSTONES_VOCABULARY = 2048, 50304


def law_runs(path: Path, *, smallest: float = 1e6) -> pd.DataFrame:
    """The byte-level sweep from a budget to 3M parameters, as a frame for `nil_audit.calibration.quadratic`."""
    frame = pd.read_csv(path)
    frame = frame[frame["target_n"].between(smallest, 3e6)]
    return pd.DataFrame(
        {
            "depth": frame["depth"],
            "width": frame["d_model"],
            "parameters": frame["active_n"],
            "loss": frame["test_ce"],
            "budget": frame["target_n"],
        }
    )


def morph_runs(path: Path) -> pd.DataFrame:
    """Morph's runs, one budget for each size and token ratio."""
    frame = pd.read_csv(path)
    return frame.assign(budget=frame["size"] + " at " + frame["tokens_per_parameter"].astype(str))


def chinchilla_runs(path: Path) -> pd.DataFrame:
    """The Chinchilla runs that saw at least two tokens a parameter: the others had hardly begun."""
    frame = pd.read_csv(path)
    return frame[frame["tokens"] >= 2 * frame["parameters"]]


def gemstones_runs(
    path: Path, *, held_equal: str = "body", tokens: float = 350e9, run: str = "main", loss: str = "fineweb_edu_loss"
) -> pd.DataFrame:
    """The Gemstones after so many tokens, as a frame for `nil_audit.calibration.quadratic.fit_scattered`.

    Args:
        path: The CSV.
        held_equal: "body" (parameters without vocabulary matrices), "all" (every parameter) or "flops" (of a forward
            pass a token: two a weight that multiplies, and causal attention over the context).
        tokens: The checkpoint nearest to it is taken.
        run: "main" or "half_learning_rate".
        loss: "fineweb_edu_loss" or "train_loss", in nats a token.
    """
    frame = pd.read_csv(path)
    frame = frame[frame["run"] == run]
    frame = frame[frame["tokens"] == min(frame["tokens"], key=lambda seen: abs(seen - tokens))]
    body, width = frame["body_parameters"], frame["width"]
    attention = 2 * frame["depth"] * GEMSTONES_CONTEXT * width
    held = {
        "body": body,
        "all": frame["parameters"],
        "flops": 2 * (body + GEMSTONES_VOCABULARY * width) + attention,
    }
    columns = {name: frame[name] for name in ("depth", "width", "parameters")}
    return pd.DataFrame({**columns, "loss": frame[loss], "held_equal": held[held_equal]})


def pool_runs(law: Path, morph: Path, chinchilla: Path, gemstones: Path) -> dict[str, pd.DataFrame]:
    """The runs of every study for the pool: all budgets, and the Chinchilla runs by the same rule as the others.

    The published depth-width form of those runs is not used here: their ratios span 0.010 to 0.025, and what the form
    says beyond that is the form's.
    """
    return {
        "law": law_runs(law, smallest=0.0),
        "morph": morph_runs(morph),
        "chinchilla": chinchilla_runs(chinchilla).assign(held_equal=lambda runs: runs["parameters"]),
        "gemstones": gemstones_runs(gemstones),
    }


def quadratic_document(fit: QuadraticFit, seed: int) -> dict[str, Any]:
    """The numbers of an interval file from a quadratic fit."""
    low, high = (_estimate(fit.estimate(end, TOLERANCE)) for end in ("low", "high"))
    return {
        "form": "quadratic",
        "coefficients": _rounded(fit.curve),
        "fit": {
            "optimum": _estimate(fit.estimate("optimum")),
            "curvature": _estimate(fit.estimate("curvature")),
        },
        "interval": {
            "low": low["value"],
            "high": high["value"],
            "inner": [low["high"], high["low"]],
            "outer": [low["low"], high["high"]],
        },
        "parameters_range": list(fit.parameters_range),
        "ratio_range": [_significant(ratio) for ratio in fit.ratio_range],
        "runs": fit.runs,
        **({} if fit.budgets is None else {"budgets": fit.budgets}),
        "residual": _significant(fit.residual),
        "draws_without_optimum": fit.flat_draws,
        "draws": _kept(fit.draws, seed),
    }


def depth_width_document(runs: pd.DataFrame, seed: int) -> dict[str, Any]:
    """The numbers of an interval file from the published depth-width form and its refits."""
    curve, draws = depth_width.PUBLISHED, depth_width.bootstrap(runs, draws=600)
    ratio = runs["depth"] / runs["width"]
    at = {}
    for parameters in (1e8, 1e9, 7e9):
        optima = np.array([draw.optimum(parameters) for draw in draws])
        low, high = curve.bounds(parameters, TOLERANCE)
        at[f"{parameters:.0e}"] = {
            "optimum": _estimate(Estimate.from_draws(curve.optimum(parameters), optima)),
            "low": _significant(low),
            "high": _significant(high),
        }
    return {
        "form": "depth-width",
        "coefficients": list(astuple(curve)),
        "fit": {"refit": _rounded(depth_width.refit(runs))},
        "interval": at,
        "parameters_range": [float(runs["parameters"].min()), float(runs["parameters"].max())],
        "ratio_range": [_significant(ratio.min()), _significant(ratio.max())],
        "runs": len(runs),
        "residual": _significant(depth_width.residual(runs, curve)),
        "draws": _kept(draws, seed),
    }


WORDS: dict[str, dict[str, Any]] = {
    "law": {
        "title": "Law of Neural Interaction: byte-level decoders of 1M to 3M parameters",
        "source": "Sun, Yang, Zhang, Du 2026, arXiv 2605.27989, the shape sweep published with its code",
        "history": [
            "runs: one seed, one learning rate for all shapes, head size 4, about 90 bytes a parameter; test loss",
            "fitted on 1M, 1.3M, 1.6M, 2M, 2.3M, 2.7M and 3M parameters, embeddings counted; depths 1 and 2 left out",
            "the same authors' runs at 5M and 10M have their optimum at 0.038 and 0.037; their 3M scan with head"
            " size 40 to 80 has it at 0.007 to 0.022",
        ],
        "rule": QUADRATIC_RULE,
    },
    "morph": {
        "title": "Morph: open-lm decoders of 80M to 0.3B parameters on DCLM",
        "source": "Bian et al. 2025, arXiv 2501.18107, the runs published with its code",
        "history": [
            "runs at 20, 40 and 160 tokens a parameter; validation loss; a budget is one size at one token ratio",
            "the 1B runs differ by 16% in parameters and are left out; with them the interval is [0.0082, 0.099]",
            "few runs lie beyond the right end; more tokens move the optimum deeper",
        ],
        "rule": QUADRATIC_RULE,
    },
    "chinchilla": {
        "title": "Chinchilla runs through the inverse depth law, 0.06B to 13B parameters",
        "source": "Liu, Kangaslahti, Liu, Gore 2026, arXiv 2602.05970, fitted to the runs of Hoffmann et al. 2022"
        " as reconstructed in arXiv 2404.10102",
        "history": [
            "loss = 1.744 + 301/d^0.960 + 414/(100 (L-2))^1.066 + 8.49/(D/10^6)^0.299, as published",
            "read along 12 L d^2 = N with D = 20 N tokens",
            "uncertainty: our refits of all seven numbers to resampled runs, those under two tokens a parameter left"
            " out; depth and width are strongly collinear in these runs",
        ],
        "rule": "the ratios at which the form's loss is within 1% of its smallest at the same N and D; 95% intervals by"
        " refitting the form to resampled runs (600 draws, of which 200 are kept here; Huber loss of 0.001 on ln loss)",
    },
    "gemstones": {
        "title": "Gemstones: 22 decoders of one recipe, 48M to 2.0B parameters, 350B tokens",
        "source": "McLeish et al. 2025, arXiv 2502.06857, the losses published with the suite",
        "history": [
            "runs: Gemma blocks, untied vocabulary of 50,304, head size 128, context 2,048, Dolma; one run a shape;"
            " FineWeb-Edu loss after 350B tokens",
            "parameters without vocabulary matrices held equal; parameters_range counts all of them",
            "earlier checkpoints: optimum 0.0212 at 50B tokens, 0.0215 [0.017, 0.026] at 100B; with half the learning"
            " rate (20 shapes, training loss, 100B) 0.0217",
            "with the FLOPs of a forward pass held equal instead (vocabulary matrix and causal attention counted):"
            " optimum 0.0285 [0.023, 0.037], within 1% on [0.0073, 0.112], curvature 0.0053",
            "with all parameters held equal: optimum 0.086 at 50B tokens, 0.145 at 350B, hardly fixed; two vocabulary"
            " matrices of 50,304 rows make width dear",
        ],
        "rule": SCATTERED_RULE,
    },
}


def _kept(draws: Sequence[LossCurve], seed: int) -> list[list[float]]:
    """Draws at evenly spaced ranks of their optimum at 1B, so that few keep the spread of many; in random order.

    The order matters: draws of different studies are taken together by their position.
    """
    ranked = sorted(draws, key=lambda draw: draw.optimum(1e9))
    places = ((np.arange(KEPT_DRAWS) + 0.5) * len(ranked) / KEPT_DRAWS).astype(int)
    return [_rounded(ranked[place]) for place in np.random.default_rng(seed).permutation(places)]


def _significant(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


def _rounded(curve: LossCurve) -> list[float]:
    return [_significant(value, 5) for value in astuple(curve)]


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {name: _significant(number) for name, number in estimate.to_dict().items()}


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in WORDS:
        parser.add_argument(name, type=Path, help=f"CSV with the runs of {WORDS[name]['title']}")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the five files")
    options = parser.parse_args()
    numbers = {
        "law": quadratic_document(fit_quadratic(comparable_runs(law_runs(options.law)), draws=DRAWS), seed=1),
        "morph": quadratic_document(fit_quadratic(comparable_runs(morph_runs(options.morph)), draws=DRAWS), seed=2),
        "chinchilla": depth_width_document(chinchilla_runs(options.chinchilla), seed=3),
        "gemstones": quadratic_document(fit_scattered(gemstones_runs(options.gemstones), draws=DRAWS), seed=4),
    }
    for name, words in WORDS.items():
        document = {"name": name, **words, "tolerance": TOLERANCE, **numbers[name]}
        write_atomically(options.out / f"{name}.json", _readable(document))
    runs = pool_runs(options.law, options.morph, options.chinchilla, options.gemstones)
    document = pool_document([study_evidence(name, frame)[0] for name, frame in runs.items()])
    write_atomically(options.out / "pooled.json", _readable(document))


def _readable(document: dict[str, Any]) -> str:
    """JSON with one draw a line."""
    draws = document.pop("draws")
    head = json.dumps(document, indent=1)
    lines = ",\n  ".join(json.dumps(draw) for draw in draws)
    return f'{head[:-2]},\n "draws": [\n  {lines}\n ]\n}}\n'


if __name__ == "__main__":
    main()
