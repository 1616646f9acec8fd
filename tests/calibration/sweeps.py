"""Sweeps that follow a known law."""

import math

import numpy as np
import pandas as pd


def sweep(
    optimum: float = 0.04, curvature: float = 0.015, *, noise: float = 0.0, budgets: int = 6, seed: int = 0
) -> pd.DataFrame:
    """Runs of seven shapes a budget, with an offset a budget of its own."""
    random = np.random.default_rng(seed)
    rows = []
    for budget in range(budgets):
        for depth in (3, 4, 6, 8, 12, 16, 20):
            parameters = 1e6 * (1 + budget)
            width = math.sqrt(parameters / (12 * depth))
            away = math.log(depth / width / optimum)
            loss = (3 - 0.1 * budget) * math.exp(curvature * away**2 + noise * random.standard_normal())
            rows.append((depth, width, parameters, loss, budget))
    return pd.DataFrame(rows, columns=["depth", "width", "parameters", "loss", "budget"])
