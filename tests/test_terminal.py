import logging
import os
import pty
import subprocess
import sys

import pytest

from nas_exp import terminal as module
from nas_exp.terminal import progress

SCRIPT = """
from nas_exp.terminal import progress
with progress("scoring [relu]", 40, "architectures") as advance:
    for _ in range(4):
        advance(10)
"""


def test_without_a_terminal_fast_work_logs_one_line_when_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nas_exp.terminal")
    with progress("scoring", 1000, "architectures") as advance:
        for _ in range(1000):
            advance(1)
    assert len(caplog.messages) == 1
    assert "scoring: 1000/1000 architectures" in caplog.messages[0]
    assert "architectures/s" in caplog.messages[0]


def test_without_a_terminal_slow_work_logs_count_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "nas_exp.terminal")
    monkeypatch.setattr(module, "LOG_EVERY_SECONDS", 0.0)
    with progress("scoring", 4, "architectures") as advance:
        advance(1)
        advance(2)
        advance(1)
    assert [message.split(" architectures")[0] for message in caplog.messages] == [
        "scoring: 1/4",
        "scoring: 3/4",
        "scoring: 4/4",
    ]
    assert caplog.messages[0].endswith(" left")
    assert " done in " in caplog.messages[-1]


def test_nothing_to_do_is_done_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nas_exp.terminal")
    with progress("scoring", 0, "architectures"):
        pass
    assert "0/0" in caplog.messages[0]


def test_an_interrupt_is_passed_on_and_says_how_far_the_work_came(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nas_exp.terminal")

    def interrupted_work() -> None:
        with progress("scoring", 5, "architectures") as advance:
            advance(2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_work()
    assert "2/5" in caplog.messages[0]


def test_on_a_terminal_a_bar_shows_count_and_rate_on_stderr() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stderr=theirs, stdout=subprocess.PIPE, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # how Linux says that the other end has been closed
            pass
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert process.returncode == 0
    assert "scoring [relu]" in shown.decode()
    assert "40/40" in shown.decode()
    assert "architectures/s" in shown.decode()


def test_without_a_terminal_rich_is_not_imported() -> None:
    check = SCRIPT + "import sys; print('rich' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert finished.stdout == "False\n"
