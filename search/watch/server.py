"""A server of pages for one person: it listens on 127.0.0.1, asks for a token, and only reads."""

import json
from collections.abc import Callable, Iterable
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from secrets import token_urlsafe
from socketserver import ThreadingMixIn
from typing import Any, final
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

HOST = "127.0.0.1"
REFUSAL = "the dashboard of a run is read-only; nothing is written to its journal"
NO_TOKEN = "the token is missing: open the address that the command `dashboard` has printed"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


@final
class Server(ThreadingMixIn, WSGIServer):
    """A thread per request, as optuna-dashboard's own command has it.

    A browser gets the token with the first address, and keeps it in a cookie. Browsers send a cookie to all
    ports of a host, so its name has the port.
    """

    daemon_threads = True

    def __init__(self, port: int, app: App) -> None:
        """Listens on a port; 0 is any free one. Raises ValueError if it can't be used."""
        try:
            super().__init__((HOST, port), QuietHandler)
        except (OSError, OverflowError) as error:
            raise ValueError(f"port is {port}, which can't be used: {error} (port=...)") from error
        self.token = token_urlsafe()
        self.set_app(with_token(app, self.token, f"ladder-{self.server_port}"))

    @property
    def address(self) -> str:
        """The address for the browser, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"


def with_token(app: App, token: str, cookie: str) -> App:
    """The application, for requests whose cookie is the token. `/?token=...` sets the cookie."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if equal(parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0], token):
            # The token leaves the address bar and the history.
            keep = f"{cookie}={token}; HttpOnly; SameSite=Strict; Path=/"
            return reply(start_response, "303 See Other", b"", Location="/", Set_Cookie=keep)
        if not equal(cookie_of(environ, cookie), token):
            return reply(start_response, "403 Forbidden", NO_TOKEN.encode())
        return app(environ, start_response)

    return answer


def equal(given: str, token: str) -> bool:
    """Whether the token is the one given, in a time that does not depend on it."""
    return compare_digest(given.encode(errors="replace"), token.encode())


def cookie_of(environ: Environ, name: str) -> str:
    """The value of a cookie; empty without it."""
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def refuse_to_write(app: App) -> App:
    """The application, for requests that read."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return app(environ, start_response)
        reason = json.dumps({"reason": REFUSAL}).encode()
        return reply(start_response, "405 Method Not Allowed", reason, "application/json", Allow="GET, HEAD")

    return answer


def reply(
    start_response: StartResponse, status: str, body: bytes, kind: str = "text/plain", **headers: str
) -> list[bytes]:
    """An answer that no cache keeps. `headers` have `_` in place of `-`."""
    fixed = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
    fixed |= {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    start_response(status, list((fixed | more).items()))
    return [body]


class QuietHandler(WSGIRequestHandler):
    """Prints no line per request, which could hold the token."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
