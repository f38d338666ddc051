"""The one error that a user's input can cause."""


class InputError(Exception):
    """Bad input: one line that names the key or file, what was found and what was expected.

    The command line prints the line alone and exits with code 2; a library user sees an ordinary exception.
    """
