"""Who may ask what: names of this machine, pages of others, tokens, sizes of bodies; a log without secrets."""

from __future__ import annotations

import hmac
import logging
import time
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scanwise.app.service.settings import Settings

log = logging.getLogger("scanwise.service")
_JSON_BODY = 32 * 2**20  # bytes: a mask of a hundred million points is less
_OPEN = ("/", "/favicon.ico", "/api/health")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()), (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"), (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip


class TooLarge(Exception):
    """A body went on beyond what is read."""


class Guard:
    """Stands before the application.

    Args:
        app: the application.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        started, status, over = time.perf_counter(), [0], list[bool]()

        async def sending(message: Message) -> None:
            if over and not status[0]:  # whatever the application makes of it
                return
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                kept = b"no-cache" if scope["path"].startswith("/page") else b"no-store"
                message["headers"] = [*message.get("headers", []), *_HEADERS, (b"cache-control", kept)]
            await send(message)

        try:
            refused = self._refusal(scope, headers)
            if refused is None:
                await self._app(scope, _bounded(receive, self._most(scope), over), sending)
            else:
                await _answer(sending, *refused)
        except TooLarge:
            log.debug("a body went on too long")
        finally:  # the path has ids alone, and neither the query nor a header is written down
            spent = 1000 * (time.perf_counter() - started)
            if over and not status[0]:
                over.clear()
                await _answer(sending, 413, "the body is larger than what is read", "too_large")
            log.info("%s %s %s %.0f ms", scope["method"], scope["path"][:200], status[0] or "-", spent)

    def _most(self, scope: Scope) -> float:
        return self._settings.upload + 1 if _is_upload(scope) else _JSON_BODY

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str] | None:
        host = _name(headers.get("host", ""))
        if self._settings.hosts and host not in self._settings.hosts:
            return 421, "this service does not go by that name; --name adds one", "host"
        origin = headers.get("origin")
        crossed = headers.get("sec-fetch-site") == "cross-site" or (
            origin is not None and urlsplit(origin).netloc != headers.get("host")
        )
        if crossed and scope["path"].startswith("/api"):
            return 403, "requests from pages of other sites are refused", "origin"
        if not self._may_enter(scope["path"], headers.get("authorization", "")):
            return 401, "a token is needed: Authorization: Bearer TOKEN", "token"
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._most(scope):
            return 413, "the body is larger than what is read", "too_large"
        return None

    def _may_enter(self, path: str, brought: str) -> bool:
        token = self._settings.token
        if token is None or path in _OPEN or path.startswith("/page/"):
            return True
        kind, _, value = brought.partition(" ")
        same = hmac.compare_digest(value.strip().encode("utf-8", "replace"), token.encode())
        return same and kind.lower() == "bearer"


def _name(host: str) -> str:
    """The host's name without its port."""
    return (host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]).lower()


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].rstrip("/") == "/api/scans")


def _bounded(receive: Receive, most: float, over: list[bool]) -> Receive:
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            over.append(True)
            raise TooLarge
        return message

    return receiving


async def _answer(send: Send, status: int, detail: str, code: str) -> None:
    import json

    content = json.dumps({"detail": detail, "code": code}).encode()
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
