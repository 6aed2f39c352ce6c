"""What a command line says of where and how landed objects are parsed: the same for every job."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

from pax_assets.jobs.program import Engine
from pax_assets.jobs.rows.cluster_parsing import parse_on_cluster
from pax_assets.jobs.rows.parsing import Parsed, ParseTask, parse_objects
from pax_assets.lake import landing
from pax_assets.lake.s3_objects import fetch_from
from pax_assets.messages.options import ParseOptions


def add_parse_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a command line says of where and how objects are parsed."""
    # The settings' own variables: by hand and by Dagster the same object gives the same rows.
    given = os.environ.get
    parser.add_argument("--workers", type=_count, default=given("PAX_PARSE_WORKERS") or "1")
    add_region(parser)
    parser.add_argument("--default-zone", type=_zone, default=given("PAX_DEFAULT_ZONE") or "UTC")
    parser.add_argument(
        "--date-order",
        type=_order,
        metavar="{dmy,mdy,ymd}",
        default=given("PAX_DATE_ORDER") or "",
    )
    parser.add_argument(
        "--fetch-buckets",
        default=given("PAX_FETCH_BUCKETS") or "",
        help="buckets that SES stores mail in",
    )
    parser.add_argument(
        "--parse",
        choices=["auto", "here", "spark"],
        default="auto",
        help="in processes on this machine, or in Spark's workers; auto: there on a cluster only",
    )


def add_region(parser: argparse.ArgumentParser) -> None:
    """Add the country of numbers without a country code; the settings' own unless it is given."""
    default = os.environ.get("PAX_DEFAULT_REGION") or "US"
    parser.add_argument("--default-region", type=_region, default=default)


def day_of_arrival(text: str) -> str:
    """Read a day on a command line."""
    try:
        return landing.checked_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes from 1 on")
    return int(text)


def _order(text: str) -> str:
    # A default of the environment is not compared with `choices`.
    if text not in ("", "dmy", "mdy", "ymd"):
        raise argparse.ArgumentTypeError(f"{text!r} is none of dmy, mdy, ymd")
    return text


def _region(text: str) -> str:
    if not re.fullmatch("[A-Z]{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no country of two letters, such as US or DE")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no IANA time zone, such as Europe/Berlin"
        ) from None
    return text


def parse_options(given: argparse.Namespace) -> ParseOptions:
    """Return what the command line says to the parsers."""
    return ParseOptions(
        default_region=given.default_region,
        default_zone=given.default_zone,
        date_order=given.date_order or None,
        fetch=fetch_from(given.fetch_buckets),
    )


def parse_step(engine: Engine, given: argparse.Namespace) -> Callable[[ParseTask, int], Parsed]:
    """Return the parse step that runs where the command line says."""
    if given.parse == "spark" or (given.parse == "auto" and engine.is_cluster):
        return parse_on_cluster(engine.session)
    return parse_objects
