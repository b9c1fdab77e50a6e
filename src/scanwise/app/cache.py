"""`scanwise cache`: what is kept so that the next run is fast."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="What was computed and is kept: see it, remove it.")


@app.command()
def info() -> None:
    """Show where the cache is, what it holds and how much it may hold.

    SCANWISE_CACHE names another folder, SCANWISE_CACHE_GB another limit: 5, or "500 MB".

    Example:

        scanwise cache info
    """
    from scanwise import cache

    parts = cache.parts()
    total = sum(part.size for part in parts)
    print(f"{cache.cache_dir()}: {_bytes(total)} of at most {_bytes(cache.limit_bytes())}")
    width = max((len(part.name) for part in parts), default=0)
    for part in parts:
        print(f"  {part.name:<{width}}  {part.entries:>7,} entries  {_bytes(part.size):>9}")


@app.command()
def clear() -> None:
    """Remove what is kept; the next run makes it again. Furniture that you fetched or added stays.

    Example:

        scanwise cache clear
    """
    from scanwise import cache

    before = sum(part.size for part in cache.parts())
    cache.clear()
    left = sum(part.size for part in cache.parts())
    kept = f", {_bytes(left)} cannot be removed" if left else ""
    print(f"{cache.cache_dir()}: {_bytes(before - left)} freed{kept}")


def _bytes(count: float) -> str:
    """The number of bytes in a unit that is easily read: "1.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.95:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
