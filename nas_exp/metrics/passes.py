"""Metrics that are functions of the result of a pass, which several of them can share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nas_exp.metrics import Batch
from nas_exp.metrics.backward import Forward, image_gradients, loss_gradients
from nas_exp.metrics.hamming_kernel import similarity
from nas_exp.networks.devices import computing_seconds
from nas_exp.networks.interface import AnyNetwork

Pass = Callable[..., Any]
"""Takes a network, a mini-batch and options that add to its result. The options of all metrics are united."""


class PassMetric:
    """A metric that is a function of the result of a pass. Called like any metric, it runs the pass itself."""

    def __init__(self, of: Callable[..., float], run: Pass, options: Mapping[str, bool]) -> None:
        """Take over name, docstring and keyword-only parameters of the function.

        Args:
            of: takes the result of the pass, and the metric's own parameters by keyword.
            run: the pass.
            options: what the result must have beyond what it always has.
        """
        functools.update_wrapper(self, of)
        own = [each for each in inspect.signature(of).parameters.values() if each.kind is each.KEYWORD_ONLY]
        given = [*inspect.signature(run).parameters.values()][:2]  # the network, with the forms it can have; the batch
        self.__signature__ = inspect.Signature([*given, *own])
        self.of, self.run, self.options = of, run, dict(options)

    def __call__(self, network: AnyNetwork, batch: Batch, **arguments: Any) -> float:
        """Run the pass and return the score."""
        return self.of(self.run(network, batch, **self.options), **arguments)


def computed_from(run: Pass, **options: bool) -> Callable[[Callable[..., float]], PassMetric]:
    """Make a metric of a function of the result of a pass.

    Any function of a network and a mini-batch can be the pass. Metrics that name the same one share it.
    """
    return lambda of: PassMetric(of, run, options)


def run_passes(
    network: AnyNetwork, batch: Batch, wanted: Mapping[Pass, Mapping[str, bool]]
) -> dict[Pass, tuple[Any, float]]:
    """Run several passes on one network and mini-batch, on one forward pass as far as they can share it.

    Args:
        network: any network.
        batch: the mini-batch.
        wanted: the passes, with their options.

    Returns:
        The result of each pass and the seconds that it took: what is shared counts in full for each that needs it.
    """
    found: dict[Pass, tuple[Any, float]] = {}
    device = str(batch.images.device)
    if len(wanted.keys() & {loss_gradients, image_gradients, similarity}) > 1:
        found = _on_one_forward(network, batch, wanted)
    for run, options in wanted.items():
        if run not in found:
            start = computing_seconds(device)
            yielded = run(network, batch, **options)
            found[run] = yielded, computing_seconds(device) - start
    return found


def _on_one_forward(
    network: AnyNetwork, batch: Batch, wanted: Mapping[Pass, Mapping[str, bool]]
) -> dict[Pass, tuple[Any, float]]:
    device = str(batch.images.device)
    start = computing_seconds(device)
    forward = Forward(
        network,
        batch,
        weights=loss_gradients in wanted,
        images=image_gradients in wanted,
        codes=similarity in wanted,
        **wanted.get(loss_gradients, {}),
    )
    forward_seconds = computing_seconds(device) - start
    found = {}
    for run, backward in (
        (loss_gradients, lambda: forward.loss_gradients(keep=image_gradients in wanted)),
        (image_gradients, forward.image_gradients),
        (similarity, forward.similarity),
    ):
        if run in wanted:
            start = computing_seconds(device)
            yielded = backward()
            found[run] = yielded, forward_seconds + computing_seconds(device) - start
    return found
