"""The topology space as tests use it, and made-up accuracies of it."""

import numpy as np
import numpy.typing as npt

from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import COLUMNS, Benchmark, from_rows
from nas_exp.networks.cell_graph import all_specs
from nas_exp.scoring.scorer import TableScorer
from nas_exp.scoring.table import Scores
from nas_exp.spaces.topology import TopologySpace

TOPOLOGY = TopologySpace(C=16, N=5)
SIZE = len(TOPOLOGY)
spec_of_index, index_of_spec = TOPOLOGY.options, TOPOLOGY.index
str_of_index, index_of_str = TOPOLOGY.spell, TOPOLOGY.parse
SPECS: npt.NDArray[np.int64] = np.array(list(all_specs()))
"""The options of every architecture: shape (SIZE, 6)."""


def made_up(rng: np.random.Generator) -> Benchmark:
    """A benchmark that knows everything of every architecture."""
    columns = {column: rng.uniform(10, 90, SIZE) for column in COLUMNS}
    return from_rows("made up", "cifar10", TOPOLOGY, np.arange(SIZE), columns)


def table_scorer(score: FloatArray, seconds: FloatArray) -> TableScorer:
    """A scorer that knows every architecture."""
    return TableScorer(Scores(np.arange(SIZE), score, seconds), SIZE)
