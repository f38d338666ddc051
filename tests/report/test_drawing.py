"""Figures are ours whatever settings a user has, and one that fails costs nothing else."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from nas_exp.report import job_figures
from nas_exp.report.drawing import draw
from nas_exp.report.job_figures import plot_trajectories
from tests.conftest import ROOT

DRAW = """
import hashlib, sys
from pathlib import Path
from nas_exp.report.canvas import import_matplotlib
from nas_exp.report.drawing import draw
import_matplotlib()
import scikit_posthocs
draw(Path("drawn"), "a", lambda canvas: canvas.subplots().loglog([1, 9], [1, 90]), (2, 2), title="", alt="", note="")
print(hashlib.sha256(b"".join(Path("drawn", name).read_bytes() for name in ("a.png", "a.svg"))).hexdigest())
"""
CURVES = {"validation": [np.array([50.0, 60.0, 70.0])], "test": [np.array([40.0, 50.0, 60.0])]}
SETTINGS = {
    "none": b"",
    "usetex": b"text.usetex: True\n",
    "sizes": b"figure.dpi: 1e9\nsavefig.dpi: 10\nlines.linewidth: 20\nfont.size: 3\naxes.facecolor: red\n",
    "unreadable": b"\xff\xfe: \xff\n",
    "nonsense": b"backend: nonsense\nno colon\nno.key: 1\n",
}


def fill(canvas: Figure) -> None:
    canvas.subplots().plot([1, 2], label="b")


def in_an_interpreter(folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_no_settings_of_a_user_change_a_figure(tmp_path: Path) -> None:
    found = set()
    for name, text in SETTINGS.items():
        for place in (".", "home/.config/matplotlib", "elsewhere"):
            folder = tmp_path / name / place.replace("/", "-")
            (folder / place).mkdir(parents=True)
            (folder / place / "matplotlibrc").write_bytes(text)
            given = {"MATPLOTLIBRC": "elsewhere"} if place == "elsewhere" else {"HOME": str(folder / "home")}
            found.add(in_an_interpreter(folder, MPLBACKEND="module://matplotlib_inline.backend_inline", **given))
    os.mkfifo(tmp_path / "matplotlibrc")
    found.add(in_an_interpreter(tmp_path, MPLBACKEND="nonsense"))
    assert len(found) == 1


def other_values() -> Iterator[tuple[str, object]]:
    """Yield settings that are not the usual ones."""
    for key, value in mpl.rcParamsDefault.items():
        if isinstance(value, bool):
            yield key, not value
        elif isinstance(value, float) and value > 0 and not key.startswith(("animation", "image.lut")):
            yield key, value / 3


def test_figures_do_not_depend_on_what_the_process_has_set(tmp_path: Path) -> None:
    drawn = []
    for changed in ({}, dict(other_values())):
        folder = tmp_path / str(len(changed))
        with mpl.rc_context():
            for key, value in changed.items():
                mpl.rcParams._set(key, value)  # type: ignore[arg-type]
            before = dict(mpl.rcParams)
            draw(folder, "a", fill, (2, 2), title="", alt="", note="")
            plot_trajectories(folder / "b.png", CURVES, title="a")
            assert dict(mpl.rcParams) == before
        drawn.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert len(drawn[0]) == 3
    assert drawn[0] == drawn[1]


def test_a_figure_that_fails_is_told_and_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no font\nat all")

    monkeypatch.setattr(job_figures, "_draw", fail)
    plot_trajectories(tmp_path / "a.png", CURVES, title="a")
    assert caplog.messages == [f"{tmp_path}/a.png: is not drawn: RuntimeError: no font at all"]
    assert not list(tmp_path.iterdir())


def test_a_large_figure_has_fewer_pixels(tmp_path: Path) -> None:
    for side, expected in ((2.0, 400), (60.0, 7071)):
        figure = draw(tmp_path, "a", lambda canvas: None, (side, side), title="", alt="", note="")
        header = figure.svg.with_suffix(".png").read_bytes()[16:24]
        assert int.from_bytes(header[:4]) == int.from_bytes(header[4:]) == expected


AGREE = """
import resource
from pathlib import Path
import numpy as np
from nas_exp.notebook import configure
from nas_exp.report.proxies import RankedMetrics
from nas_exp.report.proxy_figures import agreement_figure
from nas_exp.report.sweep import FinishedJob, FinishedSweep
names = ["accuracy", *(f"metric_{number} (P=${number})" for number in range(200))]
drawn = np.random.default_rng(0).normal(size=(len(names), 300))
sweep = FinishedSweep(Path(), "correlate", [FinishedJob(Path(), configure(), {})])
agreement_figure(Path(), sweep, "cifar10", RankedMetrics([], None, "", names, np.corrcoef(drawn)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_two_hundred_metrics_fit_into_a_gigabyte(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", AGREE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert int(done.stdout) < 1000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 60
