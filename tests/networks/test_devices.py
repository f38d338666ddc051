"""Spreading processes over devices. No GPU is needed: what counts is who takes which."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nas_exp.errors import InputError
from nas_exp.networks import devices
from nas_exp.networks.devices import resolve

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
