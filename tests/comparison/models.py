"""Made-up models, in the columns that the statistics read."""

import numpy as np
import pandas as pd


def make_table(
    models: int = 80, families: int = 20, *, effect: float = 0.0, noise: float = 0.02, seed: int = 0
) -> pd.DataFrame:
    """Score rises with ln parameters, and by ``effect`` for one standard deviation of x; families are alike."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    size = rng.normal(21, 1.2, models)
    x = rng.normal(size=models)
    score = 0.3 + 0.05 * (size - 21) + effect * x + noise * rng.normal(size=families)[family]
    return pd.DataFrame(
        {
            "score": score + noise * rng.normal(size=models),
            "family": [f"family {code:02d}" for code in family],
            "parameters": np.exp(size),
            "tokens": np.nan,
            "month": (24_000 + rng.integers(0, 40, families)[family]).astype(float),
            "x": x,
            "gap": np.where(family == 3, np.nan, x),
        }
    )


def clustered_table(models: int = 60, families: int = 17, seed: int = 0) -> pd.DataFrame:
    """Clustered, confounded models with ties; tokens of some are unknown, and so is "half" of every second one."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    size = rng.normal(21, 1.5, models).round(1)
    x = (rng.normal(size=families)[family] - 0.5 * size + rng.normal(size=models)).round(1)
    tokens = np.where(rng.random(models) < 0.4, np.nan, rng.normal(27, 1, models))
    score = (0.02 * size + 0.03 * rng.normal(size=families)[family] + 0.03 * rng.normal(size=models)).round(2)
    return pd.DataFrame(
        {
            "score": score,
            "family": [f"family {code:02d}" for code in family],
            "parameters": np.exp(size),
            "tokens": np.exp(tokens),
            "month": rng.integers(24_000, 24_060, models).astype(float),
            "x": x,
            "half": np.where(np.arange(models) % 2 == 0, x, np.nan),
        }
    )
