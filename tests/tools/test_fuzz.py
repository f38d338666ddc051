"""A few random command lines; `python -m tests.tools.fuzz` runs as many as one likes."""

from tests.tools.fuzz import failures


def test_random_command_lines_are_answered_in_the_programs_own_words() -> None:
    told, codes = failures(count=60, seed=1)
    assert not told, "\n\n".join(told)
    assert codes[0] > 3
    assert codes[2] > 5
