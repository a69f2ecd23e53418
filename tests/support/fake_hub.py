"""A hub of one repository on this machine, which can break a download off."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "1" * 40


@dataclass
class Hub:
    """`files` by name; `asked` are the paths that were asked for, with the range if there was one.

    The first answer for a name in `broken` ends in its middle.
    """

    repository: str
    files: dict[str, bytes]
    broken: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    endpoint: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *arguments: object) -> None: ...

    def do_HEAD(self) -> None:
        self._file(with_body=False)

    def do_GET(self) -> None:
        hub = self.hub
        if self.path.startswith(f"/api/models/{hub.repository}/revision/"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in hub.files.items()]
            self._answer(json.dumps({"id": hub.repository, "sha": COMMIT, "siblings": siblings}).encode())
        elif self.path.startswith(f"/api/models/{hub.repository}/tree/"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in hub.files.items()
            ]
            self._answer(json.dumps(entries).encode())
        else:
            self._file(with_body=True)

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, *, with_body: bool) -> None:
        hub = self.hub
        name = self.path.removeprefix(f"/{hub.repository}/resolve/").partition("/")[2]
        wanted = self.headers.get("Range") or ""
        hub.asked.append((self.command, name, wanted))
        if name not in hub.files:
            self.send_error(404)
            return
        content = hub.files[name]
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body and name in hub.broken:
            hub.broken.discard(name)
            self.wfile.write(content[start : start + len(content) // 2])
            self.wfile.flush()
            self.connection.close()
        elif with_body:
            self.wfile.write(content[start:])
