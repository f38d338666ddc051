"""Reports on sweeps from elsewhere, which hold anything: none of it is run or looked up, and none ends a report."""

import csv
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nas_exp.errors import InputError
from nas_exp.report.document import to_csv, to_latex, to_markdown
from nas_exp.report.equal_cost import at_equal_cost
from nas_exp.report.reading import read_sweep
from nas_exp.report.search_tables import ablation_tables, search_tables
from nas_exp.storage.parquet import read_columns, write_columns
from nas_exp.storage.summary import read_summary, write_summary
from nas_exp.tasks.report import commands, facts
from tests.conftest import RunProgram
from tests.job_files import BASIC, only, own_algorithm

COLUMNS = ("run", "score", "best_arch_index", "val_acc", "test_acc", "seconds")
ODD: list[Any] = [
    None, True, -1, 0, 1.5, 10**18, 10**400, float("nan"), float("inf"), 1e308, "", "x", "nan", "..", "/etc",
    "a" * 5000, "\x1b[31m", "\ud800", "a\nb", "\0", "~nosuch/x",
    "=1+1", "$x$", "???", "${", "${seed}", "${oc.env:SECRET_OF_TESTS}",
    [], {}, [1, [2]], {"a": {"b": 1}}, "os.system", "nas_exp.tasks.report.run", "cuda:99", 2**63,
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(program_in: RunProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small sweep; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("sweep")
    done = program_in(folder, "-m", "algo=rs,rea", "algo.N=25", "runs=3", "name=small", BASIC)
    assert done.returncode == 0, done.stderr
    return folder / "multirun_sweeps/small"


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "multirun_sweeps/small"))


def write_yaml(file: Path, content: Any) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), errors="surrogatepass")


def changed(file: Path, change: Callable[[Any], None]) -> None:
    """Change a job's configuration, and seal the job again, as somebody could who means harm."""
    job, content = file.parents[1], yaml.safe_load(file.read_text())
    summary = read_summary(job)
    assert summary is not None
    change(content)
    write_yaml(file, content)
    write_summary(job, summary)


