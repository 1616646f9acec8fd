"""Data that ship with the package: the builtin probe text and the demo model. See README.md in this folder."""

from pathlib import Path


def demo_model() -> str:
    """The folder of the small language model that ships with nil-audit: 6 blocks of width 160, no network needed."""
    return str(Path(__file__).parent / "demo_model")
