"""What the service refuses, and the status that says so."""

from __future__ import annotations

from scanwise.errors import ScanwiseError


class Problem(ScanwiseError):
    """Something that a request cannot have.

    Args:
        text: one line.
        status: of HTTP.
        code: a word for programs: "not_open", "busy", ...
    """

    def __init__(self, text: str, status: int = 400, code: str = "") -> None:
        super().__init__(text)
        self.status, self.code = status, code


def not_found(what: str) -> Problem:
    """There is no such thing (404)."""
    return Problem(f"no such {what}", 404, "not_found")


def not_open(name: str) -> Problem:
    """The scan is not in memory just now (409): a job that opens it comes first."""
    return Problem(f"{name}: is not open; POST to its open first", 409, "not_open")
