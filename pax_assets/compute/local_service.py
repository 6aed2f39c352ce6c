"""The service of a lake on this machine: found, started, replaced and stopped by its record.

A service that a run starts and forgets could neither be found nor replaced by the next run. The
record beside the lake says what runs where. A new Bento is started beside the one that runs, on
the same port (`bentos/message_intelligence/serve.py` says how), and takes over once it answers:
one that never gets ready changes nothing.

`python -m pax_assets.compute.local_service status|serve|stop` is what `make serve` runs.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pax_assets.compute.bento import (
    BuiltBento,
    bentoml_environment,
    current_bento,
    write_atomically,
)
from pax_assets.compute.served_bento import (
    STOP_SECONDS,
    TOKEN_VARIABLE,
    NotReady,
    ServedBento,
    ServiceError,
    launch,
    stop,
    wait_ready,
)

HOST = "127.0.0.1"
_LOCK_SECONDS = 120.0
_LOGS = 5
_SERVE = Path(__file__).resolve().parents[2] / "bentos/message_intelligence/serve.py"


class PortTaken(ServiceError):
    """Another program listens on the port."""


class LocalService:
    """The service of one lake, on `port` of the loopback interface.

    `threads` bounds inference (0: as many as the machine gives). Methods that change something
    hold a lock, so that a run and a person at the terminal do not start two. All raise
    `ServiceError`.
    """

    def __init__(self, lake: str, port: int, threads: int = 0) -> None:
        if "://" in lake:
            raise ServiceError(
                f"the local service needs a lake on this machine, and PAX_LAKE is {lake}"
            )
        self._lake = Path(lake)
        self._port = port
        self._threads = threads
        self._folder = self._lake / "bento_deployment"
        self._record = self._folder / "service.json"
        self._starting = self._folder / "starting.json"

    def last(self) -> ServedBento | None:
        """The last deployment that got ready, running or not; None when there was none."""
        return _read(self._record)

    def status(self) -> ServedBento | None:
        """The running deployment; None when none runs."""
        last = self.last()
        return last if last and last.processes() else None

    def replace(self, built: BuiltBento, timeout: float = 60.0) -> ServedBento:
        """Serve `built` instead of what runs now, if anything does; return once it answers.

        Does nothing where exactly this Bento already answers there. The former service answers
        until the new one is ready, and goes on where that does not become ready within
        `timeout` seconds: then `NotReady` is raised. Connections made in the last moment of the
        former service, about 0.3 s, may be reset. `PortTaken` where a foreign program listens
        on the port.
        """
        with self._locked():
            former = self.status()
            if former and not former.answers():
                stop(former)
                former = None
            if former and former.port == self._port and former.bento.tag == built.tag:
                return former
            if not (former and former.port == self._port):
                _require_free(self._port)
            began = time.monotonic()
            served = self._launch(built)
            try:
                wait_ready(served, timeout, former)
            except BaseException as failure:
                stop(served)
                self._starting.unlink(missing_ok=True)
                if former and isinstance(failure, NotReady):
                    raise NotReady(
                        f"{failure}\nThe former Bento {former.bento.tag} still serves at "
                        f"{former.url}."
                    ) from None
                raise
            served = dataclasses.replace(
                served, seconds_until_ready=round(time.monotonic() - began, 2)
            )
            write_atomically(self._record, served.to_json())
            self._starting.unlink()
            if former:
                stop(former)
                wait_ready(served, timeout)
            return served

    def stop(self) -> ServedBento | None:
        """End what runs, with all its processes; return it, or None when none ran."""
        if not self._folder.is_dir():
            return None
        with self._locked():
            running = self.status()
            if running:
                stop(running)
            return running

    def bento_to_serve(self) -> BuiltBento:
        """The Bento deployed last, or else built last; `ServiceError` when there is none."""
        last = self.last()
        if last and Path(last.bento.path).is_dir():
            return last.bento
        built = current_bento(self._lake / "message_intelligence_bento")
        if built is None:
            raise ServiceError(
                f"the lake {self._lake} holds no Bento yet: run `make demo`, or materialize "
                "message_intelligence_bento"
            )
        return built

    def _launch(self, built: BuiltBento) -> ServedBento:
        token = uuid.uuid4().hex
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        for old in sorted(logs.glob("*.log"), key=lambda file: file.stat().st_mtime)[:-_LOGS]:
            old.unlink()
        served = launch(
            built,
            [
                *(sys.executable, "-P", str(_SERVE), "serve", built.path),
                *("--host", HOST, "--port", str(self._port)),
                *("--timeout-graceful-shutdown", str(int(STOP_SECONDS / 2))),
            ],
            bentoml_environment(Path(built.home)) | {"PAX_THREADS": str(self._threads)},
            host=HOST,
            port=self._port,
            token=token,
            log=logs / f"{built.version}.{token[:8]}.log",
        )
        # If this process dies before the new one is ready, the next call finds and ends it.
        write_atomically(self._starting, served.to_json())
        return served

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _LOCK_SECONDS
        with (self._folder / "lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServiceError(
                            f"another process has been changing the service of {self._lake} for "
                            f"{_LOCK_SECONDS:.0f} s: wait for it, or end it"
                        ) from None
                    time.sleep(0.1)
            if unfinished := _read(self._starting):
                stop(unfinished)
                self._starting.unlink()
            yield


def _read(record: Path) -> ServedBento | None:
    try:
        return ServedBento.from_dict(json.loads(record.read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ServiceError(
            f"{record} is damaged ({error}): remove it, and stop the service by hand if one "
            "still runs"
        ) from error


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(
                    f"port {port} is taken by {_listener(port)}: stop it, or set PAX_API_PORT "
                    "to a free port"
                ) from None
            raise ServiceError(
                f"port {port} cannot be used ({error.strerror}): set PAX_API_PORT to another one"
            ) from error


def _listener(port: int) -> str:
    """Who listens on `port`, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                whose = (
                    "the PAX service of another lake, "
                    if TOKEN_VARIABLE in process.environ()
                    else ""
                )
                return f"{whose}{process.name()} (pid {process.pid})"
    except psutil.Error:
        return "another program"  # whose it is, this user may not know
    return "another program"


