"""`scanwise serve`: the engine over HTTP."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.console import note
from scanwise.app.options import ColumnsOption, UnitOption, UpOption
from scanwise.errors import InputError

if TYPE_CHECKING:
    from scanwise.app.service.settings import Settings


def serve(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder whose scans are served, at any depth.")],
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; another than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any that is free.")] = 8765,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A name that requests may call this machine by; may be repeated.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the token. [default: SCANWISE_TOKEN, or a new one]")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Elsewhere than on this machine without TLS, such as behind a proxy that has it."
        ),
    ] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="Folder for results and uploads. [default: ROOT/.scanwise]")
    ] = None,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Jobs that may wait.")] = 32,
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Prepared scans that are kept in memory.")] = 3,
    memory: Annotated[float, typer.Option("--memory", min=0.1, help="GB that they may take together, about.")] = 6.0,
    upload: Annotated[float, typer.Option("--upload", min=0, help="GB of the largest upload.")] = 2.0,
    disk: Annotated[float, typer.Option("--disk", min=0, help="GB that all uploads may take.")] = 20.0,
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Serve scans over HTTP: label, ask, correct and learn, from a page or from your own programs.

    /api/openapi.json describes it. Results and corrections survive a restart. On this machine alone no token is needed.

    Examples:

        scanwise serve scans

        scanwise serve scans --host 0.0.0.0 --name lab.example.org --tls-cert cert.pem --tls-key key.pem
    """  # fmt: skip
    need_extra()
    from scanwise.app.service.settings import LOOPBACK, Settings, check_token, state_folder

    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name the one that holds the scans, or `scanwise view` one scan")
    here = host in LOOPBACK
    token = check_token(_token(token_file))
    if bool(tls_cert) != bool(tls_key):
        raise InputError("a certificate and its key belong together: give both --tls-cert and --tls-key")
    for path in (tls_cert, tls_key):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: no such file")
    if not here and tls_cert is None and not insecure:
        raise InputError(
            f"{host}: others on the network could read along; give --tls-cert and --tls-key, or --insecure where "
            "something before it has TLS",
            option="host",
        )
    if not here and token is None:
        token = secrets.token_urlsafe(24)
        note(f"token, for this run: {token}")
    settings = Settings(
        root=root, state=state_folder(root, state), token=token, hosts=_names(host, name), queue=queue, scenes=scenes,
        memory=memory * 1e9, upload=upload * 1e9, disk=disk * 1e9, up=up, unit=unit, columns=columns,
    )  # fmt: skip
    run(settings, host, port, tls=(tls_cert, tls_key) if tls_cert and tls_key else None)


def need_extra() -> None:
    """Finds out whether what serves HTTP is installed.

    Raises:
        InputError: it is not.
    """
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(f"needs {' and '.join(missing)}: pip install 'scanwise[serve]'")


def run(settings: Settings, host: str, port: int, *, tls: tuple[Path, Path] | None = None, opened: Any = None) -> None:
    """Serves until it is stopped.

    Args:
        settings: of the service.
        host: address to listen at.
        port: 0 = any that is free.
        tls: certificate and key for uvicorn; none = plain HTTP.
        opened: is called with the address once it listens.

    Raises:
        InputError: the port is taken.
    """
    import logging
    import socket

    import uvicorn

    from scanwise.app.service.application import application

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("scanwise.service").setLevel(logging.WARNING if opened else logging.INFO)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InputError(f"{host}:{port}: cannot listen here ({error.strerror}); choose another --port") from error
    where = f"[{host}]" if ":" in host else host
    address = f"{'https' if tls else 'http'}://{where}:{listening.getsockname()[1]}/"
    app = application(settings)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=30,
        h11_max_incomplete_event_size=65536, timeout_graceful_shutdown=3, limit_concurrency=200,
        ssl_certfile=None if tls is None else str(tls[0]), ssl_keyfile=None if tls is None else str(tls[1]),
    )  # fmt: skip
    note(f"serving {settings.only or settings.root} at {address} (Ctrl-C ends it)")
    if opened is not None:
        opened(address)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("SCANWISE_TOKEN")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot read the token ({error})") from error


def _names(host: str, names: list[str] | None) -> tuple[str, ...]:
    from scanwise.app.service.settings import LOOPBACK

    return tuple(dict.fromkeys(each.lower() for each in (*LOOPBACK, host, *(names or []))))
