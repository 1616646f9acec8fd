"""Made-up models, in the columns that the statistics read, and the real ones."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.outcome import Outcome, outcome_of
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.studies_tested import Tested, find_tested, predicting
from nil_audit.comparison.table import derive
from nil_audit.law.studies import studies


def derived(frame: pd.DataFrame, *, study: Tested | None = None, **choices: Any) -> tuple[pd.DataFrame, Outcome]:
    """The table of a frame and its outcome, as a comparison makes them."""
    clean = checked(frame)[0]
    outcome = outcome_of(
        clean["score"].to_numpy(), **{"column": None, "lower_is_better": False, "floor": None, **choices}
    )
    study = study or find_tested("law")
    return derive(clean, outcome, study, predicting(study)), outcome


def made_frame(models: int = 80, families: int = 20, *, effect: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Models whose score rises with ln parameters and falls with what the law predicts, times ``effect``."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    size = rng.uniform(18.5, 23.5, models)
    ratio = np.exp(rng.normal(-4.5, 0.8, models))
    width = np.maximum(64 * np.round((np.exp(size) / 12 / ratio) ** (1 / 3) / 64), 64).astype(int)
    depth = np.maximum(np.round(ratio * width), 1).astype(int)
    excess = np.array([studies()[0].curve.excess(one, 1e9) for one in depth / width])
    score = 0.3 + 0.05 * (size - 21) - effect * 0.05 * excess / 0.039 + 0.02 * rng.normal(size=families)[family]
    return pd.DataFrame(
        {
            "model": [f"org{code}/m{number:03d}" for number, code in enumerate(family)],
            "family": [f"family {code:02d}" for code in family],
            "organisation": [f"org {code // 2:02d}" for code in family],
            "depth": depth,
            "width": width,
            "parameters": np.exp(size),
            "tokens": np.where(rng.random(models) < 0.4, np.nan, np.exp(rng.normal(27, 1, models))),
            "release": [f"{2021 + code % 4}-{1 + code % 12:02d}" for code in family],
            "lineage": rng.choice(["from_scratch", "pruned"], models, p=[0.8, 0.2]),
            "score": np.clip(score + 0.02 * rng.normal(size=models), 0.01, 0.99),
        }
    )


def made_sample(models: int = 80, families: int = 20, **choices: Any) -> Sample:
    """A sample of `made_frame`."""
    return sample(*derived(made_frame(models, families, **choices)))


@cache
def real_table() -> tuple[pd.DataFrame, Outcome]:
    """The 113 base models that ship, with their scores on the leaderboard; not to be changed."""
    frame = read_frame()[0]
    return derived(frame[(frame["protocol"] == "leaderboard") & (frame["flag"].fillna("") == "")])


def real_sample() -> Sample:
    """The same as a sample."""
    return sample(*real_table())
