"""Score tables: the scores of one metric over a space, kept on disk as Parquet parts.

A table is a folder ``<dataset>/<metric>-<digest>/``. The digest is of the table's identity: everything that its scores
depend on, which the folder's ``_table.json`` holds. The parts beside it (``part-*.parquet``: `arch_index`, `score`,
`seconds`) may come from any number of writers on any machines: they appear whole, are never changed, and are named by
their content, so writing one twice or merging many loses nothing. A table holds what was scored, however large the
space is.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp import __version__
from nas_exp.arrays import BoolArray, FloatArray, IntArray
from nas_exp.errors import InputError
from nas_exp.scoring.recipe import Recipe
from nas_exp.storage.damage import DamagedError, read_or_set_aside
from nas_exp.storage.parquet import read_columns, write_columns
from nas_exp.storage.seals import digest, write_json

SHIPPED = Path(__file__).parents[1] / "shipped_scores"
"""Tables that come with the package, laid out as a user's own."""

_NAMED_BY = ("arch_index", "score")
"""The columns whose digest is in the name of a part."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What is known of one metric: all arrays have shape (n,), an entry for each architecture with a score."""

    arch_index: IntArray
    """Ascending, each once."""
    score: FloatArray
    """Higher is better; may be infinite or NaN."""
    seconds: FloatArray
    """The time that computing the score took; NaN where that is not known."""

    @classmethod
    def first_of(cls, parts: "Sequence[Scores]") -> "Scores":
        """Merge scores; where an architecture is in several of them, the first counts."""
        if not parts:
            return cls(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
        arch_index, first = np.unique(np.concatenate([part.arch_index for part in parts]), return_index=True)
        score, seconds = (
            np.concatenate([getattr(part, column) for part in parts])[first] for column in ("score", "seconds")
        )
        return cls(arch_index, score, seconds)

    def have(self, arch_index: npt.ArrayLike) -> BoolArray:
        """Return whether each of some architectures has a score: shape (m,)."""
        return np.isin(np.asarray(arch_index, dtype=np.int64), self.arch_index)

    def of(self, arch_index: npt.ArrayLike) -> "Scores":
        """Return the part of these scores that is about some architectures."""
        chosen = np.isin(self.arch_index, np.asarray(arch_index, dtype=np.int64))
        return Scores(self.arch_index[chosen], self.score[chosen], self.seconds[chosen])


@dataclass(frozen=True)
class Row:
    """One row of a table: the score of an architecture and the seconds that it took, as `computing_seconds` counts."""

    arch_index: int
    score: float
    seconds: float


class ScoreTable:
    """One table: a folder to write to, a shipped folder of the same identity, and how to compute what is in neither."""

    def __init__(self, root: Path, identity: Mapping[str, Any], size: int, recipe: Recipe | None = None) -> None:
        """Name the table; nothing is read or written yet.

        Args:
            root: the folder of all tables, `paths.scores`.
            identity: everything that the scores depend on; JSON values, with at least `dataset` and `metric`.
            size: the number of architectures of the space.
            recipe: how scores are computed; None: they cannot be, as there are no images.
        """
        self.identity, self.size, self.recipe = dict(identity), size, recipe
        place = Path(str(identity["dataset"])) / f"{identity['metric']}-{digest(identity)}"
        self.folder = root / place
        self._shipped = SHIPPED / place

    def read(self) -> Scores:
        """Read all parts there are. Where parts overlap, the first by name counts.

        Scores of overlapping parts are equal, but for last digits if they were computed on machines of several types.

        A damaged part is named and set aside under another name, so that its scores count as missing.

        Raises:
            OSError: a part is there and cannot be read.
            InputError: a part that came with the package is damaged.
        """
        return self._read([part for folder in (self._shipped, self.folder) for part in _parts(folder)])

    def missing(self, arch_index: Sequence[int]) -> list[int]:
        """Return those of some architectures that have no score, in order."""
        archs = np.asarray(arch_index, dtype=np.int64)
        missing: list[int] = archs[~self.read().have(archs)].tolist()
        return missing

    def expected_seconds(self) -> Scores:
        """Return the seconds that computing each score took or, for a table that ships and is as expensive, would take.

        Such a table differs in nothing but its images, seed and version.
        """
        own = self.read()
        similar = shipped_identity(self.identity, but_for=("images", "seed", "version"))
        if similar is None:
            return own
        timed = np.isfinite(own.seconds)
        return Scores.first_of([own.of(own.arch_index[timed]), ScoreTable(SHIPPED, similar, self.size).read(), own])

    def prepare(self) -> None:
        """Make the folder and describe the table in it, so that an obstacle shows before any work is done.

        Raises:
            OSError: the folder cannot be written to.
        """
        description = {**self.identity, "made_by": f"nas-exp {__version__}"}
        write_json(self.folder / "_table.json", description, seal=False)

    def add(self, rows: Sequence[Row], *, instead_of: Path | None = None) -> Path:
        """Write rows as one more part, sorted by architecture, to a table that has been prepared; return the part.

        Args:
            rows: the scores.
            instead_of: a part whose scores are all among these, which is then removed.

        Raises:
            OSError: the folder cannot be written to.
        """
        ordered = sorted(rows, key=lambda row: row.arch_index)
        part = self._write(
            np.array([row.arch_index for row in ordered], dtype=np.int64),
            np.array([row.score for row in ordered], dtype=np.float64),
            np.array([row.seconds for row in ordered], dtype=np.float64),
        )
        if instead_of is not None and instead_of != part:
            instead_of.unlink(missing_ok=True)
        return part

    def copy_shipped(self, arch_index: Sequence[int]) -> None:
        """Copy to the writable folder those of some scores that the package ships and the folder lacks.

        Raises:
            OSError: the folder cannot be written to.
        """
        shipped, own = self._read(_parts(self._shipped)).of(arch_index), self._read(_parts(self.folder))
        copied = shipped.of(shipped.arch_index[~own.have(shipped.arch_index)])
        if len(copied.arch_index):
            self.prepare()
            self._write(copied.arch_index, copied.score, copied.seconds)

    def merge(self) -> None:
        """Merge the parts of the writable folder into one. Safe beside readers and other writers."""
        parts = _parts(self.folder)
        if len(parts) < 2:
            return
        merged, read = self._read_and_list(parts)
        if not len(merged.arch_index):
            return  # all of them were damaged
        whole = self._write(merged.arch_index, merged.score, merged.seconds)
        # only those: another process may have written a damaged part again, under the same name
        for part in read:
            if part != whole:
                part.unlink(missing_ok=True)

    def _write(self, arch_index: IntArray, score: FloatArray, seconds: FloatArray) -> Path:
        columns = {
            "arch_index": arch_index.astype(np.int32 if self.size <= 2**31 else np.int64),
            "score": score,
            "seconds": seconds.astype(np.float32),
        }
        name = f"part-{arch_index[0]:05d}-{arch_index[-1]:05d}.parquet"
        return write_columns(self.folder / name, columns, named_by=_NAMED_BY)

    def _read(self, parts: Sequence[Path]) -> Scores:
        return self._read_and_list(parts)[0]

    def _read_and_list(self, parts: Sequence[Path]) -> tuple[Scores, list[Path]]:
        """Return the content of parts, and those of them that could be read."""
        try:
            read = {part: scores for part in parts if (scores := self._read_part(part)) is not None}
        except FileNotFoundError:
            # Another process has merged this part between our listing and our reading: its rows stand elsewhere now.
            folders = dict.fromkeys(part.parent for part in parts)
            return self._read_and_list([part for folder in folders for part in _parts(folder)])
        return Scores.first_of(list(read.values())), list(read)

    def _read_part(self, part: Path) -> Scores | None:
        """Return the content of a part; None if it was damaged, and has another name now."""
        if not part.is_relative_to(SHIPPED):
            read = functools.partial(_columns, size=self.size)
            return read_or_set_aside(part, read, then="its scores count as missing")
        try:
            return _shipped_columns(part, self.size)
        except DamagedError as error:
            raise InputError(f"{error}; install nas-exp again") from None


def _columns(part: Path, size: int) -> Scores:
    columns = read_columns(part, ("arch_index", "score", "seconds"), named_by=_NAMED_BY, most=size)
    arch_index = columns["arch_index"]
    if not len(arch_index) or not 0 <= arch_index.min() <= arch_index.max() < size:
        raise DamagedError(f"{part}: found architectures that are not in the space")
    return Scores(
        arch_index.astype(np.int64), columns["score"].astype(np.float64), columns["seconds"].astype(np.float64)
    )


_shipped_columns = functools.lru_cache(maxsize=64)(_columns)
"""What ships does not change, and the forecast of a sweep asks for it once a job."""


def shipped_identity(identity: Mapping[str, Any], *, but_for: Iterable[str] = ("images",)) -> dict[str, Any] | None:
    """Return the identity of the shipped table that differs from `identity` in nothing but some keys, if there is one.

    Without regard to its images: so a user who has no images still reads the scores that the project has computed.

    Raises:
        InputError: the description of a shipped table is damaged.
    """
    ignored = dict.fromkeys(but_for)
    for description in sorted((SHIPPED / str(identity["dataset"])).glob(f"{identity['metric']}-*/_table.json")):
        try:
            shipped: dict[str, Any] = json.loads(description.read_text(encoding="utf-8"))
            shipped.pop("made_by")
        except (ValueError, KeyError, AttributeError) as error:
            raise InputError(f"{description}: not a table's description ({error}); install nas-exp again") from None
        if {**shipped, **ignored} == {**identity, **ignored}:
            return shipped
    return None


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))
