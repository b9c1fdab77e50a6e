"""The command line: the verbs by their names, and errors in one line."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from scanwise.app import evaluate, furniture, pretrain, synth, train
from scanwise.app.annotate import annotate
from scanwise.app.ask import ask
from scanwise.app.console import note, notes_for_warnings
from scanwise.app.convert import convert
from scanwise.app.demo import demo
from scanwise.app.features import features
from scanwise.app.info import info
from scanwise.app.label import label
from scanwise.app.probe import probe
from scanwise.app.tokens import reconstruct, similar, tokens
from scanwise.errors import ScanwiseError
from scanwise.threads import use_free_cores

app = typer.Typer(
    name="scanwise",
    help="3D scenes, understood from few labels: label every point of a scan with any words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (demo, label, ask, info, convert, annotate, features, probe, tokens, reconstruct, similar):
    app.command()(verb)
for group in (synth, furniture, pretrain, train, evaluate):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


@app.callback()
def _settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass  # `main` looks for --debug itself, so that it also covers errors in parsing


def main() -> None:
    """Runs the command line; an error that the user can mend is one line on standard error, and exit code 2."""
    debug = "--debug" in sys.argv
    use_free_cores()
    try:
        with notes_for_warnings():
            app()
    except ScanwiseError as error:
        _fail(str(error) + _to_type(error.option, sys.argv[1:]), debug)
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", debug)
    except MemoryError:
        _fail("not enough memory for this scan; make it smaller with `scanwise convert`", debug)
    except KeyboardInterrupt:
        note("stopped; what was computed is kept, the same command goes on from there")
        raise SystemExit(130) from None


def _fail(text: str, debug: bool) -> None:
    if debug:
        raise
    note("error: " + " ".join(text.split()))
    raise SystemExit(2) from None


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
