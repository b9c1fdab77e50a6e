"""The command line: the verbs by their names, and errors in one line."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scanwise import __version__
from scanwise.app import cache, evaluate, furniture, pretrain, synth, train
from scanwise.app.annotate import annotate
from scanwise.app.ask import ask
from scanwise.app.console import Manner, any_letters, keep, manner_of, note, speaking
from scanwise.app.convert import convert
from scanwise.app.demo import demo
from scanwise.app.detect import detect
from scanwise.app.doctor import doctor
from scanwise.app.extras import missing_part
from scanwise.app.features import features
from scanwise.app.index import index
from scanwise.app.info import info
from scanwise.app.label import label
from scanwise.app.learn import learn
from scanwise.app.mistyped import mistyped
from scanwise.app.probe import probe
from scanwise.app.serve import serve
from scanwise.app.tokens import reconstruct, similar, tokens
from scanwise.app.view import view
from scanwise.errors import ScanwiseError
from scanwise.threads import use_free_cores

_MEMORY = re.compile("out of memory|not enough memory|n.t allocate memory")

app = typer.Typer(
    name="scanwise",
    help="3D scenes, understood from few labels: label every point of a scan with any words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS = (
    demo, label, ask, view, serve, learn, detect, info, convert, annotate, features, probe, tokens, reconstruct,
    index, similar, doctor,
)  # fmt: skip
for verb in VERBS:
    app.command()(verb)
for group in (synth, furniture, pretrain, train, evaluate, cache):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"scanwise {__version__}")
        raise typer.Exit


@app.callback()
def _settings(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more: each stage, other libraries.")] = False,
    log: Annotated[Path | None, typer.Option("--log", metavar="FILE", help="Keep all that is said in a file.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """3D scenes, understood from few labels: label every point of a scan with any words."""
    # `main` looks for all but --version itself, so that they may stand anywhere and cover errors in parsing


def main() -> None:
    """Runs the command line, whose last line says how it ended.

    Exit codes: 0; 1 for a fault of ours; 2 for an error that the user can mend; 130 after Ctrl-C and 143 after SIGTERM;
    141 where nobody reads the output any more.
    """
    any_letters()
    signal.signal(signal.SIGTERM, _terminate)
    _watch_for_ctrl_c()
    try:
        manner, arguments = manner_of(sys.argv[1:])
    except ScanwiseError as error:
        _fail(str(error), debug=False)
    sys.argv[1:] = arguments
    with speaking(manner, arguments):
        use_free_cores()
        _run_to_its_end(manner)


def _run_to_its_end(manner: Manner) -> None:
    debug = manner.debug
    try:
        _run()
    except ScanwiseError as error:
        _fail(str(error) + _to_type(error.option, sys.argv[1:]), debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python does not try again as it ends
        raise SystemExit(141) from None
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", debug)
    except RecursionError:
        _fail("something in the input is nested too deeply to be read", debug)
    except KeyboardInterrupt:
        _stopped(130)
    except Exception as error:
        if _ctrl_c:  # what was being imported has made another error of it
            _stopped(130)
        if hasattr(error, "format_message"):  # Click's, of what was typed
            if not str(error).strip():  # a group without a verb, whose help it has shown
                raise SystemExit(2) from None
            _fail(mistyped(error, sys.argv[1:]), debug)
        if isinstance(error, ModuleNotFoundError) and (part := missing_part(error.name or "")):
            _fail(part, debug)
        if _out_of_memory(error):
            on_gpu = "not enough memory on the GPU; --device cpu goes on without it, a training with a lower batch"
            here = "not enough memory for this scan; make it smaller with `scanwise convert`"
            _fail(on_gpu if "CUDA" in str(error) else here, debug)
        _fail(f"{_in_words(error)}; this is a fault of scanwise, please report it; --debug shows more", debug, code=1)


def _run() -> None:
    """The verb, and its output to the end; Typer turns Ctrl-C and a pipe that is closed into exits of its own."""
    try:
        if not sys.argv[1:]:
            sys.argv.append("--help")
        code = app(standalone_mode=False)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        if stop.code in (130, 143):
            _stopped(int(stop.code))
        raise
    if code == 130:
        _stopped(130)
    if sys.stdout is not None:
        sys.stdout.flush()
    raise SystemExit(code if isinstance(code, int) else 0)


_ctrl_c: list[int] = []


def _watch_for_ctrl_c() -> None:
    """Remembers Ctrl-C, as an import that it breaks off may end in an error of another name."""

    def note_it(number: int, frame: object) -> None:
        _ctrl_c.append(number)
        raise KeyboardInterrupt

    _ctrl_c.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note_it)


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # rather than ending at once, so that unfinished files are removed


def _stopped(code: int) -> NoReturn:
    cache = sys.modules.get("scanwise.cache")  # where it was not loaded, nothing is in it
    folder = cache.kept() if cache else None
    going_on = f", parts of the work in {folder} too: the same command goes on from there" if folder else ""
    note(f"stopped; files that were finished are kept{going_on}", error=True)
    raise SystemExit(code) from None


def _fail(text: str, debug: bool, code: int = 2) -> NoReturn:
    keep(traceback.format_exc())
    if debug:
        raise
    note("error: " + " ".join(text.split()), error=True)
    raise SystemExit(code) from None


def _out_of_memory(error: Exception) -> bool:
    """Whether it says so: Python's own, or one of torch's, for the CPU or a GPU."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error))))


def _in_words(error: Exception) -> str:
    """An error that was not foreseen: what it is, and the last place in our own code that it came through."""
    places = [place for place in traceback.extract_tb(error.__traceback__) if "scanwise" in place.filename]
    where = f" in {Path(places[-1].filename).name}, line {places[-1].lineno}" if places else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{where}" + (f": {text[:300]}" if text else "")


def _to_type(option: str | None, arguments: list[str]) -> str:
    """What the verb of a command line calls a parameter (" (--out)"); "" where it has none of that name."""
    verb: Any = typer.main.get_command(app)
    for word in arguments:
        verb = getattr(verb, "commands", {}).get(word, verb)
    for parameter in verb.params:
        if option is not None and parameter.name == option:
            return f" ({parameter.opts[0] if parameter.param_type_name == 'option' else parameter.metavar})"
    return ""


if __name__ == "__main__":
    main()