def places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    """Return the paths to all values in nested lists and mappings."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*path, key), *places(item, *path, key))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def spoil(sweep: Path, drawn: random.Random) -> str:
    """Change one thing in a sweep and, where it belongs to a job, seal the job again; return what it was."""
    job = drawn.choice(sorted(path.parent for path in sweep.glob("*/summary.json")))
    summary: Any = read_summary(job)
    kind = drawn.choice(["summary", "config", "config", "hydra", "runs", "trajectory", "jobs", "multirun", "file"])
    odd = drawn.choice(ODD)
    if kind == "summary":
        summary[drawn.choice([*summary])] = odd
    elif kind in ("config", "hydra", "multirun"):
        file = sweep / "multirun.yaml" if kind == "multirun" else job / f".hydra/{kind}.yaml"
        content = yaml.safe_load(file.read_text())
        read = [place for place in places(content) if kind == "config" or {*place} & {"overrides", "runtime"}]
        put(content, drawn.choice(read), odd)
        write_yaml(file, content)
    elif kind == "runs":
        with open(job / "runs.csv", encoding="utf-8") as file_:
            rows = list(csv.reader(file_))
        put(rows, (drawn.randrange(len(rows)), drawn.randrange(len(rows[0]))), "" if odd == 10**400 else str(odd))
        with open(job / "runs.csv", "w", encoding="utf-8", errors="surrogatepass") as file_:
            csv.writer(file_, lineterminator="\n").writerows(rows)
    elif kind == "trajectory":
        columns = {
            name: np.array(values, dtype=float)
            for name, values in read_columns(job / "trajectory.parquet", COLUMNS).items()
        }
        columns[drawn.choice(COLUMNS)][:: drawn.choice([1, 7, 1000])] = drawn.choice([-1, 0, np.nan, np.inf, 1e300])
        write_columns(job / "trajectory.parquet", columns)
    elif kind == "jobs":
        listed = json.loads((sweep / "jobs.json").read_text())
        put(listed, drawn.choice(places(listed)), odd)
        listed.pop("seal", None)
        (sweep / "jobs.json").write_text(json.dumps(listed))
        return kind
    else:
        whole = [path for path in (*job.rglob("*"), sweep / "jobs.json", sweep / "multirun.yaml") if path.is_file()]
        file = drawn.choice(whole)
        file.unlink()
        drawn.choice([
            lambda: os.mkfifo(file), file.mkdir,
            lambda: file.symlink_to("/dev/zero"), lambda: file.symlink_to(file.name),
            lambda: file.write_text("[" * 100_000 + "]" * 100_000), lambda: file.write_bytes(drawn.randbytes(300)),
        ])()  # fmt: skip
    if (job / "summary.json").is_file() and kind != "file":
        try:
            write_summary(job, summary)
        except (ValueError, RecursionError, InputError):  # JSON has no such value
            (job / "summary.json").write_text(json.dumps(summary))
    return kind


def use(folder: Path) -> dict[str, str]:
    """Read a sweep and make what is made of it without scores; return what is missing of it."""
    sweep = read_sweep(folder)
    at_equal_cost(sweep, {})
    for table in (*search_tables(sweep), *ablation_tables(sweep)):
        for form in (to_csv, to_latex, to_markdown):
            form(table).encode()
    told = [*sweep.missing, *sweep.missing.values(), *sweep.skipped, *facts(sweep, {}).values()]
    assert all(text.isprintable() and len(text) < 2000 for text in told)
    "".join(commands(sweep)).encode()
    assert "hush7913" not in repr((sweep.jobs, told, commands(sweep)))
    return dict(sweep.missing)


def test_whatever_a_sweep_from_elsewhere_holds_a_job_is_missing_and_the_rest_reported(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_TESTS", "hush7913")
    found_out, sweep, refused = set(), tmp_path / "small", list[tuple[str, str]]()
    for seed in range(150):
        shutil.rmtree(sweep, ignore_errors=True)
        shutil.copytree(finished, sweep)
        kind = spoil(sweep, random.Random(seed))
        try:
            missing = use(sweep)
        except InputError as error:
            missing = {}
            refused.append((kind, str(error)))
        assert len(missing) <= 1
        if missing:
            found_out.add(kind)
    # the list of jobs is no list
    assert all(kind in ("jobs", "file") and "jobs.json" in told for kind, told in refused)
    assert found_out == {"summary", "config", "hydra", "runs", "trajectory", "jobs", "file"}


@pytest.mark.parametrize("group", ["benchmark", "metric", "algo", "task", "space"])
def test_code_in_a_sweeps_folder_is_not_run(finished: Path, program: RunProgram, tmp_path: Path, group: str) -> None:
    sweep = shutil.copytree(finished, tmp_path / "multirun_sweeps/evil")
    (sweep / "payload.py").write_text("open('ran', 'w').close()\n")
    for file in sweep.glob("*/.hydra/config.yaml"):
        changed(file, lambda content: content[group].update(_target_="multirun_sweeps.evil.payload.load"))
    done = program("task=report", "sweep=multirun_sweeps/evil", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is in no file of conf/" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_an_algorithm_of_ones_own_is_reported_where_its_file_is_given(program: RunProgram, tmp_path: Path) -> None:
    code = (
        "import numpy as np\nfrom nas_exp.algos import Trajectory\n\n"
        "def search(score, space, rng, *, N: int):\n"
        "    archs = space.sample(rng, N, replace=False).tolist()\n"
        "    return Trajectory(np.array(archs), np.array(score(archs), dtype=np.float64))\n"
    )
    own = own_algorithm(tmp_path, "mine", code)
    done = program(*own, "-m", "algo=mine", "runs=2", "name=own", BASIC, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    without = program("task=report", "sweep=multirun_sweeps/own", PYTHONPATH=str(tmp_path))
    assert without.returncode == 2
    assert "_target_=mine.search: is in no file of conf/" in without.stderr
    assert "give what the sweep was given: --config-dir" in without.stderr
    done = program(*own, "task=report", "sweep=multirun_sweeps/own", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_result_needs_its_seal_and_its_configuration(sweep: Path) -> None:
    first, second = sorted(sweep.glob("*/summary.json"))
    content = json.loads(first.read_text())
    first.write_text(json.dumps({key: value for key, value in content.items() if key != "seal"}))
    changed(second.parent / ".hydra/config.yaml", lambda content: content.update(seed=1))
    with pytest.raises(InputError, match=r"has no seal, which says|not the configuration of summary\.json"):
        read_sweep(sweep)
    first.write_text(json.dumps(content))
    (why,) = read_sweep(sweep).missing.values()
    assert why.endswith("config.yaml: not the configuration of summary.json; run the sweep again")


@pytest.mark.parametrize("name", ["5", "/etc", "..", "../small", "a/b", "", "a" * 5000, "\x1b", "\0", "\ud800"])
def test_a_job_is_in_a_folder_of_the_sweep(sweep: Path, name: str) -> None:
    listed = json.loads((sweep / "jobs.json").read_text())
    listed.pop("seal")
    listed["jobs"][0]["folder"] = int(name) if name == "5" else name
    (sweep / "jobs.json").write_text(json.dumps(listed))
    found = read_sweep(sweep)
    assert len(found.jobs) == 1
    ((told, why),) = found.missing.items()
    assert told.isprintable()
    assert why
    assert len(told) <= 300


@pytest.mark.parametrize("scored", ["-1", "0", "nan", "", "1e18", "1.5", "inf", "many"])
def test_how_much_was_scored_is_a_count_that_fits_the_trajectory(sweep: Path, scored: str) -> None:
    file = only(sweep, "algo=rs*/runs.csv")
    summary: Any = read_summary(file.parent)
    head, *lines = file.read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:-1], scored])
    file.write_text("\n".join([head, *lines, ""]))
    write_summary(file.parent, summary)
    assert [*read_sweep(sweep).missing] == [file.parent.name]
