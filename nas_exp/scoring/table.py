"""Score tables: the scores of one metric over the space, kept on disk as Parquet parts.

A table is a folder ``<dataset>/<metric>-<digest>/``. The digest is of the table's identity: everything that its scores
depend on, spelled out in the folder's ``_table.json``. The parts beside it (``part-*.parquet``: `arch_index`, `score`,
`seconds`) may come from any number of writers on any machines: they appear whole, are never changed, and are named by
what they say, so writing one twice or merging many loses nothing.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import nas_exp
from nas_exp.errors import InputError
from nas_exp.spaces.topology import SIZE, TopologySpace
from nas_exp.storage.damage import set_aside
from nas_exp.storage.parquet import read_columns, write_columns
from nas_exp.storage.seals import digest, write_json

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "shipped_scores"
"""Tables that come with the package, laid out as a user's own."""


@dataclass(frozen=True)
class Scores:
    """What is known of one metric over the space; all arrays have shape (15625,) and are indexed by `arch_index`."""

    known: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float64]
    """Higher is better; may be infinite or NaN where known; NaN where not."""
    seconds: npt.NDArray[np.float64]
    """What computing the score took; NaN where not known."""

    @classmethod
    def empty(cls) -> "Scores":
        """Nothing is known."""
        size = len(TopologySpace())
        return cls(np.zeros(size, dtype=bool), np.full(size, np.nan), np.full(size, np.nan))


class ScoreTable:
    """One table: a folder to write to, and a shipped folder of the same identity that is read as well."""

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        """Name the table; nothing is read or written yet.

        Args:
            root: the folder of all tables, `paths.scores`.
            identity: everything that the scores depend on; JSON values, with at least `dataset` and `metric`.
        """
        self.identity = dict(identity)
        place = Path(str(identity["dataset"])) / f"{identity['metric']}-{digest(identity)}"
        self.folder = root / place
        self._shipped = SHIPPED / place

    def read(self) -> Scores:
        """Read all parts there are. Where parts overlap, the first by name gives the seconds; scores are equal anyway.

        A part that is damaged is told, and set aside under another name, so that its scores count as missing.

        Raises:
            OSError: a part is there and cannot be read.
            InputError: a part that came with the package is damaged.
        """
        return _read_parts([part for folder in (self._shipped, self.folder) for part in _parts(folder)])

    def expected_seconds(self) -> npt.NDArray[np.float64]:
        """Return what computing each score should take, shape (15625,): NaN where nothing says.

        That is what it took, or what it took for a shipped table that differs in nothing that takes time.
        """
        seconds = self.read().seconds
        similar = shipped_identity(self.identity, but_for=("images", "seed", "version"))
        if similar is not None:
            seconds = np.where(np.isnan(seconds), ScoreTable(SHIPPED, similar).read().seconds, seconds)
        return seconds

    def prepare(self) -> None:
        """Make the folder and describe the table in it, so that what is in the way shows before any work is done.

        Raises:
            OSError: the folder cannot be written to.
        """
        description = {**self.identity, "made_by": f"nas-exp {nas_exp.__version__}"}
        write_json(self.folder / "_table.json", description, seal=False)

    def add(
        self,
        arch_index: Sequence[int],
        score: Sequence[float],
        seconds: Sequence[float],
        *,
        instead_of: Path | None = None,
    ) -> Path:
        """Write scores as one more part, sorted by architecture, to a table that has been prepared; return the part.

        Args:
            arch_index: the architectures.
            score: their scores.
            seconds: what each took.
            instead_of: a part whose scores are all among these, which is then removed.

        Raises:
            OSError: the folder cannot be written to.
        """
        order = np.argsort(np.asarray(arch_index), kind="stable")
        part = _write_part(
            self.folder,
            np.asarray(arch_index, dtype=np.int32)[order],
            np.asarray(score, dtype=np.float64)[order],
            np.asarray(seconds, dtype=np.float32)[order],
        )
        if instead_of is not None and instead_of != part:
            instead_of.unlink(missing_ok=True)
        return part

    def copy_shipped(self, arch_index: Sequence[int]) -> None:
        """Copy to the writable folder those of some scores that the package ships and the folder lacks.

        Raises:
            OSError: the folder cannot be written to.
        """
        shipped, own = _read_parts(_parts(self._shipped)), _read_parts(_parts(self.folder))
        copied = [arch for arch in arch_index if shipped.known[arch] and not own.known[arch]]
        if copied:
            self.prepare()
            self.add(copied, shipped.score[copied].tolist(), shipped.seconds[copied].tolist())

    def merge(self) -> None:
        """Merge the parts of the writable folder into one. Safe beside readers and other writers."""
        parts = _parts(self.folder)
        if len(parts) < 2:
            return
        merged, read = _read_and_list(parts)
        arch_index = np.flatnonzero(merged.known)
        if not len(arch_index):
            return  # all of them were damaged
        whole = _write_part(
            self.folder,
            arch_index.astype(np.int32),
            merged.score[arch_index],
            merged.seconds[arch_index].astype(np.float32),
        )
        # only those: what was damaged may be there again under the same name, made anew by another process
        for part in read:
            if part != whole:
                part.unlink(missing_ok=True)


