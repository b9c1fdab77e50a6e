"""What was typed wrong, in one line: Click's errors of options and arguments in our words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

_HINTS = re.compile(r"'([^']+)'")


def mistyped(error: Any, arguments: Sequence[str]) -> str:
    """What is wrong, the value that was given, and where there are examples.

    Args:
        error: a usage error of Click.
        arguments: of the command line.
    """
    message = " ".join(error.format_message().split()).rstrip(".")
    found = re.fullmatch(r"Invalid value for (.+?): (.+)", message)
    if found:
        message = _bad_value(found[1], found[2], arguments)
    elif missing := re.fullmatch(r"Missing (?:argument|option|parameter) (.+)", message):
        message = f"{_first(missing[1])} is missing"
    else:
        message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    command = re.sub(r"^.*\bscanwise", "scanwise", context.command_path) if context else "scanwise"
    return f"{message}; see {command} --help"


def _bad_value(hint: str, why: str, arguments: Sequence[str]) -> str:
    options = _HINTS.findall(hint) or [hint]
    why = re.sub(r"^Input should be (.+?)(, unable to .+)?$", r"should be \1", why)
    given = next((value for option in options for value in _values(option, arguments)), None)
    named = next((option for option in options if option in arguments), options[0])
    return f"{named}{'' if given is None or given in why else ' ' + given}: {why[:1].lower() + why[1:]}"


def _values(option: str, arguments: Sequence[str]) -> list[str]:
    """What was given for an option."""
    apart = [after for word, after in pairwise(arguments) if word == option]
    return apart + [word.partition("=")[2] for word in arguments if word.startswith(f"{option}=")]


def _first(hint: str) -> str:
    found = _HINTS.findall(hint)
    return found[0] if found else hint
