"""Python scripts in processes that start fast: forked from one that has imported the libraries, and none of our code.

Everything else is as for `python SCRIPT ARGUMENTS`: working directory, environment, `sys.path`, random state, standard
streams, signals, exit code, and what `atexit` and threads do at the end. Not so are hash seeds, which all forks share,
what is imported, memory, and how an interpreter takes itself apart: tests that are about those start an interpreter.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = (
    "hydra", "hydra.main", "hydra._internal.hydra", "hydra.core.plugins", "omegaconf", "yaml", "rich.console",
    "rich.progress", "numpy", "pyarrow", "pyarrow.parquet", "pyarrow.csv", "pandas", "scipy.stats", "scipy.optimize",
    "joblib", "torch", "torch.func", "torch.nn.utils.stateless", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg", "matplotlib.pyplot", "seaborn", "scikit_posthocs", "statsmodels.api", "jinja2",
    "optuna", "moocore", "simsimd",
)  # fmt: skip


class Fork:
    """A forked process, of which one uses what `subprocess.Popen` has of the same names."""

    def __init__(self, args: Sequence[str], results: socket.socket, outputs: Sequence[int]) -> None:
        self.args, self.returncode = args, None
        self._results, self._outputs, self._texts = results, outputs, dict[int, str]()
        self._readers = [threading.Thread(target=self._read, args=(output,)) for output in outputs]
        for reader in self._readers:
            reader.start()
        self.pid = self._receive()

    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._results], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return the exit code."""
        if self.returncode is None:
            self._results.settimeout(timeout)
            try:
                self.returncode = os.waitstatus_to_exitcode(self._receive())
            except TimeoutError as error:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0) from error
            self._results.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait until it has ended and all that could still write to its outputs; return them."""
        self.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        stdout, stderr = (self._texts[output] for output in self._outputs)
        return stdout, stderr

    def send_signal(self, sent: int) -> None:
        """Send it a signal."""
        if self.poll() is None:
            os.kill(self.pid, sent)

    def kill(self) -> None:
        """Kill it, and all that it has started in its process group."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self, output: int) -> None:
        with open(output, encoding="utf-8", errors="replace") as stream:
            self._texts[output] = stream.read()

    def _receive(self) -> int:
        received = self._results.recv(4, socket.MSG_WAITALL)
        if len(received) < 4:
            raise RuntimeError("the process that forks has died")
        return int.from_bytes(received, "little", signed=True)


class Forks:
    """Starts scripts by forking a server, which it starts when the first is asked for."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def start(self, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Fork:
        """Start a script as the leader of a process group of its own."""
        ours, theirs = socket.socketpair()
        reads, writes = zip(*(os.pipe() for _ in range(2)), strict=True)
        request = json.dumps({"argv": arguments, "cwd": str(cwd), "env": dict(env)}).encode()
        requests = self._connection()
        with theirs:
            fds = array.array("i", [0, *writes, theirs.fileno()])
            requests.sendmsg([len(request).to_bytes(4, "little")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            requests.sendall(request)
        for fd in writes:
            os.close(fd)
        return Fork(arguments, ours, reads)

    def run(
        self, *arguments: str, cwd: Path, env: Mapping[str, str], timeout: float = 600
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script; return the finished process."""
        fork = self.start(*arguments, cwd=cwd, env=env)
        try:
            stdout, stderr = fork.communicate(timeout)
        finally:
            fork.kill()
        return subprocess.CompletedProcess(list(arguments), fork.wait(), stdout, stderr)

    def close(self) -> None:
        """End the server."""
        if self._server is not None and self._requests is not None:
            self._requests.close()
            self._server.wait()

    def _connection(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair()
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    # Arrow's memory would be looked after by a thread, and a process that forks should have but one
                    env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
                    | {"OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"},
                    pass_fds=[theirs.fileno()],
                    stdout=subprocess.DEVNULL,
                )
        return self._requests


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork whenever asked to; return in each fork what it shall run, and None here when there is no more to do."""
    for library in LIBRARIES:
        importlib.import_module(library)
    threads = os.listdir("/proc/self/task") if sys.platform == "linux" else [""]
    if len(threads) > 1:
        raise RuntimeError("a process of several threads cannot be forked safely")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    children = 0
    while True:
        while children and os.waitpid(-1, os.WNOHANG)[0]:
            children -= 1
        head, fds, _, _ = socket.recv_fds(requests, 4, 4)
        if not head:
            return None
        request = requests.recv(int.from_bytes(head, "little"), socket.MSG_WAITALL)
        if _fork(fds[3]):
            for fd in fds:
                os.close(fd)
            children += 1
            continue
        # an interpreter started in the background of a shell would ignore it, as the shell does
        signal.signal(signal.SIGINT, signal.default_int_handler)
        requests.close()
        for number, fd in enumerate(fds[:3]):
            os.dup2(fd, number)
        for fd in fds:
            os.close(fd)
        told: dict[str, Any] = json.loads(request)
        return told


def _fork(results: int) -> int:
    """Fork a process that forks another, waits for it, and tells its process id and how it has ended.

    Returns:
        0 in the inner one, or the outer one's process id.
    """
    if outer := os.fork():
        return outer
    inner = os.fork()
    if not inner:
        os.setpgid(0, 0)
        return 0
    with contextlib.suppress(OSError):  # whoever is first
        os.setpgid(inner, inner)
    with contextlib.suppress(BrokenPipeError):
        os.write(results, inner.to_bytes(4, "little", signed=True))
        _, status = os.waitpid(inner, 0)
        os.write(results, status.to_bytes(4, "little", signed=True))
    os._exit(0)


def become(script: Sequence[str], cwd: str, env: Mapping[str, str]) -> None:
    """Make this process what a new interpreter would be."""
    import numpy as np

    # those of the server know their first outputs, whose positions they would ask these for
    out, err = sys.stdout, sys.stderr
    sys.stdout = open(1, "w", encoding=out.encoding, errors=out.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding=err.encoding, errors=err.errors, closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    places = env.get("PYTHONPATH", "")
    sys.path[:] = [str(Path(script[0]).parent), *(places.split(os.pathsep) if places else []), *sys.path[1:]]
    sys.argv[:] = script
    encoding, _, errors = env.get("PYTHONIOENCODING", "").partition(":")
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115 - as long as the process
            fd,
            "w",
            buffering=1 if fd == 2 or os.isatty(fd) else -1,
            encoding=encoding or "utf-8",
            errors=errors or ("strict" if fd == 1 else "backslashreplace"),
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    importlib.invalidate_caches()
    random.seed()
    np.random.seed()  # noqa: NPY002 - the global state is what would be shared


def run_as_main(path: str) -> int:
    """Run a script as an interpreter would, to the end; return the exit code."""
    code = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    task = serve(socket.socket(fileno=int(sys.argv[1])))
    if task is not None:
        become(task["argv"], task["cwd"], task["env"])
        # to take three thousand modules apart would take longer than most of what is run
        os._exit(run_as_main(task["argv"][0]))