def shipped_identity(identity: Mapping[str, Any], *, but_for: Sequence[str] = ("images",)) -> dict[str, Any] | None:
    """Return the identity of the shipped table that differs from `identity` in nothing but some keys, if there is one.

    But for its images: with it, whoever has no images still reads the scores that were computed from the project's.

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


def _write_part(
    folder: Path, arch_index: npt.NDArray[np.int32], score: npt.NDArray[np.float64], seconds: npt.NDArray[np.float32]
) -> Path:
    path = folder / _part_name(arch_index, score)
    write_columns(path, {"arch_index": arch_index, "score": score, "seconds": seconds})
    return path


def _part_name(arch_index: npt.NDArray[np.int32], score: npt.NDArray[np.float64]) -> str:
    content = hashlib.sha256(arch_index.tobytes() + score.tobytes()).hexdigest()[:16]
    return f"part-{arch_index[0]:05d}-{arch_index[-1]:05d}-{content}.parquet"


def _read_parts(parts: Sequence[Path]) -> Scores:
    return _read_and_list(parts)[0]


def _read_and_list(parts: Sequence[Path]) -> tuple[Scores, list[Path]]:
    """Return what parts say, and those of them that say it."""
    scores = Scores.empty()
    try:
        read = [part for part in reversed(parts) if _read_part(part, scores)]
    except FileNotFoundError:
        # Another process has merged this part between our listing and our reading: its rows stand elsewhere now.
        folders = dict.fromkeys(part.parent for part in parts)
        return _read_and_list([part for folder in folders for part in _parts(folder)])
    return scores, read


def _read_part(part: Path, scores: Scores) -> bool:
    """Read a part into what is known; return whether it is whole."""
    try:
        columns = _columns(part, part.name)
    except InputError as error:
        if part.is_relative_to(SHIPPED):
            raise InputError(f"{error}; install nas-exp again") from None
        if (told := set_aside(part, lambda aside: _columns(aside, part.name))) is not None:
            log.warning("%s%s; its scores count as missing", error, told)
        return False
    arch_index = columns["arch_index"]
    scores.known[arch_index] = True
    scores.score[arch_index] = columns["score"]
    scores.seconds[arch_index] = columns["seconds"]
    return True


def _columns(part: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    columns = read_columns(part, ("arch_index", "score", "seconds"))
    arch_index = columns["arch_index"]
    if not len(arch_index) or not 0 <= arch_index.min() <= arch_index.max() < SIZE:
        raise InputError(f"{part}: found architectures that are not in the space")
    if name != _part_name(arch_index, columns["score"]):
        raise InputError(f"{part}: does not hold the scores that its name says")
    return columns
