"""Spreading processes over devices. No GPU is needed: what counts is who takes which."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.networks import devices
from nas_exp.networks.devices import KINDS, computing_on, computing_seconds, resolve
from nas_exp.notebook import configure

TAKE = """
import sys
from pathlib import Path
from nas_exp.networks.devices import take
print(take(sys.argv[2:], folder=Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def start(folder: Path, *names: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def taken(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_processes_spread_evenly_and_give_back_what_they_took(tmp_path: Path) -> None:
    processes = [start(tmp_path, "a", "b", "c") for _ in range(6)]
    places = [taken(process) for process in processes]
    assert Counter(places) == {0: 2, 1: 2, 2: 2}
    gone = places.index(1)
    processes[gone].kill()
    processes[gone].wait()
    processes.append(start(tmp_path, "a", "b", "c"))
    assert taken(processes[-1]) == 1
    # a process that sees other devices under other numbers
    processes.append(start(tmp_path, "d", "a"))
    assert taken(processes[-1]) == 0
    for process in processes:
        process.communicate()


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"GPU-{number}"))
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    resolve.cache_clear()


@pytest.mark.usefixtures("two_gpus")
def test_a_process_stays_with_the_gpu_that_it_took() -> None:
    assert resolve("cuda:auto") == "cuda:0"
    assert resolve("cuda:auto") == "cuda:0"
    resolve.cache_clear()  # as in another process
    assert resolve("cuda:auto") == "cuda:1"


@pytest.mark.usefixtures("two_gpus")
def test_a_device_that_is_named_is_taken_at_its_word() -> None:
    assert [resolve(device) for device in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]
    with pytest.raises(InputError, match=r"^device=cuda:2: torch finds 2 CUDA devices here; expected cuda:0 to cuda:1"):
        resolve("cuda:2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_none_is_taken() -> None:
    resolve.cache_clear()
    with pytest.raises(InputError, match=r"^device=cuda:auto: torch finds no CUDA device here; expected cpu"):
        resolve("cuda:auto")


@pytest.mark.parametrize("device", ["cpu", "cpu:0", "cuda", "cuda:11", "cuda:auto", "mps", "mps:0", "xpu", "xpu:3"])
def test_a_device_that_torch_computes_on_may_be_configured(device: str) -> None:
    assert configure(f"device={device}").device == device
    if device != "cuda:auto":
        assert str(torch.device(device)) == device


@pytest.mark.parametrize(
    "device",
    [
        "gpu",
        "CUDA",
        "cuda:-1",
        "cuda:01",
        "cuda:1e1",
        "cuda:١",
        "cuda: 1",
        "meta",
        "vulkan",
        "mps:auto",
        "auto",
        "cpu.0",
    ],
)
def test_what_is_no_such_device_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=f"^device={device}: expected cpu, cuda, mps, xpu, one of several as cuda:N"):
        configure(f"device='{device}'")


@given(
    counts=st.fixed_dictionaries({kind: st.integers(0, 3) for kind in KINDS if kind != "cpu"}),
    kind=st.sampled_from(KINDS),
    number=st.none() | st.integers(0, 4),
)
def test_a_device_is_taken_where_it_is_there_and_else_told_what_is(
    counts: dict[str, int], kind: str, number: int | None
) -> None:
    device = kind if number is None else f"{kind}:{number}"
    with pytest.MonkeyPatch.context() as patch:
        for other, count in counts.items():
            patch.setattr(getattr(torch, other), "is_available", lambda count=count: count > 0)
            patch.setattr(getattr(torch, other), "device_count", lambda count=count: count)
        resolve.cache_clear()
        there = {"cpu": 1, **counts}
        if (number or 0) < there[kind]:
            assert resolve(device) == device
            return
        with pytest.raises(InputError) as raised:
            resolve(device)
    expected = str(raised.value).rpartition("; expected ")[2]
    if there[kind]:
        assert expected in (kind, f"{kind}:0 to {kind}:{there[kind] - 1}")
    else:
        assert expected == " or ".join(other for other in KINDS if there[other])


REFUSALS = [
    TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."),
    NotImplementedError("The operator 'aten::unfold' is not currently implemented for the MPS device.\nDo this."),
    RuntimeError("Required aspect fp64 is not supported on the device"),
]


@pytest.mark.parametrize("error", REFUSALS)
def test_what_a_device_cannot_compute_is_one_line_and_other_errors_stay(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"^device=mps: torch cannot compute this there \(.*\); expected cpu$"),
        computing_on("mps"),
    ):
        raise error
    for device in ("cpu", "cuda:0"):
        with pytest.raises(type(error)) as raised, computing_on(device):
            raise error
        assert raised.value is error
    with pytest.raises(TypeError, match="unexpected keyword"), computing_on("mps"):
        raise TypeError("search() got an unexpected keyword argument")


@pytest.mark.parametrize("device", ["mps:0", "xpu:1", "cuda:2"])
def test_seconds_are_read_when_the_device_is_done(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    module = getattr(torch, device.partition(":")[0])
    monkeypatch.setattr(module, "synchronize", lambda *given: waited.append(device))
    assert computing_seconds(device) <= computing_seconds(device)
    assert waited == [device, device]
