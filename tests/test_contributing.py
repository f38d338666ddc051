"""What CONTRIBUTING.md tells newcomers to write really is all that there is to write."""

import json
import re
from pathlib import Path

from tests.conftest import ROOT, RunProgram


def test_a_metric_is_one_python_file_and_one_yaml_file(program: RunProgram, tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (yaml,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my_proxies.py").write_text(code, encoding="utf-8")
    (tmp_path / "conf/metric").mkdir(parents=True)
    (tmp_path / "conf/metric/l1.yaml").write_text(yaml, encoding="utf-8")

    def run(*arguments: str) -> str:
        done = program(
            "--config-dir", str(tmp_path / "conf"), *arguments, "network.C=4", "network.N=1",
            PYTHONPATH=str(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("task=score", "metric=l1", "task.archs=[0,15624,9000]")
    run("task=correlate", "metric=l1")
    run("-m", "metric=l1", "metric.power=1,2", "algo=rs", "algo.N=5", "runs=1", "name=s")
    summaries = [json.loads(path.read_text()) for path in tmp_path.glob("multirun_sweeps/s/*/summary.json")]
    assert len(summaries) == 2
    # another parameter, another table
    assert len(list((tmp_path / "data/scores/cifar10").glob("l1-*"))) == 2


def test_a_metric_parameter_of_the_wrong_type_is_named(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "my_proxies.py").write_text(
        "def l1(network, batch, *, power: float) -> float:\n    return power\n", encoding="utf-8"
    )
    (tmp_path / "metric").mkdir()
    (tmp_path / "metric/l1.yaml").write_text(
        "name: l1\n_target_: my_proxies.l1\ninput: ones\nnetwork: modules\nbatch_size: null\n"
        "dtype: float32\nseed: 0\nversion: 1\npower: 1.0\n",
        encoding="utf-8",
    )
    done = program("--config-dir", str(tmp_path), "metric=l1", "metric.power=strong", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "error: metric.power=strong: expected a number\n"
