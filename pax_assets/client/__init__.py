"""The client of the inference API.

    from pax_assets.client import Client

    with Client("http://127.0.0.1:3001") as client:
        answer = client.analyze(["Anna Berg meets Norvex in Lisbon."])
        for entity in answer.results[0].analysis.entities:
            print(entity.type, entity.text)

Its errors say who has to act: the caller, the service's operator, or the network.
"""

from pax_assets.client.answers import Answer, Result
from pax_assets.client.client import Client
from pax_assets.client.errors import (
    ClientError,
    RequestRefused,
    ServiceFailed,
    ServiceUnreachable,
)

__all__ = [
    "Answer",
    "Client",
    "ClientError",
    "RequestRefused",
    "Result",
    "ServiceFailed",
    "ServiceUnreachable",
]
