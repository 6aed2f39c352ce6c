"""The gateway's own requests: only to SNS, no redirects, bounded in size and time."""

import threading
import time
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pax_assets.gateway import aws_requests
from pax_assets.gateway.aws_requests import RefusedByAws, get, is_sns_address

ADDRESS = "https://sns.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (ADDRESS, True),
        (f"{ADDRESS}/a.pem", True),
        (f"{ADDRESS}/?Action=ConfirmSubscription", True),
        ("https://sns.us-gov-west-1.amazonaws.com/a.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", True),
        ("https://sns.ap-southeast-2.amazonaws.com/a.pem", True),
        ("https://sns.amazonaws.com/a.pem", False),
        ("https://sns.evil.amazonaws.com/a.pem", False),
        ("https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", False),
        ("https://sns.eu-west-1.amazonaws.comx/a.pem", False),
        ("https://user@sns.eu-west-1.amazonaws.com/a.pem", False),
        ("https://evil.example/sns.eu-west-1.amazonaws.com/a.pem", False),
        ("https://169.254.169.254/latest", False),
        ("ftp://sns.eu-west-1.amazonaws.com/a.pem", False),
        ("//sns.eu-west-1.amazonaws.com/a.pem", False),
        (f"{ADDRESS}/a\nHost: x", False),
        (f"{ADDRESS}/{'a' * 5000}", False),
        ("https://[", False),
    ],
)
def test_only_an_address_of_sns_is_one(url, expected) -> None:
    assert is_sns_address(url) is expected


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/ok")
            self.end_headers()
        elif self.path == "/slow":
            time.sleep(1)
        else:
            size = 10**6 if self.path == "/long" else 5
            self.send_response(404 if self.path == "/gone" else 200)
            self.end_headers()
            self.wfile.write(b"x" * size)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server():
    """A real server in SNS's place; the connection goes there, whatever the address says."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield lambda host, timeout: HTTPConnection(*listening.server_address, timeout=timeout)
        listening.shutdown()


def test_an_answer_of_200_is_returned(server) -> None:
    assert get(f"{ADDRESS}/ok", server) == b"xxxxx"


@pytest.mark.parametrize("path", ["/moved", "/gone", "/long"])
def test_a_redirect_an_error_and_a_long_answer_are_refused(path, server) -> None:
    with pytest.raises(RefusedByAws):
        get(f"{ADDRESS}{path}", server)


def test_a_server_that_does_not_answer_is_an_error_of_the_network(server, monkeypatch) -> None:
    monkeypatch.setattr(aws_requests, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(OSError):
        get(f"{ADDRESS}/slow", server)


def test_a_server_that_is_not_there_is_an_error_of_the_network() -> None:
    nobody = partial(HTTPConnection, "127.0.0.1", 1)
    with pytest.raises(OSError):
        get(f"{ADDRESS}/ok", lambda host, timeout: nobody(timeout=timeout))


def test_no_other_address_is_ever_connected_to() -> None:
    with pytest.raises(ValueError, match="not an address of SNS"):
        get("https://evil.example/a.pem", lambda *_, **__: pytest.fail("connected"))
