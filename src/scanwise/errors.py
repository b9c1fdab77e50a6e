"""What can go wrong, in words that say where and what to do."""


class ScanwiseError(Exception):
    """Base of every error that the user can do something about: one line, no traceback, exit code 2.

    The text names no option of the command line (`--out`): a function does not know who calls it. It says which of its
    parameters is at fault, and the command line looks up what its verb calls a parameter of that name, and adds that
    in brackets:

        raise OutputError(f"{path}: cannot write here; choose another place", option="out")

        error: /proc/out: cannot write here; choose another place (--out)

    Args:
        text: what was wrong, where, and what to do.
        option: name of the parameter at fault, as the verbs of `scanwise.app` call it in Python: "out", "device",
            "vision", "changes" (`--set`), ...; nothing is added where the verb has none of that name, or for None.
    """

    def __init__(self, text: str, *, option: str | None = None) -> None:
        super().__init__(text)
        self.option = option


class InputError(ScanwiseError):
    """A file, folder or argument that cannot be used as it is."""


class OutputError(ScanwiseError):
    """A result that cannot be written where it was asked for."""


class TrainingError(ScanwiseError):
    """Training cannot go on: its loss is no number, or its features collapsed."""


class ScanwiseWarning(UserWarning):
    """Something was missing or odd; the work goes on, and the text says at what cost."""
