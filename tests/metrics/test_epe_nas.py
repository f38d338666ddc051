import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.metrics import Batch
from nas_exp.metrics.backward import Forward
from nas_exp.metrics.epe_nas import epe_nas, score_of_classes
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from tests.metrics.backward_reference import image_gradients
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(gradients: np.ndarray, labels: list[int], classes: int) -> float:
    """Pair by pair of images, as the definition reads."""
    scores = []
    for label in sorted(set(labels)):
        rows = [row for row, own in zip(gradients, labels, strict=True) if own == label]
        if classes > 100 and len(rows) == 1:
            continue
        total = 0.0
        for a in rows:
            for b in rows:
                total += math.log(abs(1.0 if a is b else np.corrcoef(a, b)[0, 1]) + 1e-5)
        scores.append(total / len(rows) if classes > 100 else total)
    if classes <= 100:
        return sum(abs(score) for score in scores)
    return sum(abs(a - b) for a in scores for b in scores) / max(1, len(scores))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_correlations_between_pairs_of_a_class(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed, 16)
    gradients = image_gradients(network, batch.images).numpy()
    expected = reference(gradients, batch.labels.tolist(), 10) if gradients.any() else math.nan
    assert epe_nas(network, batch) == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.filterwarnings("error")
@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=12), classes=st.sampled_from([10, 100, 101, 120]))
def test_many_classes_are_compared_with_each_other(labels: list[int], classes: int) -> None:
    gradients = torch.randn(len(labels), 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = reference(gradients.numpy(), labels, classes)
    assert score_of_classes(gradients, torch.tensor(labels), classes) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_works_on_any_network() -> None:
    batch = random_batch(0, 16)
    expected = reference(image_gradients(other_network(), batch.images).numpy(), batch.labels.tolist(), 10)
    assert epe_nas(other_network(), batch) == pytest.approx(expected, rel=1e-6)


def test_both_forms_know_the_number_of_classes() -> None:
    network, batch = cell_network((3,) * 6, 0), random_batch(0)
    assert [
        Forward(form, batch, images=True).image_gradients().num_classes for form in (network, cell_network_of(network))
    ] == [10, 10]


def test_is_not_a_number_where_no_path_leads_from_input_to_output() -> None:
    assert math.isnan(epe_nas(cell_network((0,) * 6, 0), random_batch(0)))


def test_does_not_depend_on_the_order_of_the_images() -> None:
    network, batch = cell_network((3, 2, 1, 4, 3, 2), 0), random_batch(0, 16)
    backwards = Batch(batch.images.flip(0), batch.labels.flip(0))
    assert epe_nas(network, backwards) == pytest.approx(epe_nas(network, batch), rel=1e-6)
