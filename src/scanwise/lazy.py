"""Names of a package that are imported when they are touched: what needs torch takes a second to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` (PEP 562) of a package.

        __getattr__, __dir__ = lazily(__name__, {"LESS": "scanwise.methods.less.model"})

    Args:
        package: its name.
        homes: each name, and the module that it is imported from.
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def listing() -> list[str]:
        own = vars(import_module(package))
        return sorted({*homes, *(name for name in own.get("__all__", own) if not name.startswith("_"))})

    return getattribute, listing
