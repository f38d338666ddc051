"""Forked scripts are to a test what `python SCRIPT` is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import Forks


def run(forks: Forks, folder: Path, code: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    (folder / "script.py").write_text(code, encoding="utf-8")
    done = forks.run(str(folder / "script.py"), *arguments, cwd=folder, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def test_a_script_has_its_own_folder_arguments_environment_and_path(forks: Forks, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "print(os.getcwd(), sys.argv[1:], os.environ['MINE'], 'JE_ARROW_MALLOC_CONF' in os.environ, __name__,\n"
        "      sys.path[:2], sys.stdin.read(), sys.stdout.isatty(), {'nas_exp', 'tests'} & set(sys.modules))\n"
        "os.environ['MINE'] = 'altered'; sys.modules['nas_exp'] = os"
    )
    told = f"{tmp_path} ['a', 'b'] 1 False __main__ {[str(tmp_path), '/mine']}  False set()\n"
    for _ in range(2):
        assert run(forks, tmp_path, code, "a", "b", MINE="1", PYTHONPATH="/mine") == (0, told, "")


ENDS = {
    "print(1)": (0, "1\n", ""),
    "import sys; print(1, end=''); sys.exit(7)": (7, "1", ""),
    "import sys; sys.exit('why')": (1, "", "why"),
    "raise ValueError('why')": (1, "", "ValueError: why"),
    "import atexit; atexit.register(print, 'end')": (0, "end\n", ""),
    "import threading as t; t.Timer(0.1, print, ['end']).start()": (0, "end\n", ""),
    "import os; os.kill(os.getpid(), 9)": (-9, "", ""),
    "import os; os.kill(os.getpid(), 15)": (-15, "", ""),
    "import os; os.system('echo theirs; echo told >&2')": (0, "theirs\n", "told"),
}


@pytest.mark.parametrize("code", ENDS)
def test_a_script_ends_as_in_an_interpreter(forks: Forks, tmp_path: Path, code: str) -> None:
    forked = run(forks, tmp_path, code)
    new = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=False)
    for returncode, stdout, stderr in (forked, (new.returncode, new.stdout, new.stderr)):
        assert (returncode, stdout, stderr.strip().rpartition("\n")[2]) == ENDS[code]


def test_no_two_scripts_draw_the_same(forks: Forks, tmp_path: Path) -> None:
    code = "import random, numpy as np, tempfile; print(random.random(), np.random.rand(), tempfile.mktemp())"
    drawn = [run(forks, tmp_path, code)[1].split() for _ in range(2)]
    assert all(a != b for a, b in zip(*drawn, strict=True))


def test_several_run_at_once_and_can_be_interrupted(forks: Forks, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time\nprint('begin', flush=True)\ntime.sleep(60)", encoding="utf-8")
    both = [forks.start(str(tmp_path / "script.py"), cwd=tmp_path, env=os.environ) for _ in range(2)]
    assert [fork.poll() for fork in both] == [None, None]
    both[0].send_signal(signal.SIGTERM)
    both[1].kill()
    assert [fork.communicate(10)[0] for fork in both] in ([""] * 2, ["begin\n"] * 2, ["", "begin\n"], ["begin\n", ""])
    assert [fork.poll() for fork in both] == [-signal.SIGTERM, -signal.SIGKILL]
