"""How fast architectures are scored: `python perf/scoring.py [--archs N] [--json FILE] [--suite | --profile METRIC]`.

Measures, in one run and on the same random architectures (batch 128, CIFAR-10 shapes): the plain forms of the metrics
on two threads, our convolutions alone, and ours in one process and in two, one thread each. Prints medians and ratios.
Then the metrics of `metric=suite`, each alone and all together, on fewer architectures with batches of 64: wall and
processor time of one thread. Run it on a machine that does nothing else. With --suite it measures that alone, on a GPU
with --device cuda, in several processes at once with --n-jobs; with --profile it prints instead where the time of one
metric goes.
"""

import argparse
import dataclasses
import json
import platform
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402

from nas_exp.config.types import Metric  # noqa: E402
from nas_exp.datasets.images import MiniBatch  # noqa: E402
from nas_exp.metrics import Batch  # noqa: E402
from nas_exp.networks.cell_graph import NOR_CONV_3X3, effective_cell, first_equal  # noqa: E402
from nas_exp.networks.modules import Network, initialise  # noqa: E402
from nas_exp.networks.settings import keep_freed_memory  # noqa: E402
from nas_exp.scoring.compute import compute  # noqa: E402
from nas_exp.scoring.recipe import Recipe  # noqa: E402
from nas_exp.spaces.space import Dataset  # noqa: E402
from nas_exp.spaces.topology import TopologySpace  # noqa: E402
from perf import reference  # noqa: E402

SIZES = {"C": 16, "N": 5, "num_classes": 10}
SPACE = TopologySpace(C=16, N=5)
BATCH_SIZE, IMAGE_SIZE = 128, 32
PLAIN: dict[str, list[tuple[str, Callable[[Any, Batch], float]]]] = {
    "relu": [("per layer", reference.relu_per_layer), ("concatenated", reference.relu_concatenated)],
    "naswot": [("per layer", reference.relu_per_layer)],
    "synflow": [("backward", reference.synflow)],
    "grad_norm": [("backward", reference.grad_norm)],
}
SUITE_BATCH_SIZE = 64
SUITE_ARCHS = 10
REPEATS = {"synflow": 10}
"""Where all architectures together take too short a time to be measured once."""

Row = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time the scoring of architectures.")
    parser.add_argument("--archs", type=int, default=24, help="how many random architectures (24)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--profile", choices=PLAIN, help="print where the time of this metric goes, and nothing else")
    parser.add_argument("--suite", action="store_true", help="measure the metrics of metric=suite, and nothing else")
    parser.add_argument("--device", default="cpu", help="where --suite computes: cpu (default), cuda, cuda:N")
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[], help="of --suite: in so many processes, too")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not arguments.suite:
        parser.error("--device is for --suite: the plain forms are measured on the CPU")
    if arguments.n_jobs and not arguments.suite:
        parser.error("--n-jobs is for --suite: the others are measured in one process and in two")
    archs = random_architectures(arguments.archs)
    batch = random_batch()
    if arguments.profile:
        profile(recipe(arguments.profile, batch), archs)
        return
    recipes = suite_recipes(arguments.device)
    suite = measure_suite(recipes, archs[:SUITE_ARCHS])
    if arguments.suite:
        report_suite(suite)
        for n_jobs in arguments.n_jobs:
            seconds = measure_at_once([*recipes.values()], archs[:SUITE_ARCHS], n_jobs)
            print(f"{f'all, n_jobs={n_jobs}':<20} {seconds:6.3f} s")
        return
    ours = {metric: recipe(metric, batch) for metric in PLAIN}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        # twice, and at the same time, so that each worker gets one
        for warm in [workers.submit(warm_up, list(ours.values())) for _ in range(2)]:
            warm.result()
        plain = {metric: measure_plain(metric, archs, batch) for metric in PLAIN}
        alone = [convolutions_alone(arch, batch) for arch in archs]
        single = {metric: workers.submit(measure_ours, ours[metric], archs).result() for metric in PLAIN}
        pair = {metric: measure_pair(workers, ours[metric], archs, REPEATS.get(metric, 1)) for metric in PLAIN}
        memory = max(workers.submit(peak_memory).result() for _ in range(4))
    floors = {"relu": [forward for forward, _ in alone], "grad_norm": [sum(both) for both in alone]}
    floors["naswot"] = floors["relu"]
    rows = [summarise(metric, plain[metric], single[metric], pair[metric], floors.get(metric)) for metric in PLAIN]
    report(rows, memory, len(archs))
    report_suite(suite)
    if arguments.json:
        figures = {"rows": rows, "peak_mb": memory, "archs": archs, "suite": suite}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def random_architectures(count: int) -> list[int]:
    """Draw architectures that are different networks, as a scoring run would not compute one twice."""
    drawn = first_equal()
    drawn = drawn[np.random.default_rng(0).permutation(len(drawn))]
    return list(dict.fromkeys(drawn.tolist()))[:count]


