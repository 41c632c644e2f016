"""A stand-in for the Hugging Face hub on the loopback: repositories of files, over real HTTP, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds and how it behaves.

    Args:
        repos: Files by repository and path.
        plain: Files at a path of their own, as download.pytorch.org has them.
        gated: Repositories that want an account.
        commit: What `main` is.
        breaks: Files whose first answer ends after so many bytes; from then on the hub is gone, until `mended`.
        lies: Files that come with other bytes than are announced.
        asked: Path and `Range` of every request.
        tokens: Tokens that came with requests.
    """

    repos: dict[str, dict[str, bytes]]
    plain: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    commit: str = COMMIT
    breaks: dict[str, int] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    mended: bool = False
    url: str = ""

    @contextmanager
    def serve(self) -> Iterator[Hub]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlparse(self.path).path)
            hub.asked.append((path, self.headers.get("Range")))
            if self.headers.get("Authorization"):
                hub.tokens.add(self.headers["Authorization"])
            if path.startswith("/api/models/"):
                self._list(path.removeprefix("/api/models/"))
            elif "/resolve/" in path:
                repo, _, rest = path[1:].partition("/resolve/")
                self._send(rest.partition("/")[2], hub.repos.get(repo, {}).get(rest.partition("/")[2]))
            else:
                self._send(path[1:], hub.plain.get(path[1:]))

        def _list(self, path: str) -> None:
            repo, _, revision = path.partition("/revision/")
            if repo in hub.gated:
                self._refuse(401, "GatedRepo", "Access to this model is restricted")
                return
            if repo not in hub.repos:
                self._refuse(404, "RepoNotFound", "Repository not found")
                return
            if revision not in ("main", "", hub.commit):
                self._refuse(404, "RevisionNotFound", "Invalid rev id")
                return
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134},
                }
                for name, data in hub.repos[repo].items()
            ]
            body = json.dumps({"id": repo, "sha": hub.commit, "siblings": siblings}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status: int, code: str, message: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, name: str, data: bytes | None) -> None:
            if data is None:
                self._refuse(404, "EntryNotFound", "Entry not found")
                return
            if name in hub.breaks and not hub.mended and self.headers.get("Range"):
                self._refuse(503, "Unavailable", "gone")
                return
            data = hub.lies.get(name, data)
            start = 0
            if self.headers.get("Range"):
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            end = hub.breaks[name] if name in hub.breaks and not hub.mended else len(data)
            self.wfile.write(data[start:end])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
