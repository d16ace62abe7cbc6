"""The simulator's face: a loopback socket in a daemon thread, or the app alone for `httpx.ASGITransport`."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette

from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.simulator import oss
from wan_nb.simulator.scenario import Scenario
from wan_nb.simulator.service import Service
from wan_nb.simulator.store import Store
from wan_nb.simulator.studio import Render, Studio

_HOST = "127.0.0.1"
_FAST = Clock(speed=60)


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
        self._studio = Studio(self._store, clock, render)
        self._service = Service(self._store, self._studio, clock, self._scenario)
        self.app: Starlette = self._service.app()
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
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="critical",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._service.lines = self._server.server_state.connections
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), name="simulator", daemon=True)
        self._thread.start()
        life_s = self._scenario.life_s
        self._store.prune(self._clock.now() - 2 * life_s, 2 * max(life_s, oss.UPLOAD_LIFE_S))
        for task in self._store.tasks().values():
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

    def __exit__(self, *_: object) -> None:
        self.stop()


def _listen(port: int) -> socket.socket:
    """Bind in the caller's thread, so that a taken port is the caller's error."""
    # Named as TCP, or asyncio would leave Nagle's delay on.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere this would let two simulators share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ConfigError(f"port {port} is not free ({error.strerror}); choose another, or 0 for any.") from None
    return listener


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # Not asyncio.run: nest_asyncio, where somebody applied it, replaces it for every thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
