"""`bentoml serve`, able to take over the port of a service that still runs.

A second `bentoml serve` cannot bind the port of the first, so replacing one would leave the port
dead for the seconds in which BentoML starts. Here the supervisor binds with SO_REUSEPORT and
leaves `listen` to its worker, which calls it once the model is loaded. Until then every
connection goes to the former service; a new one that never gets ready never gets any.

A program of its own, like `build.py`, with the arguments of `bentoml`.
"""

from __future__ import annotations

import socket

from bentoml_cli.cli import cli
from circus.sockets import CircusSocket

_bind_and_listen = CircusSocket.bind_and_listen


def bind_shared(circus_socket: CircusSocket) -> None:
    """Bind a TCP socket that others may bind as well, and leave `listen` to the worker."""
    if circus_socket.is_unix:
        _bind_and_listen(circus_socket)
        return
    circus_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    circus_socket.bind((circus_socket.host, circus_socket.port))
    circus_socket.setblocking(circus_socket.blocking)


if __name__ == "__main__":
    CircusSocket.bind_and_listen = bind_shared
    cli()
