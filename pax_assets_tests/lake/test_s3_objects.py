"""Objects that a notification names: read from a real store, refused where they must not be."""

from __future__ import annotations

import errno
import json
from multiprocessing.reduction import ForkingPickler

import pytest

from pax_assets.lake import s3_objects
from pax_assets.lake.s3_objects import fetch, fetch_from
from pax_assets.messages import Message, ParseOptions, Quarantined, parse
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED
from pax_assets_tests.s3_server import s3_client

KEY = "in/7qk1 #1?%20ü.eml"


def _notice(bucket: str, key: str) -> bytes:
    action = {"type": "S3", "bucketName": bucket, "objectKey": key}
    notice = {"notificationType": "Received", "mail": {}, "receipt": {"action": action}}
    return json.dumps(notice).encode()


def test_a_stored_mail_is_read_from_the_store(bucket, monkeypatch) -> None:
    s3_client().put_object(Bucket=bucket, Key=KEY, Body=HEAD_OF_MAIL + b"\nhello\n")
    assert fetch(bucket, KEY) == HEAD_OF_MAIL + b"\nhello\n"
    options = ParseOptions(fetch=fetch_from(bucket))
    (record,) = parse(_notice(bucket, KEY), "email", "n", received_at=RECEIVED, options=options)
    assert isinstance(record, Message)
    assert (record.text, record.provider_message_id) == ("hello\n", "1@x.org")

    with pytest.raises(FileNotFoundError):
        fetch(bucket, "in/none")
    (record,) = parse(_notice(bucket, "no"), "email", "n", received_at=RECEIVED, options=options)
    assert isinstance(record, Quarantined)
    assert record.code == "content_not_fetched"

    monkeypatch.setattr(s3_objects, "MAX_RECORD_BYTES", 10)
    with pytest.raises(OSError, match="more than 10 bytes") as raised:
        fetch(bucket, KEY)
    assert raised.value.errno == errno.EFBIG
    (record,) = parse(_notice(bucket, KEY), "email", "n", received_at=RECEIVED, options=options)
    assert isinstance(record, Quarantined)
    assert record.code == "record_too_large"


@pytest.mark.parametrize(
    ("bucket_name", "key", "code"),
    [
        ("other", "in/1", errno.EACCES),
        ("../mail", "in/1", errno.EINVAL),
        ("mail?endpoint_override=evil.example", "in/1", errno.EINVAL),
        ("Mail", "in/1", errno.EINVAL),
        ("mail\n", "in/1", errno.EINVAL),
        ("", "in/1", errno.EINVAL),
        ("mail-in", "", errno.EINVAL),
    ],
)
def test_names_that_must_not_be_read_are_refused_before_the_network(bucket_name, key, code) -> None:
    with pytest.raises(OSError) as raised:
        fetch(bucket_name, key, buckets=("mail-in", "mail"))
    assert raised.value.errno == code


def test_a_setting_names_the_buckets_and_a_worker_process_can_receive_the_function() -> None:
    options = ParseOptions(fetch=fetch_from("mail-in, more.mail ,"))
    sent = ForkingPickler.loads(ForkingPickler.dumps(options))
    assert sent.fetch.keywords == {"buckets": ("mail-in", "more.mail")}
    assert fetch_from(" ,") is None
    with pytest.raises(ValueError, match="without s3://"):
        fetch_from("s3://mail-in")
