"""What a name may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.config.names import LONGEST_NAME, check_name
from nas_exp.errors import InputError, listed, shown


@pytest.mark.parametrize(
    "name", ["relu", "snip+zico", "läuft", "日本", "a b", "P=5,S=2", "1", "2026-11-27_08", "_x", "v1.0"]
)
def test_what_people_call_things_is_a_name(name: str) -> None:
    assert check_name("metric.name", name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            " ",
            ". .",
            " a",
            "a/b",
            "../../up",
            "a\\b",
            "a\nb",
            "a\0b",
            "\x1b[2J",
            "<img>",
            "$\\frac{a}{b",
        ),
        *("=SUM(A1)", "@a", "+a", "-a", "a" * (LONGEST_NAME + 1), "a\u202eb", "\ud800", 1e5),
    ],
)
def test_what_would_be_a_path_markup_or_a_formula_is_no_name(name: object) -> None:
    with pytest.raises(InputError, match=r"metric\.name=.*expected a") as raised:
        check_name("metric.name", name)
    assert str(raised.value).isprintable()


@given(st.text())
def test_a_name_is_one_part_of_a_path_and_can_be_printed(text: str) -> None:
    try:
        name = check_name("name", text)
    except InputError:
        return
    assert name == text
    assert name.isprintable()
    assert "/" not in name
    assert name.strip(". ")


@given(st.text(st.characters(codec=None)), st.integers(0, 2000))
def test_any_text_is_shown_in_one_short_printable_line(text: str, repeats: int) -> None:
    line = shown(text * repeats)
    assert line.isprintable()
    assert len(line) <= 300
    assert str(InputError(text * repeats)).isprintable()


def test_text_that_can_be_printed_is_shown_as_it_is() -> None:
    assert shown("läuft: ρ = 0.7 ± 0.1") == "läuft: ρ = 0.7 ± 0.1"
    assert shown("a\x1b[2J\ud800\tb\n") == r"a\x1b[2J\ud800 b"


def test_of_many_names_the_first_are_listed() -> None:
    assert listed([]) == "none"
    assert listed(["a", "b"]) == "a, b"
    assert listed(f"c{number}" for number in range(20_000)).endswith("c9 and 19,990 more")
    assert len(listed(["x" * 100_000] * 100)) < 1000
