"""AWS clients, and what their errors mean to somebody who waits for a remote run.

A poller that takes a dropped connection for a failed job starts it a second time; one that takes
a missing permission for a dropped connection waits for hours. So every call to a service goes
through `answered`, which sorts what can go wrong into three: come again, not known, refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_UNKNOWN = frozenset({"EntityNotFoundException", "NoSuchKey", "ResourceNotFoundException"})
# Some are reported with status 400.
_AGAIN = frozenset(
    {
        "ConcurrentRunsExceededException",
        "InternalServerException",
        "InternalServiceException",
        "OperationTimeoutException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)


class Unavailable(RuntimeError):
    """The service did not answer, or asked to come again later; nothing is known of the run."""


class UnknownRun(LookupError):
    """The service answered that it has no such run (or job, or application)."""


class Refused(RuntimeError):
    """The service will not do it, and would not the next time: permissions, wrong parameters."""


def client(service: str, *, retries: int = 1) -> Any:
    """Return a boto3 client; each call is tried `retries` times.

    Once is right for calls that start something: the SDK would repeat a call whose answer was
    lost, and start two.
    """
    from boto3.session import Session
    from botocore.config import Config

    # The default session would keep the credentials that it first saw.
    return Session().client(
        service,
        region_name=os.environ.get("AWS_REGION") or None,
        config=Config(
            connect_timeout=10,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": retries},
        ),
    )


@contextmanager
def answered(what: str) -> Iterator[None]:
    """Translate what a service call raises: `Unavailable`, `UnknownRun` or `Refused`."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _UNKNOWN:
            raise UnknownRun(f"{what}: {error}") from error
        if code in _AGAIN or status >= 500:
            raise Unavailable(f"{what}: {error}") from error
        raise Refused(f"{what}: {error}") from error
    except (
        exceptions.ConnectionError,
        exceptions.CredentialRetrievalError,
        exceptions.HTTPClientError,
    ) as error:
        raise Unavailable(f"{what}: {error}") from error
    except exceptions.BotoCoreError as error:
        raise Refused(f"{what}: {error}") from error
