"""Refit the depth-width form of arXiv 2602.05970 to training runs, for the uncertainty of the published fit."""

from dataclasses import astuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from nil_audit.law.loss_curves import DepthWidthCurve
from nil_audit.stats.estimate import Array

# Liu, Kangaslahti, Liu and Gore 2026 (arXiv 2602.05970): their fit to the Chinchilla runs.
PUBLISHED = DepthWidthCurve(1.744, 301.0, 0.960, 414.0, 1.066, 8.49, 0.299)
_HUBER_SCALE = 1e-3  # of ln loss, as in Hoffmann et al. 2022, appendix D.3


def refit(runs: pd.DataFrame, start: DepthWidthCurve = PUBLISHED) -> DepthWidthCurve:
    """Fit all seven numbers to ln loss by Huber regression.

    Args:
        runs: One row a run: ``depth``, ``width``, ``tokens``, ``loss`` (nats per token).
        start: Where the search begins.
    """
    depth, width, tokens, loss = (runs[name].to_numpy(float) for name in ("depth", "width", "tokens", "loss"))
    beginning = _packed(start)
    found = least_squares(
        lambda packed: np.log(_unpacked(packed).loss(depth, width, tokens)) - np.log(loss),
        beginning,
        loss="huber",
        f_scale=_HUBER_SCALE,
        x_scale=np.abs(beginning) + 0.1,
        max_nfev=2000,
    )
    return _unpacked(found.x)


def bootstrap(runs: pd.DataFrame, *, draws: int = 200, seed: int = 0) -> tuple[DepthWidthCurve, ...]:
    """Refits on resampled runs whose four exponents and scales are all above zero."""
    random = np.random.default_rng(seed)
    start = refit(runs)
    kept: list[DepthWidthCurve] = []
    while len(kept) < draws:
        curve = refit(runs.iloc[random.integers(len(runs), size=len(runs))], start)
        if min(curve.floor, curve.width_power, curve.depth_power, curve.token_power) > 0:
            kept.append(curve)
    return tuple(kept)


def residual(runs: pd.DataFrame, curve: DepthWidthCurve) -> float:
    """Spread of ln loss about a curve, in one robust number: 1.4826 times the median absolute residual."""
    depth, width, tokens = (runs[name].to_numpy(float) for name in ("depth", "width", "tokens"))
    return float(1.4826 * np.median(np.abs(np.log(curve.loss(depth, width, tokens)) - np.log(runs["loss"]))))


def _packed(curve: DepthWidthCurve) -> Array:
    """Scales as logarithms, so that the search keeps them above zero; B in units where the depth is L - 2."""
    floor, width, width_power, depth, depth_power, token, token_power = astuple(curve)
    shift = depth_power * np.log(100)
    return np.array([floor, np.log(width), width_power, np.log(depth) - shift, depth_power, np.log(token), token_power])


def _unpacked(packed: Array) -> DepthWidthCurve:
    floor, width, width_power, depth, depth_power, token, token_power = packed.tolist()
    scales = np.exp([width, depth + depth_power * np.log(100), token]).tolist()
    return DepthWidthCurve(floor, scales[0], width_power, scales[1], depth_power, scales[2], token_power)