def random_batch(size: int = BATCH_SIZE) -> MiniBatch:
    """Draw images of the right shape; what is on them makes no difference to the time."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((size, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    return MiniBatch(images, rng.integers(0, 10, size), digest=f"random {size}")


def recipe(name: str, batch: MiniBatch, device: str = "cpu") -> Recipe:
    """Return what scoring with the metric of that name in conf/ means."""
    file = OmegaConf.load(ROOT / "conf/metric" / f"{name}.yaml")
    file.seed = 0
    node: Any = OmegaConf.to_container(file, resolve=True)
    node["target"] = node.pop("_target_")
    own = {key: node.pop(key) for key in list(node) if key not in {field.name for field in dataclasses.fields(Metric)}}
    metric = Metric(**node, arguments=own)
    key, images = f"{name} {batch.digest} {device}", Dataset(SIZES["num_classes"], IMAGE_SIZE)
    used = batch if metric.input == "images" else None
    return Recipe(key, metric, SPACE, images, used, device)


def suite_recipes(device: str) -> dict[str, Recipe]:
    """Return what scoring with each metric of `metric=suite` means, by its name.

    Metrics that ask for more images than SUITE_BATCH_SIZE get as many, so that all of the larger ones can share their
    passes.
    """
    members: Any = OmegaConf.load(ROOT / "conf/metric/suite.yaml").members
    batches: dict[int, MiniBatch] = {}
    recipes = {}
    for name in members:
        asked = OmegaConf.load(ROOT / "conf/metric" / f"{name}.yaml").batch_size
        size = min(asked or SUITE_BATCH_SIZE, SUITE_BATCH_SIZE)
        batches.setdefault(size, random_batch(size))
        if name != "naswot":  # which is relu's table
            recipes[name] = recipe(name, batches[size], device)
    return recipes


def measure_suite(recipes: dict[str, Recipe], archs: list[int]) -> list[Row]:
    """Return seconds a network of each metric, alone, and of all together.

    Wall time, and the time of the processor, which other work on the machine does not add to.
    """
    images = {name: each for name, each in recipes.items() if each.batch is not None}
    rows = []
    together = {"images": [*images.values()], "all": [*recipes.values()]}
    for name, some in ({name: [each] for name, each in recipes.items()} | together).items():
        warm_up_together(some)
        wall, processor = time.perf_counter(), time.process_time()
        for _ in compute([(each, archs) for each in some], n_jobs=1):
            pass
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        rows.append({"metric": name, "seconds": wall / len(archs), "processor_seconds": processor / len(archs)})
    return rows


def report_suite(rows: list[Row]) -> None:
    """Print what each metric takes alone, and what all take together."""
    print(f"{SUITE_ARCHS} random architectures, batch {SUITE_BATCH_SIZE} or less, one thread; seconds a network")
    names = {"images": "together, of images", "all": "together, all"}
    for row in rows:
        name = names.get(row["metric"], row["metric"])
        print(f"{name:<20} {row['seconds']:6.2f} s, {row['processor_seconds']:6.2f} s of the processor")
    all_networks = first_equal()
    distinct, size = len(np.unique(all_networks)), len(all_networks)
    of_space = rows[-1]["seconds"] * distinct / size
    print(f"{distinct} of the space's {size} networks are different: {of_space:.2f} s a network of a whole table")


def measure_at_once(recipes: list[Recipe], archs: list[int], n_jobs: int) -> float:
    """Return seconds of wall time a network when as many processes score architectures by all metrics at once."""
    context = get_context("spawn")
    # a process that fails to warm up ends the others, which would wait for it
    workers = ProcessPoolExecutor(n_jobs, mp_context=context, initializer=warm_up_together, initargs=(recipes,))
    with context.Manager() as manager, workers:
        ready = manager.Barrier(n_jobs)
        # each in another order, so that they do not do the same thing at the same moment
        lists = [archs[first % len(archs) :] + archs[: first % len(archs)] for first in range(n_jobs)]
        done = [workers.submit(score_when_all_are_ready, recipes, part, ready) for part in lists]
        return max(each.result() for each in done) / (n_jobs * len(archs))


def score_when_all_are_ready(recipes: list[Recipe], archs: list[int], ready: threading.Barrier) -> float:
    """Wait for the other processes, and return the seconds that scoring takes."""
    ready.wait()
    start = time.perf_counter()
    list(compute([(each, archs) for each in recipes], n_jobs=1))
    return time.perf_counter() - start


def warm_up_together(recipes: list[Recipe]) -> None:
    """Score the largest network with all metrics at once, in a process that is set up as the program's are."""
    keep_freed_memory()
    largest = [SPACE.index((NOR_CONV_3X3,) * 6)]
    for _ in range(2):  # so that memory has its final size
        list(compute([(each, largest) for each in recipes], n_jobs=1))


