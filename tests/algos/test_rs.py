import numpy as np

from nas_exp.algos import rs
from nas_exp.spaces.topology import TopologySpace


def test_random_search_scores_n_different_architectures_in_the_order_drawn() -> None:
    trajectory = rs.search(
        lambda archs: [float(arch) for arch in archs], TopologySpace(), np.random.default_rng(1), N=500
    )
    assert len(set(trajectory.arch_index.tolist())) == 500
    assert trajectory.score.tolist() == trajectory.arch_index.astype(float).tolist()


def test_random_search_over_the_whole_space_finds_the_best() -> None:
    space = TopologySpace()
    trajectory = rs.search(
        lambda archs: [-abs(arch - 77.0) for arch in archs], space, np.random.default_rng(0), N=len(space)
    )
    assert trajectory.arch_index[trajectory.incumbent()[-1]] == 77


def test_the_generator_decides_what_is_drawn() -> None:
    def draw(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return rs.search(lambda archs: [0.0] * len(archs), TopologySpace(), rng, N=50).arch_index.tolist()

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
