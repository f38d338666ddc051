"""What a name may be: it becomes a folder, a heading, a cell of a table and a word in figures."""

import re

from nas_exp.errors import InputError, shown

_NAME = re.compile(r"[\w.][\w.,=+@ -]*")
LONGEST_NAME = 100


def check_name(key: str, name: object) -> str:
    """Return `name` if it can be the name of a folder, a metric, an algorithm and so on.

    That is at most 100 letters of any language, digits, spaces and ``. , = + @ - _``, not only of dots or spaces, and
    none of ``= + @ -`` at the beginning, which a spreadsheet would take for a formula.

    Raises:
        InputError: it cannot; the line begins with `key`.
    """
    if isinstance(name, float):
        raise InputError(f"{key}={name}: found a number; expected a word, as {key}=run-1")
    text = str(name)
    if len(text) > LONGEST_NAME or not _NAME.fullmatch(text) or not text.strip(". "):
        raise InputError(
            f"{key}={shown(text)}: expected a name of at most {LONGEST_NAME} letters, digits, spaces and "
            ". , = + @ - _, which begins with none of = + @ -"
        )
    return text
