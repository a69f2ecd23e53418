"""The dashboard in a browser of this host: textual-serve on loopback, behind a secret in the address.

The secret is in the path and not in a cookie, because browsers send a host's cookies to all of its ports.
"""

import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from textual_serve.server import Server
from vlad.records.files import RecordError

LOOPBACK = "127.0.0.1"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' data:; connect-src 'self' ws:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GuardedServer(Server):
    """Serves only who knows `token`; everybody else gets 403, whatever is asked for."""

    def __init__(self, command: Sequence[str], listening: socket.socket, token: str) -> None:
        super().__init__(shlex.join(command), host=LOOPBACK, port=listening.getsockname()[1], title="vlatui")
        self.listening = listening
        self.token = token

    @property
    def address(self) -> str:
        return f"{self.public_url}/{self.token}/"

    async def _make_app(self) -> web.Application:
        guarded = web.Application(middlewares=[self._only_with_token])
        guarded.add_subapp(f"/{self.token}", await super()._make_app())
        return guarded

    @web.middleware
    async def _only_with_token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Also refuses names that only lead here (DNS rebinding) and web sockets that other pages open."""
        begins = request.path.encode()[: len(self.token) + 2]
        is_ours = request.host in {f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"}
        origin = request.headers.get("Origin")
        is_from_here = origin is None or origin == f"http://{request.host}"
        if not (secrets.compare_digest(begins, f"/{self.token}/".encode()) and is_ours and is_from_here):
            raise web.HTTPForbidden(text="403: the address that vlatui --web printed is needed\n")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def on_startup(self, app: web.Application) -> None:
        print(f"vlatui in a browser of this host: {self.address}")
        print(
            "Whoever knows this address can do what you can do to your runs. ctrl+c ends it; the runs go on.",
            flush=True,
        )

    def initialize_logging(self) -> None:
        """The terminal is for the address alone: requests, with the secret in them, are not logged."""

    def serve(self, debug: bool = False) -> None:
        """Serves until interrupted, on the socket that listens already: who reads the address can connect."""
        self.debug = debug
        self.initialize_logging()
        web.run_app(self._make_app(), sock=self.listening, print=None)


def serve(arguments: Sequence[str], port: int) -> None:
    """Serves a dashboard, started anew with `arguments` for each page, until interrupted.

    Raises RecordError where the port is taken.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
            listening.listen()
        except OSError as error:
            raise RecordError(f"--port {port}: {error.strerror}; name another one, or 0 for any") from error
        GuardedServer(
            [sys.executable, "-P", "-m", "vlatui.cli", *arguments], listening, secrets.token_urlsafe(32)
        ).serve()
