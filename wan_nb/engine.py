"""One thread with one event loop, the bridges to it, and who is told of what it did.

A notebook's own loop stands still while a cell blocks, and widget callbacks run on different threads by kernel
version. So everything that waits (HTTP, schedule, downloads) lives here, on a daemon thread that no cell can block.
Nothing depends on it surviving: the journal is the truth.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from wan_nb.errors import ConfigError

_log = logging.getLogger("wan_nb")

T = TypeVar("T")
News = TypeVar("News")

TICK_S = 0.2
"""Longest wait in one piece, so that a notebook's stop button is heard (real seconds)."""
STOP_S = 2.0
"""Real seconds that stopping waits for what it cancelled."""


class Engine:
    """A daemon thread that runs an event loop, with four workers for what blocks.

    Example:
        >>> engine = Engine()
        >>> async def answer() -> int:
        ...     return 42
        >>> engine.run(answer())
        42
        >>> engine.stop()
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.workers = concurrent.futures.ThreadPoolExecutor(4, thread_name_prefix="wan-worker")
        self.loop.set_default_executor(self.workers)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()
        self.thread = threading.Thread(
            target=self.loop.run_until_complete, args=(self._live(),), daemon=True, name="wan-engine"
        )
        self.thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Hand a coroutine over; returns at once. The one thing that a widget callback does."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def start(self, work: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]:
        """Hand over what nobody waits for; if it fails, the log says so."""
        future = self.submit(work)
        future.add_done_callback(_tell)
        return future

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine from the engine's own thread and keep it alive until it ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_tell)

    async def settle(self, timeout_s: float) -> None:
        """Wait, on the engine's own thread, for what was spawned; what takes longer is left running."""
        limit = self.loop.time() + timeout_s
        while self._tasks and self.loop.time() < limit:  # what ends may have begun something
            await asyncio.wait(set(self._tasks), timeout=limit - self.loop.time())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Block until a coroutine has run, in ticks, so that an interrupt works."""
        if threading.current_thread() is self.thread:
            work.close()
            raise ConfigError("a blocking call was made on the engine's own thread; await it there instead.")
        future = self.submit(work)
        try:
            while not concurrent.futures.wait([future], timeout=TICK_S).done:
                if not self.thread.is_alive() and not future.done():
                    work.close()
                    raise ConfigError("this session was closed while the call waited; make a new one.")
        except KeyboardInterrupt:
            future.cancel()
            raise
        return future.result()

    async def _live(self) -> None:
        """Let the loop run until it is told to stop, then cancel what still does."""
        await self._stopping.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STOP_S)

    def stop(self) -> None:
        """Cancel what runs, stop the loop and join the thread."""
        if not self.thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self._stopping.set)
        self.thread.join(timeout=2 * STOP_S)
        self.workers.shutdown(wait=False, cancel_futures=True)
        if not self.thread.is_alive():
            self.loop.close()


def _tell(work: asyncio.Task[None] | concurrent.futures.Future[None]) -> None:
    """Log why work failed that nobody awaits: the only place where it can be seen."""
    if not work.cancelled() and work.exception():
        _log.error("work on the engine failed", exc_info=work.exception())


def at_exit(method: Callable[[], None]) -> None:
    """Call a method at the process's end, if its object is still there, while thread pools still work.

    Python ends thread pools before it runs `atexit`; the hook that runs earlier is private, so it may be missing.
    """
    kept = weakref.WeakMethod(method)

    def call() -> None:
        try:
            if alive := kept():
                alive()
        except BaseException:  # also Ctrl-C: those that come after it must leave, too
            _log.exception("leaving failed")

    getattr(threading, "_register_atexit", atexit.register)(call)


class Onlookers(Generic[News]):
    """Callbacks that are told of every change, from any thread; each must be quick.

    Example:
        >>> heard = []
        >>> onlookers = Onlookers()
        >>> end = onlookers.add(heard.append)
        >>> onlookers.tell("saved"), end(), onlookers.tell("later"), heard
        (None, None, None, ['saved'])
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[News], object]] = []

    def add(self, callback: Callable[[News], object]) -> Callable[[], None]:
        """Tell `callback` from now on; returns what ends it."""
        self._callbacks.append(callback)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return end

    def tell(self, news: News) -> None:
        """Tell everyone."""
        for callback in list(self._callbacks):
            try:
                callback(news)
            except Exception:  # an onlooker must not stop the work
                _log.exception("an onlooker failed at %r", news)


def allow_nested_loops() -> str:
    """Let third-party code call `asyncio.run` inside a cell, by patching asyncio for the whole process.

    Nothing in this package needs it. Prefers `nest_asyncio2`, which the newest ipykernel brings.

    Returns:
        The name of the package that patched.

    Raises:
        ConfigError: Where patching with nest_asyncio is known to harm: it loses queued cells and clicks on ipykernel
            7.2 and later, and breaks httpx, anyio and `asyncio.timeout` on Python 3.14.

    Example:
        >>> allow_nested_loops()  # doctest: +SKIP
        'nest_asyncio2'
    """
    import importlib
    import importlib.metadata
    import sys

    with contextlib.suppress(ImportError):
        importlib.import_module("nest_asyncio2").apply()
        return "nest_asyncio2"
    try:
        kernel = tuple(int(part) for part in importlib.metadata.version("ipykernel").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        kernel = (0, 0)
    if sys.version_info >= (3, 14) or kernel >= (7, 2):
        raise ConfigError(
            "nest_asyncio harms this kernel (lost cells, broken time-outs); install nest_asyncio2, or use await."
        )
    warnings.warn("asyncio is now patched for this whole process (nest_asyncio).", stacklevel=2)
    importlib.import_module("nest_asyncio").apply()
    return "nest_asyncio"