def warm_up(recipes: list[Recipe]) -> None:
    """Import, draw the weights, and score the largest network with each metric."""
    for each in recipes:
        warm_up_together([each])


def profile(each: Recipe, archs: list[int]) -> None:
    """Print the milliseconds a network of torch's operations, and of everything else (K_H, Python)."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    warm_up([each])
    alone = statistics.mean(measure_ours(each, archs))
    with torch_profile(activities=[ProfilerActivity.CPU]) as profiler:
        list(compute([(each, archs)], n_jobs=1))
    operations = sorted(profiler.key_averages(), key=lambda row: -row.self_cpu_time_total)
    for row in operations[:15]:
        calls, milliseconds = row.count / len(archs), row.self_cpu_time_total / 1e3 / len(archs)
        print(f"{row.key:<40} {calls:7.1f} calls {milliseconds:8.1f} ms a network")
    torchs = sum(row.self_cpu_time_total for row in operations) / 1e3 / len(archs)
    print(f"all of torch's operations, profiled: {torchs:.1f} ms; a whole network, not profiled: {alone:.1f} ms")


def measure_ours(each: Recipe, archs: list[int], repeats: int = 1) -> list[float]:
    """Return milliseconds of wall time a network, in this process."""
    times = []
    for arch in archs * repeats:
        start = time.perf_counter()
        list(compute([(each, [arch])], n_jobs=1))
        times.append(1e3 * (time.perf_counter() - start))
    return times


def measure_pair(workers: ProcessPoolExecutor, each: Recipe, archs: list[int], repeats: int) -> float:
    """Return milliseconds of wall time a network when two processes score at the same time."""
    lists = [archs, archs[::-1]]  # in opposite order, so that they do not do the same thing at the same moment
    start = time.perf_counter()
    done = [workers.submit(measure_ours, each, part, repeats) for part in lists]
    for future in done:
        future.result()
    return 1e3 * (time.perf_counter() - start) / (repeats * sum(map(len, lists)))


def measure_plain(metric: str, archs: list[int], images: MiniBatch) -> dict[str, list[float]]:
    """Return milliseconds a network for each plain form of a metric, on two threads, construction included."""
    torch.set_num_threads(2)
    batch = Batch(torch.from_numpy(images.images), torch.from_numpy(images.labels))
    if metric == "synflow":
        batch = Batch(torch.ones(1, 3, IMAGE_SIZE, IMAGE_SIZE), torch.zeros(1, dtype=torch.int64))
    times: dict[str, list[float]] = {}
    for form, function in PLAIN[metric]:
        for arch in [archs[0], *archs]:  # the first once more, to warm up
            start = time.perf_counter()
            network = Network(SPACE.options(arch), **SIZES)
            initialise(network, 0)
            function(network, batch)
            times.setdefault(form, []).append(1e3 * (time.perf_counter() - start))
        del times[form][0]
    return times


def convolutions_alone(arch: int, images: MiniBatch) -> tuple[float, float]:
    """Return the milliseconds that the convolutions of our form take on one thread, on inputs as they see them.

    Forward, and backward for the gradients of weights and inputs.
    """
    torch.set_num_threads(1)
    network = Network(SPACE.options(arch), **SIZES)
    initialise(network, 0)
    live = {edge for edge, _, _ in effective_cell(SPACE.options(arch)).computed}
    for block in network.blocks:
        for number, edge in enumerate(getattr(block, "edges", ())):
            if number not in live and any(edge.children()):
                edge.forward = lambda x: x * 0.0  # dead: not computed by us either
    layers = [
        (layer, x.contiguous(memory_format=torch.channels_last).requires_grad_(x.shape[1] > 3))
        for layer, x in reference.convolutions_alone(network, Batch(torch.from_numpy(images.images), torch.empty(0)))
    ]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = backward = 0.0
    for layer, x in layers:
        inputs = [each for each in (x, *layer.parameters()) if each.requires_grad]
        upstream = torch.ones_like(layer(x))
        start = time.perf_counter()
        output = layer(x)
        middle = time.perf_counter()
        torch.autograd.grad(output, inputs, upstream)
        forward, backward = forward + middle - start, backward + time.perf_counter() - middle
    return 1e3 * forward, 1e3 * backward


def peak_memory() -> float:
    """Return this process's largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def summarise(
    metric: str, plain: dict[str, list[float]], single: list[float], pair: float, floor: list[float] | None
) -> Row:
    """Reduce the measurements of a metric to medians and ratios."""
    row: Row = {"metric": metric, "one_process_ms": statistics.median(single), "two_processes_ms": pair}
    row["two_over_one"] = statistics.mean(single) / pair
    for form, times in plain.items():
        row[f"plain {form} ms"] = statistics.median(times)
        # per-network means on both sides, since two processes can only be timed over all of them
        row[f"faster than {form}"] = statistics.mean(times) / pair
    if floor is not None:
        row["convolutions_ms"] = statistics.median(floor)
        row["over_convolutions"] = statistics.median(ours / alone for ours, alone in zip(single, floor, strict=True))
    return row


def report(rows: list[Row], memory: float, archs: int) -> None:
    """Print the figures."""
    print(
        f"{archs} random architectures, C=16, N=5, batch {BATCH_SIZE}, {IMAGE_SIZE}x{IMAGE_SIZE}; {platform.machine()}"
    )
    print(f"peak memory of a process: {memory:.0f} MB")
    for row in rows:
        print(
            f"{row['metric']:<10} one process {row['one_process_ms']:7.1f} ms/network, two processes "
            f"{row['two_processes_ms']:7.1f} ms/network = {1e3 / row['two_processes_ms']:5.1f} networks/s "
            f"({row['two_over_one']:.2f}x one)"
        )
        for key, value in row.items():
            if key.startswith("faster than"):
                form = key.removeprefix("faster than ")
                print(
                    f"{'':<10} {value:5.1f}x faster than plain, {form}, two threads: {row[f'plain {form} ms']:.1f} ms"
                )
            elif key == "over_convolutions":
                print(
                    f"{'':<10} {value:5.2f}x its convolutions alone: {row['convolutions_ms']:.0f} ms, one thread each"
                )


if __name__ == "__main__":
    main()
