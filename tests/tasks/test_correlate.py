"""What task=correlate says of what it cannot tell."""

import logging
from pathlib import Path

import pytest

from nas_exp.notebook import configure
from nas_exp.tasks.correlate import run


def test_a_dash_is_explained_by_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    summary = run(configure("task=correlate", "metric=synflow"), tmp_path, top=0.1)
    assert summary["rho_test_acc"] is None
    (message,) = caplog.messages
    assert "of 15625 scored architectures have a finite score and 0 a test accuracy, 15,625 a validation acc" in message
