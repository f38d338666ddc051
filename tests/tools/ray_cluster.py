"""A Ray cluster of two nodes on this machine: one core each, everything else their own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS_TO_START = 90.0


@dataclass
class RayCluster:
    """A head, which jobs are handed to, and another node."""

    address: str
    environment: Mapping[str, str]
    """What processes that talk to the cluster need in their environment."""
    head: "subprocess.Popen[bytes]"
    other: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def two_nodes() -> Iterator[RayCluster]:
    """Yield a running cluster; nothing of it is left when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # its sockets allow for short paths only
    environment = {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # how it knows clusters on the loopback address
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    }
    address = f"127.0.0.1:{_free_port()}"
    started: list[subprocess.Popen[bytes]] = []
    try:
        head = _start(
            ["--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false", f"--temp-dir={folder}"],
            environment, folder / "head.log", started,
        )  # fmt: skip
        _wait_for_nodes(address, 1, environment, started, folder)
        other = _start([f"--address={address}"], environment, folder / "other.log", started)
        _wait_for_nodes(address, 2, environment, started, folder)
        yield RayCluster(address, {**environment, "RAY_ADDRESS": address}, head, other)
    finally:
        for process in started:
            kill(process)
        shutil.rmtree(folder, ignore_errors=True)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a node at once, with all that runs on it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _start(
    arguments: list[str], environment: Mapping[str, str], log: Path, started: list["subprocess.Popen[bytes]"]
) -> "subprocess.Popen[bytes]":
    ray = Path(sys.executable).with_name("ray")
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [ray, "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1", *arguments],
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started.append(process)
    return process


def _wait_for_nodes(
    address: str, count: int, environment: Mapping[str, str], started: list["subprocess.Popen[bytes]"], folder: Path
) -> None:
    ask = (
        f"import ray; ray.init(address={address!r}, logging_level='ERROR'); "
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in started):
            break
        done = subprocess.run(
            [sys.executable, "-c", ask],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0 and done.stdout.strip().splitlines()[-1] == str(count):
            return
    told = "\n".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
    raise RuntimeError(f"the Ray cluster did not come to {count} nodes: {told}")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
