"""Calibrations to write reports of, from sweeps whose optimum is known."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nil_audit.calibration.calibrate import calibrate
from nil_audit.calibration.result import Calibration

OPTIMUM = 0.03
BUDGETS = {"<b>30M</b>|$x_1$`c`\u202e": 3e7, "60000000": 6e7, "1.2e+08": 1.2e8, "240M": 2.4e8}


def sweep(ratios: tuple[float, float] = (0.004, 0.4), *, shared: bool = True, noise: float = 0.001) -> pd.DataFrame:
    """Eight shapes a budget between two ratios, whose ln loss is a parabola in ln R about `OPTIMUM` with some noise.

    Args:
        ratios: Smallest and largest.
        shared: Whether shapes share their budget's parameters.
        noise: Standard deviation in nats.
    """
    random = np.random.default_rng(1)
    rows = []
    for place, (name, size) in enumerate(BUDGETS.items()):
        for step, ratio in enumerate(np.geomspace(*ratios, 8)):
            parameters = size if shared else size * 1.22**step
            width = (parameters / (12 * ratio)) ** (1 / 3)
            excess = 0.012 * np.log(ratio / OPTIMUM) ** 2 + random.normal(0, noise)
            rows.append(
                {
                    "depth": ratio * width,
                    "width": width,
                    **({"budget": name} if shared else {}),
                    "parameters": parameters,
                    "loss": 4 * parameters**-0.04 * np.exp(excess),
                    "aofe": 1e9 * ratio**-0.8 / (1 + place),
                    "aofe_ratio": 0.9 + 0.02 * place,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def found() -> Calibration:
    """Four budgets, one of a hostile name, with the optimum among their shapes."""
    return calibrate(sweep(), name="mine", draws=200)


@pytest.fixture(scope="session")
def scattered() -> Calibration:
    """Runs that share no budget."""
    return calibrate(sweep(shared=False), name="scattered", draws=200)


@pytest.fixture(scope="session")
def bounded() -> Callable[[str], Calibration]:
    """A sweep on one side of its optimum, which is then a bound: "deeper" or "wider"."""
    made = {
        side: calibrate(sweep(ratios, noise=0), name=side, draws=200)
        for side, ratios in {"deeper": (0.003, 0.02), "wider": (0.05, 0.4)}.items()
    }
    return made.__getitem__
