"""What the tests of the landing sensor start from."""

import dagster as dg
import pytest

from pax_assets.defs.channels import sensors
from pax_assets_tests.defs.channels.sensor_line import Line


@pytest.fixture
def line_(spark, lake, tmp_path):
    sensors._watch.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Line(instance, lake, tmp_path / "landing", spark)
