"""A function's signature as the schema of the configuration node that calls it.

A configuration file of a metric, an algorithm or a task names its function as ``_target_`` (``module.function``); the
function's keyword-only parameters are the keys that the file must hold. This module finds the function and checks the
values against names, types and ranges, so that adding one is a Python file and a YAML file and nothing else.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nas_exp.bounds import AtLeast, AtMost, InSpace, NotAbove
from nas_exp.errors import InputError


def find(target: Any, key: str, *, given: Sequence[str] = (), by_name: Collection[str] = ()) -> Callable[..., Any]:
    """Import the function that `target` (``module.function``) names.

    Args:
        target: the dotted name.
        key: the configuration key that holds it, for the error message.
        given: what it will be called with, in order, before the keys of the configuration.
        by_name: parameters that it will be called with by name.

    Raises:
        InputError: there is no such module or function, or it does not take what it is given.
    """
    if not isinstance(target, str):
        raise InputError(f"{key}={target}: expected a function, as module.function")
    module, _, name = target.rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{key}={target}: expected a function, as module.function ({error})") from None
    if not callable(function):
        raise InputError(f"{key}={target}: expected a function, found {type(function).__name__}")
    try:
        inspect.signature(function).bind_partial(*given, **dict.fromkeys(by_name))
    except (TypeError, ValueError):  # ValueError: it is written in C and does not say
        raise InputError(f"{key}={target}: expected a function of {', '.join((*given, *by_name))}") from None
    return function


def keywords(
    function: Callable[..., Any],
    values: Mapping[str, Any],
    group: str,
    *,
    given: Collection[str] = (),
    space_size: int | None = None,
) -> dict[str, Any]:
    """Check `values` against the keyword-only parameters of `function` and return the keyword arguments.

    Args:
        function: its keyword-only parameters say which keys there are, their types and their ranges.
        values: the configuration values by key.
        group: the configuration group they come from, for the error message.
        given: keyword-only parameters that are given in another way.
        space_size: the number of architectures, for parameters that are `InSpace`.

    Raises:
        InputError: a key is missing or unknown, or a value has the wrong type or is out of range.
    """
    hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in given
    }
    if unknown := sorted(set(values) - set(parameters)):
        known = ", ".join(f"{group}.{name}" for name in parameters) or "none"
        raise InputError(f"{group}.{unknown[0]}: unknown key; the choices are {known}")
    for name, parameter in parameters.items():
        if name in values:
            check_value(f"{group}.{name}", values[name], hints.get(name, Any), space_size=space_size)
        elif parameter.default is inspect.Parameter.empty:
            raise InputError(f"{group}.{name}: missing; expected {_describe(hints.get(name, Any))}")
    for name in values:
        for bound in _bounds(hints.get(name, Any)):
            highest = values.get(bound.key) if isinstance(bound, NotAbove) else None
            if highest is not None and values[name] is not None and values[name] > highest:
                raise InputError(f"{group}.{name}={values[name]}: expected at most {group}.{bound.key}={highest}")
    return dict(values)


def check_value(key: str, value: Any, hint: Any, *, space_size: int | None = None) -> None:
    """Check one value against the hint of its type and range.

    Raises:
        InputError: it has another type, or is out of range; the line begins with `key`.
    """
    if not _is(value, hint):
        raise InputError(f"{key}={value}: expected {_describe(hint)}")
    if value is None:
        return
    for bound in _bounds(hint):
        if isinstance(bound, AtLeast | AtMost) and (complaint := bound.complaint(value)):
            raise InputError(f"{key}={value}: expected {complaint}")
        if isinstance(bound, InSpace) and space_size is not None and value > space_size:
            raise InputError(f"{key}={value}: expected at most {space_size}, the size of the space")


def _bounds(hint: Any) -> tuple[Any, ...]:
    """Return what a hint, or one of its alternatives, is annotated with."""
    if typing.get_origin(hint) is typing.Annotated:
        return typing.get_args(hint)[1:]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(bound for option in typing.get_args(hint) for bound in _bounds(option))
    return ()


def _is(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is(value, inner[0])
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, option) for option in inner)
    if origin is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if origin is list:
        return isinstance(value, list) and all(_is(item, inner[0]) for item in value)
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return hint is Any or isinstance(value, origin or hint)


def _describe(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    names = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        *choices, last = map(str, typing.get_args(hint))
        return f"{', '.join(choices)} or {last}"
    if typing.get_origin(hint) is list:
        return f"a list [a,b,…], each {_describe(typing.get_args(hint)[0])}"
    return names.get(hint, getattr(hint, "__name__", str(hint)))
