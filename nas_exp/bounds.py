"""Ranges of parameters, as annotations: ``N: Annotated[int, AtLeast(1)]``."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AtLeast:
    """A lower bound, as in ``N: Annotated[int, AtLeast(1)]``."""

    minimum: float

    def complaint(self, value: Any) -> str | None:
        """Say what is expected instead of `value`; None when it is fine."""
        return None if value >= self.minimum else f"at least {self.minimum}"


@dataclass(frozen=True)
class AtMost:
    """An upper bound, as in ``N: Annotated[int, AtMost(100)]``."""

    maximum: float

    def complaint(self, value: Any) -> str | None:
        """Say what is expected instead of `value`; None when it is fine."""
        return None if value <= self.maximum else f"at most {self.maximum}"


@dataclass(frozen=True)
class InSpace:
    """An upper bound for a number of architectures: the size of the space."""


@dataclass(frozen=True)
class NotAbove:
    """A bound that is another key of the same group, as in ``k: Annotated[int, NotAbove("N")]``."""

    key: str
