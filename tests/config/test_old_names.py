"""What was written under earlier names means the same as before."""

import logging

import pytest
from omegaconf import OmegaConf

from nas_exp.config import check as door
from nas_exp.config.check import check
from nas_exp.notebook import configure
from nas_exp.scoring.source import table_of


def composed(*overrides: str) -> object:
    """The node that the command line would compose."""
    from hydra import compose, initialize_config_dir

    from nas_exp.config.program import CONF
    from nas_exp.config.schema import register_schema

    register_schema()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


def test_a_configuration_without_a_space_is_about_the_topology_space() -> None:
    node = composed("network.C=8", "algo.N=50")
    config = check(node)  # type: ignore[arg-type]
    old = OmegaConf.create({key: value for key, value in node.items() if key != "space"})  # type: ignore[attr-defined]
    assert check(old).space == config.space
    assert check(old).hash == config.hash


def test_hashes_are_those_of_the_versions_before_there_were_spaces() -> None:
    # computed by the version before spaces came
    assert configure().hash == "347492983bd8a1fb"
    assert configure("metric=params", "algo=rs", "network.C=8").hash == "e867ed551a2ff3a2"
    assert configure("metric=septet", "algo=two_stage").hash == "bf2c1e7b05807b63"


def test_the_old_name_of_a_form_still_works_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    door._new_form.cache_clear()
    caplog.set_level(logging.INFO)
    new, old = configure("metric=params"), configure("metric=params", "metric.network=blueprint")
    configure("metric=flops", "metric.network=blueprint")
    assert old.hash == new.hash
    assert table_of(old).folder == table_of(new).folder
    assert caplog.messages == ["metric.network=blueprint is called counts now; the old name still works"]


def test_a_bound_inside_an_alternative_is_a_bound() -> None:
    assert configure("algo=two_stage", "algo.P=20").algo.arguments["P"] == 20
