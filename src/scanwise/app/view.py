"""`scanwise view`: a page to look at a scan, ask it, correct it and let it learn."""

from __future__ import annotations

from typing import Annotated

import typer

from scanwise.app.options import ColumnsOption, SceneArgument, UnitOption, UpOption
from scanwise.app.serve import need_extra, run
from scanwise.errors import InputError


def view(
    scene: SceneArgument,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="Words to begin with, separated by commas; may be repeated.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page at once.")] = True,
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Look at a scan in the browser: by colour, word and thing; ask it, correct it, and let it learn from that.

    The page is served on this machine alone and needs no network. Corrections are kept beside the scan, in
    SCENE.corrections.db, the moment they are made.

    Examples:

        scanwise view recordings/kitchen

        scanwise view room.ply --text chair,table,wall,floor

        scanwise view tile.laz --no-browser --port 8765
    """
    import webbrowser

    need_extra()
    from scanwise.app.service.settings import Settings, state_folder

    if not scene.exists():
        from scanwise.formats.registry import read_scene

        read_scene(scene)  # says what is there instead
        raise InputError(f"{scene}: no such file or folder")
    root = scene.resolve().parent
    words = [part.strip() for option in text or [] for part in option.split(",") if part.strip()]
    settings = Settings(
        root=root, state=state_folder(root), only=scene, words=words, scenes=1, up=up, unit=unit, columns=columns
    )
    run(settings, "127.0.0.1", port, opened=webbrowser.open if browser else lambda address: None)
