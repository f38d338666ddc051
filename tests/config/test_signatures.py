from typing import Annotated, Any, Literal

import pytest

from nas_exp.bounds import AtLeast, NotAbove
from nas_exp.config.signatures import find, keywords
from nas_exp.errors import InputError


def function(
    score: float,
    *,
    N: Annotated[int, AtLeast(1)],
    rate: float,
    archs: list[int] | None,
    kind: str = "plain",
    move: Literal["best", "first"] = "best",
) -> None:
    """Has one positional parameter, which is not configurable, and five that are."""


GOOD: dict[str, Any] = {"N": 3, "rate": 1, "archs": [1, 2]}


def test_good_values_become_the_keyword_arguments() -> None:
    assert keywords(function, GOOD, "algo") == GOOD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"N": 0}, "algo.N=0: expected at least 1"),
        ({"N": True}, "algo.N=True: expected a whole number"),
        ({"N": 2.0}, "algo.N=2.0: expected a whole number"),
        ({"rate": "fast"}, "algo.rate=fast: expected a number"),
        ({"archs": ["x"]}, "algo.archs=.*: expected a list .*, each a whole number or null"),
        ({"kind": 3}, "algo.kind=3: expected a word"),
        ({"move": "last"}, "algo.move=last: expected best or first"),
        ({"move": None}, "algo.move=None: expected best or first"),
        (
            {"score": 1.0},
            "algo.score: unknown key; the choices are algo.N, algo.rate, algo.archs, algo.kind, algo.move",
        ),
    ],
)
def test_bad_values_are_named_with_what_was_expected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        keywords(function, {**GOOD, **change}, "algo")


def test_a_missing_value_is_named_unless_it_has_a_default() -> None:
    with pytest.raises(InputError, match=r"^algo\.rate: missing; expected a number$"):
        keywords(function, {"N": 1, "archs": None}, "algo")


@pytest.mark.parametrize("target", ["nas_exp.algos.nothing.search", "nas_exp.algos.rea.nothing", "search", ""])
def test_targets_that_are_no_function_are_refused(target: str) -> None:
    with pytest.raises(InputError, match=r"algo\._target_="):
        find(target, "algo._target_")


def bounded(*, N: int | None, k: Annotated[int | None, NotAbove("N")], extra: object) -> None:
    """Has a bound that is another parameter, and a parameter that is given in another way."""


def test_a_bound_may_be_another_key() -> None:
    with pytest.raises(InputError, match=r"^algo\.k=4: expected at most algo\.N=3$"):
        keywords(bounded, {"N": 3, "k": 4}, "algo", given=["extra"])
    for values in ({"N": 3, "k": 3}, {"N": None, "k": 4}, {"N": 3, "k": None}):
        assert keywords(bounded, values, "algo", given=["extra"]) == values


def test_what_is_given_in_another_way_is_no_key() -> None:
    with pytest.raises(InputError, match=r"^algo\.extra: unknown key; the choices are algo\.N, algo\.k$"):
        keywords(bounded, {"N": 3, "k": 3, "extra": 1}, "algo", given=["extra"])
