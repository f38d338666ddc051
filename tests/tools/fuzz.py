"""Random command lines: whatever they say, the program answers in its own words.

`python -m tests.tools.fuzz --count 500 --seed 0` runs them, prints what came of them, and exits with 1 if one ended in
a traceback, printed control characters or a line of thousands, or ended with another exit code than 0 (done), 1 (jobs
of a sweep failed) or 2 (bad input).
"""

import argparse
import collections
import contextlib
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.forks import Forks

ROOT = Path(__file__).parents[2]

_CHOICES = {
    "task": ["search", "score", "correlate", "verify", "report", "import"],
    "dataset": ["cifar10", "cifar100", "imagenet16-120"],
    "metric": ["synflow", "relu", "naswot", "grad_norm", "val_acc", "snip", "zico", "l2_norm"],
    "algo": ["rs", "rea", "ls", "two_stage", "area", "tpe", "nsga2"],
    "benchmark": ["bundled", "nats", "table"],
    "hydra/launcher": ["basic", "joblib"],
    "+experiment": ["paper", "ablation_rs", "ablation_rea", "equal_cost"],
}
_KEYS = """
    runs seed n_jobs device sweep name rerun dry_run network.C network.N algo.N algo.P algo.S algo.seconds
    algo.cost algo.k algo.final algo.final.seed metric@algo.final
    metric.seed metric.batch_size metric.dtype metric.version metric.input metric.network metric._target_ metric.name
    name dataset.name metric.name algo.name task.name space.name benchmark.name
    dataset.root benchmark.path sweep task.findings dataset.num_classes dataset.image_size dataset.mean dataset.std
    benchmark.path benchmark.name paths.data paths.scores
    task.limit task.archs task.shard task.shards task.top task.sample task.findings
    +nonsense ~algo.N ~metric ++algo.new nosuch algo.nosuch hydra.run.dir hydra.launcher.n_jobs hydra.job.name
"""
_VALUES = """
    0 1 2 3 -1 7.5 1e3 1e400 -.inf nan null true none text 'quoted' [] [1,2] [1, {} {a:1} {a: 1,2 1,1
    range(0,3) choice(1,2) glob(*) interval(0,1) ${seed} ${nosuch} ${oc.env:LANG,x} ${oc.env:NO_SUCH} ${now:%Y}
    ${eval:1} $HOME /dev/null /proc/self/mem /proc/nosuch/x a/b ä∑ \u202e \\ ' " = a=b @ %
    os.system builtins.print nas_exp.metrics.relu.relu nas_exp.algos.rs.search
    <img/src=x> ../up .. . =1+1 @a -a $\\frac{a} 1e5 ünï 'ünï' \x1b[2J \ud800 \x00 %s {0} "{}" [bold] #h ~|x
    float32 float64 cpu cuda cells modules images ones benchmark
"""
_PATHS = "pipe loop empty junk.csv cifar10.csv junk.parquet cifar10.npz data_batch_1 folder a=b '[x]' ünï outputs"
"""What `surround` makes in the folder of each command line, some of it by the names of what is looked for."""
_ENCODINGS = ("utf-8", "utf-8", "ascii", "latin-1", "utf-16", "cp1252")
_FLAGS = "-m --multirun --help --cfg job --cfg=job --info --config-name=nosuch --nosuch -h --"


def surround(folder: Path, drawn: random.Random) -> None:
    """Make files and folders that a path may name by mistake."""
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "empty").touch()
    for name in ("junk.csv", "junk.parquet", "cifar10.npz", "data_batch_1"):
        (folder / name).write_bytes(drawn.randbytes(100))
    (folder / "cifar10.csv").write_bytes(b'arch_str;val_acc_200\n"|none~0|;1\n')
    for name in ("folder", "a=b", "[x]", "ünï"):
        (folder / name).mkdir()


def command_lines(count: int, seed: int) -> Iterator[list[str]]:
    """Draw command lines: some choices and keys with values that fit, some without."""
    drawn, flags, keys = random.Random(seed), _FLAGS.split(), _KEYS.split()
    words = [*_VALUES.split(), "", "a b", "\t", "\n", "9" * 30, "x" * 300, *3 * _PATHS.split()]
    words += [word.encode().decode("unicode_escape") for word in words if word.startswith(("\\x1b", "\\ud"))]
    for _ in range(count):
        line = ["algo.N=3", "runs=1", "network.C=2", "network.N=1"]
        for _ in range(drawn.randint(1, 4)):
            kind = drawn.random()
            if kind < 0.5:
                key = drawn.choice(list(_CHOICES))
                values = drawn.sample(_CHOICES[key], min(len(_CHOICES[key]), drawn.choice([1, 1, 1, 2])))
                line.append(f"{key}={','.join(values)}")
            elif kind < 0.9:
                line.append(f"{drawn.choice(keys)}={drawn.choice(words)}")
            elif kind < 0.95:
                line.append(drawn.choice(words))
            else:
                line.append(drawn.choice(flags))
        drawn.shuffle(line)
        yield line


def run(forks: Forks, line: list[str], folder: Path, encoding: str) -> tuple[int | None, str]:
    """Run the program; return its exit code, None if it does not end, and what it wrote to its terminal."""
    environment = {**os.environ, "NAS_EXP_DATA": str(folder.parent / "data"), "PYTHONIOENCODING": encoding}
    try:
        done = forks.run(str(ROOT / "run.py"), *line, cwd=folder, env=environment, timeout=300)
    except subprocess.TimeoutExpired as error:
        return None, str(error)
    return done.returncode, done.stdout + done.stderr


def is_wrong(code: int, output: str, encoding: str) -> bool:
    """Whether an output holds what none should."""
    if "Traceback" in output or (code == 1 and "jobs finished" not in output):
        return True
    # read as UTF-8, UTF-16 has a zero in every other place
    if encoding != "utf-16" and any(ord(each) < 32 and each not in "\n\t\r" for each in output):
        return True
    return any(len(line) > 2000 for line in output.splitlines() if line.startswith("error:"))


def failures(forks: Forks, count: int, seed: int) -> tuple[list[str], collections.Counter[int | None]]:
    """Run random command lines; return a paragraph for each that failed, and how many ended with which exit code."""
    told, codes, drawn = list[str](), collections.Counter[int | None](), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(command_lines(count, seed)):
            place = Path(folder) / str(number)
            place.mkdir()
            surround(place, drawn)
            code, output = run(forks, line, place, encoding := drawn.choice(_ENCODINGS))
            codes[code] += 1
            if code not in (0, 1, 2) or is_wrong(code, output, encoding):
                told.append(f"exit code {code}, {encoding}: python run.py {shlex.join(line)}\n{output[-3000:]!r}")
    return told, codes


def main() -> int:
    """Run them and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with contextlib.closing(Forks()) as forks:
        told, codes = failures(forks, arguments.count, arguments.seed)
    print("\n\n".join(told))
    print(f"{arguments.count} command lines, exit codes {dict(codes)}, {len(told)} failures")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
