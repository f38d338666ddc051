"""The one error that a user's input can cause, and other errors told in one line."""


class InputError(Exception):
    """Bad input: one line that names the key or file, what was found and what was expected.

    The command line prints the line alone and exits with code 2; a library user sees an ordinary exception.
    """


def in_one_line(error: BaseException) -> str:
    """Return the message of any exception in one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def in_one_line_with_type(error: BaseException) -> str:
    """Return the type and the message of any exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
