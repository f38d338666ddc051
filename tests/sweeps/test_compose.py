"""Configurations of jobs that share a composition are those that Hydra composes."""

from collections.abc import Callable, Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from nas_exp.config.check import check
from nas_exp.config.program import CONF
from nas_exp.config.schema import register_schema
from nas_exp.sweeps.compose import Composer


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    register_schema()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield Composer(loader, loader.load_configuration("config", overrides=[], run_mode=RunMode.MULTIRUN))


OVERRIDES = {
    "metric": ["relu", "params", "septet", "val_acc"],
    "algo": ["rs", "two_stage"],
    "metric@algo.first": ["params"],
    "seed": ["0", "7"],
    "algo.N": ["5", "null"],
    "metric.seed": ["3", "${seed}"],
    "network.C": ["4"],
    "benchmark.path": ["."],
    "+experiment": ["equal_cost"],
    "+metric.note": ["x"],
    "name": ["a b", "'x=y'"],
    "hydra.job.chdir": ["false"],
}


@settings(max_examples=40, deadline=None)
@given(chosen=st.lists(st.sampled_from(sorted(OVERRIDES)), unique=True, max_size=5), data=st.data())
def test_a_job_is_composed_as_hydra_composes_it(composer: Composer, chosen: list[str], data: st.DataObject) -> None:
    overrides = [f"{key}={data.draw(st.sampled_from(OVERRIDES[key]))}" for key in chosen]
    expected, found = (composed(how, overrides) for how in (composer.hydras_own, composer))
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    for node in (expected, found):
        OmegaConf.set_struct(node, value=False)
        node.pop("hydra", None)
    # not resolved: the default name is the time of the composition
    assert OmegaConf.to_container(found) == OmegaConf.to_container(expected)
    assert OmegaConf.get_type(found) == OmegaConf.get_type(expected)


def composed(compose: Callable[[list[str]], DictConfig], overrides: list[str]) -> DictConfig | str:
    try:
        return compose(overrides)
    except HydraException as error:
        return str(error)


def test_jobs_do_not_share_their_values(composer: Composer) -> None:
    first = composer(["algo=rs", "seed=5", "algo.N=7"])
    second = composer(["algo=rs", "seed=6"])
    assert (first.seed, first.algo.N) == (5, 7)
    assert (second.seed, second.algo.N) == (6, 1000)
    assert check(first).hash != check(second).hash
