"""What assets get handed: the lake's address and a Spark session, for the chosen environment.

An asset that read settings itself could not be run against another lake in a test. Resources
hold addresses only; anything heavy is imported when an asset first asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import dagster as dg

from pax_assets.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pax_assets.lake.artifacts import ArtifactStore
    from pax_assets.messages.options import DateOrder, ParseOptions


class LakeResource(dg.ConfigurableResource):
    """Where the tables, the artifacts and the landing objects are."""

    root: str
    landing: str
    default_region: str = "US"
    default_zone: str = "UTC"
    date_order: str = ""
    parse_workers: int = 2

    def parse_options(self) -> ParseOptions:
        """What parsers must be told about numbers, zones and dates."""
        from pax_assets.messages.options import ParseOptions

        return ParseOptions(
            default_region=self.default_region,
            default_zone=self.default_zone,
            date_order=cast("DateOrder | None", self.date_order or None),
        )

    def artifacts(self) -> ArtifactStore:
        """The store of models and other directories of this lake."""
        from pax_assets.lake.artifacts import ArtifactStore

        return ArtifactStore(self.root)


class SparkResource(dg.ConfigurableResource):
    """A Spark session, opened when first used: embedded (Sail), local JVM, or a remote one."""

    spark: str = ""

    @property
    def session(self) -> SparkSession:
        """The session, one a process."""
        from pax_assets.compute.spark import spark_session

        return spark_session(self.spark)


@dg.definitions
def resources() -> dg.Definitions:
    """The resources of the environment that the settings name."""
    settings = load_settings()
    return dg.Definitions(
        resources={
            "lake": LakeResource(
                root=settings.lake,
                landing=settings.landing_root,
                default_region=settings.default_region,
                default_zone=settings.default_zone,
                date_order=settings.date_order,
                parse_workers=settings.parse_workers,
            ),
            "spark": SparkResource(spark=settings.spark),
        }
    )
