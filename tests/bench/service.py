"""What the measured processes talk to, in a process of its own: the simulator with a count, and a sink for uploads.

``python -m tests.bench.service FOLDER JSON`` prints the base URL and serves until its standard input closes. ``GET
/counts`` tells what was asked so far; a POST to ``/sink/…`` at the second address is swallowed and answered.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wan_nb.clock import Clock
from wan_nb.simulator import Fault, Limits, Scenario, Simulator, Timing
from wan_nb.simulator.footage import Shot, render, stand_in


class Counted:
    """An app that counts calls by kind, and the bytes that go out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/counts":
            return await JSONResponse(self.counts)(scope, receive, send)
        kind = "results" if "/results/" in scope["path"] else scope["method"]
        self.counts[kind] += 1

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.counts[f"{kind} {message['status']}"] += 1
            self.counts[f"{kind} bytes"] += len(message.get("body", b""))
            await send(message)

        # without extensions every byte passes by here
        return await self.app({**scope, "extensions": {}}, receive, noted)


@cache
def clip() -> bytes:
    """One small whole MP4, made once: where many tasks wait, footage is not what is measured."""
    path = Path(tempfile.mkdtemp()) / "clip.mp4"
    render(Shot((96, 64), 1, stand_in("bench", (96, 64))), path)
    return path.read_bytes()


def serve(folder: Path, *, seconds: tuple[float, float], file_mb: int, cut: float, free: bool) -> None:
    """Serve until standard input closes.

    Args:
        folder: Where the tasks live.
        seconds: Shortest and longest task; the clock runs as fast as ours.
        file_mb: How large a video is made by what follows its index; 0 leaves it small.
        cut: Share of the first download after which its connection is closed; 1 leaves it whole.
        free: Whether there is no limit of queries a second.
    """

    def small(_: Shot, target: Path) -> None:
        data = clip()
        if file_mb:
            size = (file_mb << 20) - len(data)
            data += size.to_bytes(4, "big") + b"free" + bytes(size - 8)  # a box that readers of MP4 skip
        target.write_bytes(data)

    faults = (Fault("download", "truncate", share=cut),) if cut < 1 else ()
    limits = Limits(running=100_000, submits_per_s=100_000, enforced=not free)
    timing = Timing(shortest_s=seconds[0], longest_s=seconds[1], pending_s=min(6.0, seconds[0] / 2))
    scenario = Scenario(timing=timing, limits=limits, faults=faults)
    simulator = Simulator(folder, clock=Clock(), scenario=scenario, render=small)
    simulator.app = Counted(simulator.app)  # type: ignore[assignment]
    with simulator:
        sink = threading.Thread(target=asyncio.run, args=(_sink(simulator.base_url),), daemon=True)
        sink.start()
        sys.stdin.read()


async def _sink(base_url: str) -> None:
    """Answer every POST like a create, without looking at its body."""
    server = await asyncio.get_running_loop().create_server(_Swallow, "127.0.0.1", 0)
    print(base_url, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1", flush=True)
    await server.serve_forever()


class _Swallow(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport, self.head, self.left = transport, b"", -1

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            self.left = int(fields[b"content-length"])
        self.left -= len(data)
        if self.left == 0:
            body = json.dumps({"output": {"task_status": "PENDING", "task_id": "bench"}, "request_id": "bench"})
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write((head + body).encode())
            self.head, self.left = b"", -1


@dataclass(frozen=True, slots=True)
class Running:
    """A service in a process of its own."""

    base_url: str
    """What a client takes for the service's address."""
    sink_url: str
    """The same, of the sink."""

    @property
    def counts(self) -> Counter[str]:
        """Calls so far, by method; downloads as ``"results"``."""
        return Counter(httpx.get(self.base_url.removesuffix("/api/v1") + "/counts", trust_env=False).json())


@contextmanager
def running(
    *, seconds: tuple[float, float] = (1, 2), file_mb: int = 0, cut: float = 1.0, free: bool = False
) -> Iterator[Running]:
    """Have a service for a while; see `serve`."""
    options = {"seconds": seconds, "file_mb": file_mb, "cut": cut, "free": free}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [sys.executable, "-m", "tests.bench.service", folder, json.dumps(options)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        try:
            yield Running(*process.stdout.readline().split())
        finally:
            process.stdin.close()
            process.wait(30)


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    serve(Path(sys.argv[1]), **given | {"seconds": tuple(given["seconds"])})
