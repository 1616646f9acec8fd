"""A stand-in for the Hugging Face Hub on 127.0.0.1: folders served as model repositories over the Hub's own API.

It answers what huggingface_hub asks when a client is pointed at it with ``HF_ENDPOINT``: repository information at a
revision, tree listings, and file metadata and content, with byte ranges. Unknown, gated and broken repositories give
the status codes and ``X-Error-Code`` headers of the real Hub.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Repo:
    """One repository: a folder, its revisions (name -> commit), and whether it is gated."""

    folder: Path | None
    revisions: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    gated: bool = False


class Hub:
    """A running server; use as a context manager.

    Attributes:
        requests: "METHOD path" of every request so far, in order.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[str] = []
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What ``HF_ENDPOINT`` should be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, home: Path) -> dict[str, str]:
        """Environment of a process that shall use this hub, with a cache of its own in ``home``."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def add(self, repo_id: str, folder: Path, *, revision: str = "main", gated: bool = False) -> str:
        """Serve a folder as a revision of a repository; returns the commit hash, a function of the files' content."""
        repo = self.repos.setdefault(repo_id, Repo(folder=folder))
        commit = _commit(folder, revision)
        repo.revisions[revision] = commit
        repo.revisions[commit] = commit
        repo.folders[commit] = folder
        repo.gated = repo.gated or gated
        return commit


def _commit(folder: Path, revision: str) -> str:
    digest = hashlib.sha1(revision.encode(), usedforsecurity=False)
    for file in _files(folder):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    server_hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test's stderr is read."""

    def do_HEAD(self) -> None:
        """Metadata of a file."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A file, or an API answer."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server_hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            repo_id, rest = self._split(parts[2:], ("revision", "tree"))
            self._api(repo_id, rest, body)
        else:
            repo_id, rest = self._split(parts, ("resolve", "raw"))
            self._file(repo_id, rest, body)

    def _split(self, parts: list[str], verbs: tuple[str, ...]) -> tuple[str, list[str]]:
        """Repository ids have one part or two; what follows begins with a verb."""
        for length in (1, 2):
            if len(parts) > length and parts[length] in verbs:
                return "/".join(parts[:length]), parts[length:]
        return "/".join(parts), []

    def _find(self, repo_id: str, revision: str, body: bool, *, content: bool) -> tuple[str, Path] | None:
        """The commit and folder of a revision, or None once an error has been sent."""
        repo = self.server_hub.repos.get(repo_id)
        if repo is None:
            self._error(401, "RepoNotFound", "Invalid username or password.", body)
            return None
        if repo.gated and content:
            message = f"Access to model {repo_id} is restricted and you are not in the authorized list."
            self._error(403, "GatedRepo", message, body)
            return None
        if revision not in repo.revisions:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}", body)
            return None
        commit = repo.revisions[revision]
        return commit, repo.folders[commit]

    def _api(self, repo_id: str, rest: list[str], body: bool) -> None:
        revision = "/".join(rest[1:]) if rest[:1] == ["revision"] else (rest[1] if len(rest) > 1 else "main")
        found = self._find(repo_id, revision, body, content=False)
        if found is None:
            return
        commit, folder = found
        names = [str(file.relative_to(folder)) for file in _files(folder)]
        if rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "oid": _etag(folder / name), "size": (folder / name).stat().st_size, "path": name}
                for name in names
            ]
            self._json(entries, body)
            return
        gated = "manual" if self.server_hub.repos[repo_id].gated else False
        siblings = [{"rfilename": name} for name in names]
        information = {"id": repo_id, "modelId": repo_id, "sha": commit, "gated": gated, "siblings": siblings}
        self._json(information | {"private": False, "disabled": False, "tags": [], "downloads": 0}, body)

    def _file(self, repo_id: str, rest: list[str], body: bool) -> None:
        if len(rest) < 3:
            self._error(404, "RepoNotFound", "Not found", body)
            return
        found = self._find(repo_id, rest[1], body, content=True)
        if found is None:
            return
        commit, folder = found
        file = folder / "/".join(rest[2:])
        headers = {"X-Repo-Commit": commit}
        if not file.is_file():
            self._error(404, "EntryNotFound", "Entry not found", body, headers)
            return
        content = file.read_bytes()
        headers |= {"ETag": f'"{_etag(file)}"', "Accept-Ranges": "bytes"}
        headers |= {"X-Linked-Size": str(len(content)), "Content-Type": "application/octet-stream"}
        first, last = _range(self.headers, len(content))
        if (first, last) != (0, len(content)):
            headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(content)}"
            self._send(206, content[first:last], headers, body)
            return
        self._send(200, content, headers, body)

    def _json(self, document: object, body: bool) -> None:
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"}, body)

    def _error(
        self, status: int, code: str, message: str, body: bool, headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps({"error": message}).encode()
        extra = {"X-Error-Code": code, "X-Error-Message": message, "Content-Type": "application/json"}
        self._send(status, content, extra | dict(headers or {}), body)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


def _range(headers: Mapping[str, str], size: int) -> tuple[int, int]:
    """First and one past the last byte asked for."""
    asked = headers.get("Range") or ""
    if not asked.startswith("bytes="):
        return 0, size
    first, _, last = asked.removeprefix("bytes=").partition("-")
    return int(first or 0), min(int(last) + 1, size) if last else size
