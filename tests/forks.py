"""Commands in processes of their own that need not load the libraries: each is forked from one that has loaded them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, reload
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Started:
    """A command that runs, or has ended; it is a process as any other."""

    forks: "Forks"
    pid: int
    out: Path
    err: Path

    def wait(self, seconds: float = 120) -> int:
        """Its exit code once it has ended, the negative of a signal that ended it; killed after so many seconds."""
        end = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        return int(self.forks.ask("wait", self.pid))

    def has_ended(self) -> bool:
        """Whether it has."""
        return bool(self.forks.ask("ended", self.pid))

    @property
    def stdout(self) -> str:
        """What it has written there so far."""
        return self.out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """Likewise."""
        return self.err.read_text(encoding="utf-8")


class Forks:
    """A process with the libraries loaded, from which commands are forked; use as a context manager."""

    def __init__(self, *modules: str) -> None:
        """Name the modules that are loaded."""
        self._started = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        )

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def ask(self, *request: Any) -> Any:
        """Send a request and wait for its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        said: Path | None = None,
        stdout: Path | None = None,
        before: str = "",
        **environment: str,
    ) -> Started:
        """Start ``nil-audit`` in a folder.

        Args:
            arguments: Of the command.
            folder: Where it runs.
            said: Folder of the files that it prints to; None: where it runs.
            stdout: What it prints to instead.
            before: Python that it runs first, or instead where that ends in SystemExit.
            environment: Its own variables.
        """
        self._started += 1
        out, err = ((said or folder) / f"{name}-{self._started}" for name in ("stdout", "stderr"))
        out.touch()
        err.touch()
        out = stdout or out
        pid = self.ask("start", list(arguments), environment, str(folder), str(out), str(err), before)
        return Started(self, int(pid), out, err)

    def start_team(
        self, size: int, arguments: Sequence[str], folder: Path, *, before: str = "", **environment: str
    ) -> list[Started]:
        """Start the processes of one command, each with the environment that a launcher gives it."""
        team = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        shared = environment | {name: str(value) for name, value in team.items()}
        return [
            self.start(arguments, folder, before=before, **shared, RANK=str(rank), LOCAL_RANK=str(rank))
            for rank in range(size)
        ]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _command(
    arguments: Sequence[str], environment: dict[str, str], folder: str, out: str, err: str, before: str
) -> int:
    """Run a command as this process; its exit code."""
    os.environ |= environment
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # a shell that runs the tests in the background has SIGINT ignored, which children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _read_again(environment)
    from nil_audit.cli.app import main

    sys.argv = ["nil-audit", *arguments]
    try:
        exec(before, {})
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _read_again(environment: dict[str, str]) -> None:
    """Take over what is read of an environment as the interpreter starts or as a library is loaded."""
    if encoding := environment.get("PYTHONIOENCODING"):
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding=encoding)  # type: ignore[union-attr]
    if any(name.startswith("HF_") for name in environment):
        import huggingface_hub
        from huggingface_hub import constants

        reload(constants)
        huggingface_hub.hf_api.api.endpoint = constants.ENDPOINT


def _start(request: Sequence[Any]) -> int:
    """Fork a command; its process."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = 1
    try:
        code = _command(*request)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            code = 120  # as an interpreter that ends so
        os._exit(code)


def serve(modules: Sequence[str]) -> None:
    """Load modules, then do what each line of stdin asks: "start" a command, tell whether it "ended", "wait" for it."""
    for module in modules:
        import_module(module)
    ended: dict[int, int] = {}
    for line in sys.stdin:
        kind, *request = json.loads(line)
        answer: Any
        if kind == "start":
            answer = _start(request)
        else:
            (pid,) = request
            if pid not in ended:
                found, status = os.waitpid(pid, 0 if kind == "wait" else os.WNOHANG)
                if found:
                    ended[pid] = os.waitstatus_to_exitcode(status)
            answer = ended[pid] if kind == "wait" else pid in ended
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1:])
