"""What can go wrong, in words that say where and what to do."""


class ScanwiseError(Exception):
    """Base of every error that the user can do something about: one line, no traceback, exit code 2."""


class InputError(ScanwiseError):
    """A file, folder or argument that cannot be used as it is."""


class OutputError(ScanwiseError):
    """A result that cannot be written where it was asked for."""


class ScanwiseWarning(UserWarning):
    """Something was missing or odd; the work goes on, and the text says at what cost."""
