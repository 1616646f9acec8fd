"""Comparisons to write reports of, and a real browser to read them with: headless Chromium, driven over a pipe."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--hide-scrollbars",
    "--mute-audio",
    "--disable-gpu",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--disable-background-networking",
]


class Browser:
    """One page of one Chromium, spoken to by the DevTools protocol: NUL-ended JSON on its descriptors 3 and 4."""

    def __init__(self, program: str, profile: Path) -> None:
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()

        def place() -> None:
            # Above 4 first: a pipe that was itself given number 3 or 4 must not be overwritten.
            high_in, high_out = os.dup(to_child), os.dup(from_child)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=place,
            pass_fds=(3, 4),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self._number = 0
        self._buffer = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser ended"
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Show a file at a size and colour scheme, and wait until it has loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release one key where the focus is."""
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=13, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=13)

    def screenshot(self, *, full: bool = False) -> bytes:
        """PNG bytes of what is shown, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=full)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as it prints."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def problems(self) -> list[str]:
        """Console errors, uncaught exceptions and policy violations since the page was opened."""
        found = []
        for event in self.events:
            kind, details = event["method"], event["params"]
            if kind == "Runtime.exceptionThrown":
                found.append(json.dumps(details["exceptionDetails"]))
            elif (kind == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert")) or (
                kind == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning")
            ):
                found.append(json.dumps(details))
        return found

    def requests(self) -> list[str]:
        """Addresses that the page asked for since it was opened, itself included, data: addresses not."""
        sent = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith("data:")]

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.call("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)


HOSTILE = (
    "<script>alert(1)</script>",
    "evil/<img src=x onerror=alert(2)>",
    "a|b`c`*d*",
    "two\nlines",
    "$x^2$ \\alpha",
    "模型/\u202e反",
    "'\"]]>--></style>",
)


def synthetic_frame(models: int, *, families: int = 9, hostile: bool = True) -> pd.DataFrame:
    """Models of several families whose score depends on size alone; the first ones have hostile names."""
    rng = np.random.default_rng(7)
    width = rng.choice([512, 768, 1024, 1536, 2048, 2560, 4096, 5120], models)
    depth = np.maximum(2, (width * np.exp(rng.normal(np.log(0.014), 0.5, models))).astype(int))
    parameters = 12 * depth * width.astype(float) ** 2 + 5e4 * width
    score = np.clip(0.1 + 0.06 * np.log10(parameters / 1e8).clip(0) ** 2 + rng.normal(0, 0.03, models), 0.1, 0.9)
    names = [f"org/model-{number}" for number in range(models)]
    if hostile:
        names[: len(HOSTILE)] = HOSTILE
    return pd.DataFrame(
        {
            "model": names,
            "family": [f"family <{number % families}>" for number in range(models)],
            "depth": depth,
            "width": width,
            "parameters": parameters,
            "tokens": np.where(rng.random(models) < 0.7, 1e12 * rng.uniform(0.3, 9, models), np.nan),
            "release": [f"20{22 + number % families % 4}-{1 + number % 12:02d}" for number in range(models)],
            "score": score,
            "flag": ["wrong <b>run</b>" if number == 20 else "" for number in range(models)],
            "protocol": ["leaderboard"] * models,
            "origin": ["published"] * models,
            "source": ["a table & more"] * models,
        }
    )


@pytest.fixture(autouse=True)
def light(light_figures: None) -> None:
    """Most tests of pages are not about the files of figures."""


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """A comparison of 40 models, some with hostile names."""
    return compare(synthetic_frame(40), permutations=199, splits=10)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that a whole test run shares; skips where none is installed."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium or Chrome on PATH")
    started = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()
