"""Write the four interval files from the published runs that they rest on, and the pool of all of them.

    python scripts/fit_intervals.py byte_lm_shape_sweep.csv open_lm_morph_runs.csv chinchilla_runs.csv gemstones.csv

The first is the sweep of arXiv 2605.27989's code (columns target_n, depth, d_model, active_n, test_ce), the second the
open-lm runs of Morph-1B (size, tokens_per_parameter, parameters, depth, width, loss; arXiv 2501.18107), the third the
Chinchilla runs as reconstructed in arXiv 2404.10102 with depth and width (parameters, tokens, width, depth, loss), the
fourth the Gemstones suite at every 10B tokens (model, run, width, depth, parameters, body_parameters, tokens,
train_loss, fineweb_edu_loss; arXiv 2502.06857). Each is a call of `nil_audit.calibrate` with words of its own; the same
by command is in docs/calibrate.md.
"""

import argparse
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pandas as pd

from nil_audit.calibration.calibrate import calibrate
from nil_audit.calibration.depth_width import PUBLISHED
from nil_audit.calibration.evidence import study_evidence
from nil_audit.calibration.pool_file import pool_document
from nil_audit.calibration.study import Words
from nil_audit.files import write_atomically
from nil_audit.report.calibration.page import interval_text

FOLDER = Path(__file__).resolve().parent.parent / "nil_audit" / "law" / "intervals"

CALLS: Mapping[str, Mapping[str, Any]] = {
    "law": {"columns": {"loss": "test_ce"}, "where": ["1e6 <= target_n <= 3e6"]},
    "morph": {"columns": {"budget": "size,tokens_per_parameter"}},
    "chinchilla": {
        "where": ["tokens >= 2 * parameters"],
        "form": "depth-width",
        "coefficients": astuple(PUBLISHED),
        "draws": 600,
    },
    "gemstones": {"columns": {"loss": "fineweb_edu_loss"}, "where": ["run == 'main'"]},
}
"""How each study is calibrated."""

POOL_CALLS: Mapping[str, Mapping[str, Any]] = {
    **CALLS,
    # at 0.3M the parameters of its shapes differ by 18%
    "law": {"columns": {"loss": "test_ce"}, "where": ["target_n > 3e5"]},
    # the published form is left aside: the runs' ratios span 0.010 to 0.025, and beyond that it is the form that speaks
    "chinchilla": {"where": ["tokens >= 2 * parameters"]},
}
"""How the runs of each study are read for the pool: every budget, all by the same rule."""

WORDS = {
    "law": Words(
        title="Law of Neural Interaction: byte-level decoders of 1M to 3M parameters",
        source="Sun, Yang, Zhang, Du 2026, arXiv 2605.27989, the shape sweep published with its code",
        history=(
            "runs: one seed, one learning rate for all shapes, head size 4, about 90 bytes a parameter; test loss",
            "fitted on 1M, 1.3M, 1.6M, 2M, 2.3M, 2.7M and 3M parameters, embeddings counted; depths 1 and 2 left out",
            "the same authors' runs at 5M and 10M have their optimum at 0.038 and 0.037; their 3M scan with head"
            " size 40 to 80 has it at 0.007 to 0.022",
        ),
    ),
    "morph": Words(
        title="Morph: open-lm decoders of 80M to 0.3B parameters on DCLM",
        source="Bian et al. 2025, arXiv 2501.18107, the runs published with its code",
        history=(
            "runs at 20, 40 and 160 tokens a parameter; validation loss; a budget is one size at one token ratio",
            "the 1B runs differ by 16% in parameters and are left out; with them the interval is [0.0082, 0.099]",
            "few runs lie beyond the right end; more tokens move the optimum deeper",
        ),
    ),
    "chinchilla": Words(
        title="Chinchilla runs through the inverse depth law, 0.06B to 13B parameters",
        source="Liu, Kangaslahti, Liu, Gore 2026, arXiv 2602.05970, fitted to the runs of Hoffmann et al. 2022"
        " as reconstructed in arXiv 2404.10102",
        history=(
            "loss = 1.744 + 301/d^0.960 + 414/(100 (L-2))^1.066 + 8.49/(D/10^6)^0.299, as published",
            "read along 12 L d^2 = N with D = 20 N tokens",
            "uncertainty: our refits of all seven numbers to resampled runs, those under two tokens a parameter left"
            " out; depth and width are strongly collinear in these runs",
        ),
    ),
    "gemstones": Words(
        title="Gemstones: 22 decoders of one recipe, 48M to 2.0B parameters, 350B tokens",
        source="McLeish et al. 2025, arXiv 2502.06857, the losses published with the suite",
        history=(
            "runs: Gemma blocks, untied vocabulary of 50,304, head size 128, context 2,048, Dolma; one run a shape;"
            " FineWeb-Edu loss after 350B tokens",
            "parameters without vocabulary matrices held equal; parameters_range counts all of them",
            "earlier checkpoints: optimum 0.0212 at 50B tokens, 0.0215 [0.017, 0.026] at 100B; with half the learning"
            " rate (20 shapes, training loss, 100B) 0.0217",
            "with the FLOPs of a forward pass held equal instead (vocabulary matrix and causal attention counted):"
            " optimum 0.0285 [0.023, 0.037], within 1% on [0.0073, 0.112], curvature 0.0053",
            "with all parameters held equal: optimum 0.086 at 50B tokens, 0.145 at 350B, hardly fixed; two vocabulary"
            " matrices of 50,304 rows make width dear",
        ),
    ),
}


def pool_runs(paths: Mapping[str, Path]) -> dict[str, pd.DataFrame]:
    """The runs of every study for the pool, by the path of each one's CSV."""
    return {
        name: calibrate(path, name=name, draws=200, **POOL_CALLS[name]).evidence_runs() for name, path in paths.items()
    }


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, words in WORDS.items():
        parser.add_argument(name, type=Path, help=f"CSV with the runs of {words.title}")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the five files")
    options = parser.parse_args()
    paths = {name: getattr(options, name) for name in WORDS}
    for name, path in paths.items():
        found = calibrate(path, name=name, words=WORDS[name], **CALLS[name])
        write_atomically(options.out / f"{name}.json", interval_text(found.interval_document()))
    evidence = [study_evidence(name, runs)[0] for name, runs in pool_runs(paths).items()]
    write_atomically(options.out / "pooled.json", interval_text(pool_document(evidence)))


if __name__ == "__main__":
    main()
