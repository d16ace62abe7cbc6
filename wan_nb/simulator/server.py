"""The simulator's face: a loopback socket in a daemon thread, or the app alone for `httpx.ASGITransport`."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.service import Service
from wan_nb.simulator.store import Store
from wan_nb.simulator.studio import Render, Studio

_HOST = "127.0.0.1"
_FAST = Clock(speed=60)

_Ends = tuple[tuple[str, int] | None, tuple[str, int | None] | None]


class _Line(H11Protocol):
    """A connection that a fault can close without an answer: an app has no way to ask its server for that."""

    lost: asyncio.Event

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.lost = asyncio.Event()
        _LINES[self.client, self.server] = self

    def connection_lost(self, exc: Exception | None) -> None:
        _LINES.pop((self.client, self.server), None)
        super().connection_lost(exc)
        self.lost.set()


_LINES: dict[_Ends, _Line] = {}
"""Open connections by their two ends, which is what an app knows of its own."""


async def _drop(scope: Scope, reset: bool) -> None:
    """Close the connection of a request in the middle of it."""
    line = _LINES.get((scope.get("client"), scope.get("server")))
    if line is None:  # no socket: say what a client of a real one would see
        import httpx

        raise httpx.ReadError("connection reset") if reset else httpx.RemoteProtocolError("Server disconnected")
    if reset:
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # closing then sends RST in place of FIN
        line.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        line.transport.abort()
    else:
        line.transport.close()
    await line.lost.wait()  # only then does uvicorn know that no answer is owed


class Simulator:
    """The embedded service: same paths, same answers, no key that costs anything, videos marked as simulated.

    Its tasks live in `folder`: a new simulator there goes on with them. `app` serves without a socket, `start()` with
    one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, Simulator(Path(folder)) as simulator:
        ...     simulator.base_url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock = _FAST,
        scenario: Scenario | None = None,
        port: int = 0,
        render: Render | None = None,
    ) -> None:
        """Open the folder.

        Args:
            folder: Where tasks, inputs and videos are kept; made when missing.
            clock: Dates, and how fast service seconds pass.
            scenario: Timing, limits, sizes, faults; a good day when not given.
            port: Loopback port for `start`; 0 takes a free one.
            render: What makes an MP4, in place of the real footage.
        """
        self._clock = clock
        self._scenario = scenario or Scenario()
        self._port = port
        self._store = Store(folder)
        self._studio = Studio(self._store, clock, self._scenario, render)
        self.app: Starlette = Service(self._store, clock, self._scenario, self._studio, _drop).app()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The address that a client takes for the service's.

        Raises:
            ConfigError: If the simulator was not started.
        """
        if self._server is None:
            raise ConfigError("the simulator has no address yet; call start() first.")
        return f"http://{_HOST}:{self._port}/api/v1"

    def start(self) -> Self:
        """Listen and serve in a daemon thread; when this returns, calls are answered.

        Raises:
            ConfigError: If the port is taken.
        """
        if self._server is not None:
            return self
        # Bound here, so that a taken port is this caller's error. Named as TCP, or asyncio would leave Nagle's delay
        # on.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":  # elsewhere this would let two simulators share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, self._port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"port {self._port} is not free ({error.strerror}); choose another, or 0 for any."
            ) from None
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http=_Line,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="critical",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), name="simulator", daemon=True)
        self._thread.start()
        now, scenario = self._clock.now(), self._scenario
        self._store.prune(now - 2 * scenario.life_s, now - 2 * max(scenario.life_s, scenario.upload_life_s))
        for task in self._store.tasks():
            self._studio.want(task)
        return self

    def stop(self) -> None:
        """Stop serving and wait for the thread; tasks stay in the folder. Calling it again does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None
        self._studio.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # Not asyncio.run: nest_asyncio, where somebody applied it, replaces it for every thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