def describe(served: ServedBento) -> str:
    """One sentence for the terminal."""
    return (
        f"PAX answers at {served.url}: {served.bento.tag}, model {served.bento.model_version} "
        f"({served.bento.variant}), since {served.started_at}; log {served.log}"
    )


def serve_in_foreground(service: LocalService) -> int:
    """Start the service, show its log, and stop it on SIGINT or SIGTERM; returns an exit code.

    Where one runs already, say so and return 0. A run that deploys another Bento meanwhile
    takes over, and this ends.
    """
    if running := service.status():
        say(describe(running))
        return 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    served = service.replace(service.bento_to_serve())
    say(f"{describe(served)}\nCtrl-C stops it.")
    try:
        with Path(served.log).open(encoding="utf-8", errors="replace") as log:
            while served.processes():
                for line in log:
                    say(line.rstrip("\n"))
                time.sleep(0.5)
    except KeyboardInterrupt:
        stop(served)
        return 0
    if successor := service.status():
        say(f"Replaced. {describe(successor)}")
        return 0
    say(f"The service ended. The end of its log:\n{served.log_tail()}")
    return 1


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run a command; 0 when it did what it was asked."""
    from pax_assets.settings import SettingsError, load_settings

    if len(arguments) != 1 or arguments[0] not in {"status", "serve", "stop"}:
        say("usage: python -m pax_assets.compute.local_service status|serve|stop")
        return 2
    try:
        settings = load_settings()
        service = LocalService(settings.lake, settings.api_port, settings.threads)
        if arguments[0] == "serve":
            return serve_in_foreground(service)
        running = service.status() if arguments[0] == "status" else service.stop()
    except (SettingsError, ServiceError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if running is None:
        say(f"No PAX service runs on the lake {settings.lake}; `make serve` starts it.")
    elif arguments[0] == "status":
        say(describe(running))
    else:
        say(f"Stopped {running.bento.tag} at {running.url}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
