"""What a service is told when it starts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from scanwise.cache import cache_dir
from scanwise.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN = "SCANWISE_TOKEN"
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """Of one service.

    Attributes:
        root: folder whose scans are served.
        state: folder for uploads, results and what is known of jobs.
        only: the one scan below the root that is served; None = all.
        token: that every request has to bring; None = none, on this machine alone.
        hosts: names that requests may call this service by; empty = any.
        queue: jobs that may wait; one more is refused (429).
        scenes: prepared scans that are kept in memory at most.
        memory: bytes that they may take together, as estimated.
        upload: bytes of the largest upload.
        disk: bytes that all uploads may take.
        words: that the page asks for first.
        up: as of `read_scan`.
        unit: as of `read_scan`.
        columns: as of `read_scan`.
    """

    root: Path
    state: Path
    only: Path | None = None
    token: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    queue: int = 32
    scenes: int = 3
    memory: float = 6e9
    upload: float = 2e9
    disk: float = 20e9
    words: list[str] = field(default_factory=list)
    up: str = "auto"
    unit: str | None = None
    columns: str | None = None


def state_folder(root: Path, chosen: Path | None = None) -> Path:
    """Where a service keeps what must survive: `.scanwise` in the root, or the cache where that cannot be written.

    Args:
        root: folder of the scans.
        chosen: by the user.

    Raises:
        InputError: the chosen one cannot be written.
    """
    places = [chosen] if chosen else [root / ".scanwise", _in_cache(root)]
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    raise InputError(f"{places[-1]}: cannot write here; choose another place", option="state")


def _in_cache(root: Path) -> Path:
    return cache_dir() / f"serve-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}"


def check_token(token: str | None) -> str | None:
    """The token, without spaces around it; None where there is none.

    Raises:
        InputError: it is so short that it can be guessed.
    """
    token = (token or "").strip()
    if token and (len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise InputError(
            f"a token has at least {_SHORTEST_TOKEN} plain characters; "
            "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes one"
        )
    return token or None
