"""The Dagster UI on the lake of a finished demo, in a real browser, as `make dev` opens it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.e2e.conftest import FinishedLine, free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

START_SECONDS = 90
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@pytest.fixture(scope="module")
def ui(line: FinishedLine) -> Iterator[str]:
    """The address of `dagster dev`, started in its own session so that SIGINT ends all of it."""
    assert line.exit_code == 0, line.output[-4000:]
    port = free_port()
    log = (line.lake.parent / "ui.log").open("w")
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "dagster"),
            *("dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)),
        ],
        cwd=PROJECT,
        env={**line.environment, "PYTHONWARNINGS": "ignore"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/server_info", timeout=2).status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.5)
    else:
        pytest.fail(f"the UI did not start:\n{Path(log.name).read_text()[-3000:]}")
    yield url
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def page(ui: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1800, "height": 1100})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def _keep(page, name: str) -> None:
    """Keep a picture for a person to look at, where `PAX_SCREENSHOTS` names a folder."""
    if folder := os.environ.get("PAX_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


def test_the_graph_shows_every_group(ui: str, page) -> None:
    page.goto(f"{ui}/asset-groups")
    for group in ("channels", "feature_store", "corpus", "model", "serving", "insights"):
        page.get_by_text(group, exact=False).first.wait_for()
    _keep(page, "graph")


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ("messages", ["message_id_unique", "dagster/row_count"]),
        ("message_model", ["quality_floor", "loss_curve", "confusion_matrix"]),
        ("onnx_model", ["fp32_parity", "variants"]),
    ],
)
def test_an_asset_page_shows_its_checks_and_metadata(ui: str, page, asset, expected) -> None:
    shown = ""
    for view in ("overview", "checks"):
        page.goto(f"{ui}/assets/{asset}?view={view}")
        page.get_by_text(asset, exact=True).first.wait_for()
        page.wait_for_timeout(4000)
        _keep(page, f"{asset}-{view}")
        shown += page.content()
    for text in expected:
        assert (
            text.removeprefix("dagster/").replace("_", " ").lower()
            in shown.replace("_", " ").lower()
        ), text


def test_an_asset_materialized_from_the_ui_runs_to_success(ui: str, line: FinishedLine) -> None:
    """What the button *Materialize* sends, through the launcher and the daemon."""

    def ask(query: str, variables: dict) -> dict:
        return httpx.post(
            f"{ui}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()["data"]

    launched = ask(
        LAUNCH,
        {
            "params": {
                "mode": "default",
                "selector": {
                    "repositoryLocationName": "pax_assets",
                    "repositoryName": "__repository__",
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [{"path": ["raw_sms"]}],
                    "assetCheckSelection": None,
                },
                "executionMetadata": {
                    "tags": [{"key": "dagster/partition", "value": "2026-01-05"}]
                },
            }
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status = ask(STATUS, {"id": run_id})["runOrError"]["status"]
        if status in {"SUCCESS", "FAILURE", "CANCELED"}:
            break
        time.sleep(1)
    assert status == "SUCCESS"


def test_the_browser_that_ci_requires_is_the_one_that_ran() -> None:
    assert shutil.which("chromium") == "/usr/bin/chromium"
