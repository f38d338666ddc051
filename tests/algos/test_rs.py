import numpy as np

from nas_exp.algos import rs
from tests.topology import TOPOLOGY


def test_random_search_scores_n_different_architectures_in_the_order_drawn() -> None:
    trajectory = rs.search(lambda archs: [float(arch) for arch in archs], TOPOLOGY, np.random.default_rng(1), N=500)
    assert len(set(trajectory.arch_index.tolist())) == 500
    assert trajectory.score.tolist() == trajectory.arch_index.astype(float).tolist()


def test_random_search_over_the_whole_space_finds_the_best() -> None:
    trajectory = rs.search(
        lambda archs: [-abs(arch - 77.0) for arch in archs], TOPOLOGY, np.random.default_rng(0), N=len(TOPOLOGY)
    )
    assert trajectory.arch_index[trajectory.incumbent()[-1]] == 77


def test_the_generator_decides_what_is_drawn() -> None:
    def draw(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return rs.search(lambda archs: [0.0] * len(archs), TOPOLOGY, rng, N=50).arch_index.tolist()

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
