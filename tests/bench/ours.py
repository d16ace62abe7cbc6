"""This toolkit, measured in a process of its own; every function gives plain numbers."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.bench.gauge import answer, gauged, longest_stall


def _session(base_url: str, folder: str) -> Any:
    import wan_nb.video  # noqa: F401 - what a first use loads is measured elsewhere
    from wan_nb.endpoint import Endpoint, Secret
    from wan_nb.session import Session

    return Session(Endpoint("simulator", base_url, Secret("sk-test"), is_simulated=True), Path(folder))


def _requests(picture: str, count: int) -> list[Any]:
    import wan_nb as wan

    base = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, prompt="x", resolution="720P", duration=2)
    return [base.replace(seed=seed) for seed in range(count)]


def wait(base_url: str, picture: str, count: int, pace: float) -> dict[str, Any]:
    """Submit, follow, journal and fetch; `pace` is what the schedule keeps to by itself."""
    assert pace == 5, "the catalogue's own limit of this model"
    result: dict[str, Any] = {}
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        session = _session(base_url, folder)
        asked = _requests(picture, count)
        with gauged(result):
            runs = [session.submit(request) for request in asked]
            for run in runs:
                run.wait(timeout_s=3600)
        session.close()
    return result | {"found": len({run.state.task_id for run in runs})}


def polls(took: list[float]) -> dict[str, Any]:
    """Follow tasks of such lengths, one by one, on a clock that is given; nothing was learned before."""
    from tests.test_schedule import follow

    asked, delays = [], []
    for seconds in took:
        looks, delay, _ = follow({"r": seconds})
        asked.append(looks["r"])
        delays.append(delay["r"])
    return {"polls": sum(asked) / len(took), "delay_s": sum(delays) / len(took)}


def wire(sink_url: str, picture: str, small: str) -> dict[str, Any]:
    """Measure a picture, hash it, and send it inside a request; a small one first, since a first use loads much."""
    from wan_nb.client import Body, Client
    from wan_nb.endpoint import Endpoint, Secret

    async def send() -> dict[str, Any]:
        client = Client(Endpoint("sink", sink_url, Secret("sk-test"), is_simulated=True))
        stalls: list[float] = []

        async def one(path: str) -> None:
            (request,) = await asyncio.to_thread(_requests, path, 1)
            assert (await client.create(request.spec.path, Body(request.payload))).task_id == "bench"

        await one(small)
        ticking = asyncio.ensure_future(longest_stall(stalls))
        await asyncio.sleep(0.1)
        stalls[0] = 0.0
        result: dict[str, Any] = {}
        with gauged(result):
            await one(picture)
        await asyncio.sleep(0.01)
        ticking.cancel()
        await client.close()
        return result | {"stall_s": stalls[0]}

    return asyncio.run(send())


def fetch(base_url: str, picture: str) -> dict[str, Any]:
    """Wait for a run's video and fetch it, over as many connections as it takes."""
    result: dict[str, Any] = {}
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        session = _session(base_url, folder)
        run = session.submit(_requests(picture, 1)[0])
        while run.state.phase not in ("succeeded", "saved"):
            time.sleep(0.01)
        with gauged(result):
            size = run.wait(timeout_s=600).path.stat().st_size
        session.close()
    return result | {"bytes": size}


def footage(width: int, height: int, seconds: int) -> dict[str, Any]:
    """Render two videos at a time, as the simulator does; gives video seconds in a second."""
    from wan_nb.simulator.footage import Shot, render, stand_in

    shot = Shot((width, height), seconds, stand_in("bench", (1600, 1200)), sound=True, caption="SIMULATED")
    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        render(Shot((64, 48), 1, stand_in("warm", (64, 48))), Path(folder) / "warm.mp4")
        began = time.perf_counter()
        list(pool.map(lambda number: render(shot, Path(folder) / f"{number}.mp4"), range(2)))
        return {"speed": 2 * seconds / (time.perf_counter() - began)}


def load(base_url: str, tasks: int, seconds: float) -> dict[str, Any]:
    """Ask about tasks over eight connections as fast as they are answered; gives answers a second."""
    import httpx

    headers = {"Authorization": "Bearer sk-test", "X-DashScope-Async": "enable"}
    given = {"prompt": "x", "img_url": "https://example.com/a.png"}
    body = {"model": "wan2.6-i2v-flash", "input": given, "parameters": {}}
    path = "/services/aigc/video-generation/video-synthesis"
    with httpx.Client(headers=headers, trust_env=False) as client:
        made = [client.post(base_url + path, json=body).json()["output"]["task_id"] for _ in range(tasks)]
    place = urlsplit(base_url)
    limit = time.perf_counter() + seconds

    async def ask() -> int:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        count = 0
        while time.perf_counter() < limit:
            line = f"GET /api/v1/tasks/{random.choice(made)} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            writer.write((line + "Authorization: Bearer sk-test\r\n\r\n").encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            count += 1
        writer.close()
        return count

    async def together() -> int:
        return sum(await asyncio.gather(*(ask() for _ in range(8))))

    return {"per_s": asyncio.run(together()) / seconds}


def journal(runs: int) -> dict[str, Any]:
    """Time a journal that holds many runs: writing, the newest page, one run, what is going on."""
    from wan_nb.ledger import Ledger, Plan
    from wan_nb.record import Record

    def plan(number: int) -> Plan:
        request = {"model": "wan2.7-i2v", "prompt": f"A cat, number {number}.", "resolution": "720P", "duration": 5}
        return Plan(f"r{number}", f"v1:{number}", "simulator", 1, "wan2.7-i2v", "720P", 5, 1e9 + number, request)

    result: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = Ledger(path)
        durable, os.fsync = os.fsync, lambda _: None
        ledger._db.execute("PRAGMA synchronous=OFF")
        for number in range(runs):
            ledger.plan(plan(number))
            task = {"task_id": f"t{number}", "status": "PENDING"}
            ledger.append(f"r{number}", Record("submitted", 1e9 + number, task))
            end = "SUCCEEDED" if number % 1000 else "RUNNING"
            ledger.append(f"r{number}", Record("observed", 1e9 + number + 60, {"status": end}))
            if number % 1000:
                file = {"path": f"videos/{number}.mp4", "sha256": "0" * 64, "bytes": 1000, "width": 1280, "height": 720}
                ledger.append(f"r{number}", Record("saved", 1e9 + number + 61, file | {"fps": 30.0, "duration_s": 5.0}))
        os.fsync = durable
        ledger.close()

        def timed(name: str, work: Callable[[], object], times: int) -> None:
            taken = []
            for _ in range(times):
                began = time.perf_counter()
                work()
                taken.append((time.perf_counter() - began) * 1000)
            result[f"{name}_ms"] = statistics.median(taken)

        began = time.perf_counter()
        ledger = Ledger(path)
        result["open_ms"] = (time.perf_counter() - began) * 1000
        numbers = iter(range(runs, runs + 1000))
        timed("plan", lambda: ledger.plan(plan(next(numbers))), 50)
        timed("append", lambda: ledger.append(f"r{runs // 2}", Record("marked", 2e9, {"note": "x"})), 50)
        timed("page", lambda: ledger.states(limit=50), 10)
        timed("going", ledger.going, 3)
        result["going"] = len(ledger.going())
        result["mb"] = path.stat().st_size / 2**20
        ledger.close()
    return result


def threads() -> dict[str, Any]:
    """Threads of a process that holds one simulated session."""
    import wan_nb as wan

    with TemporaryDirectory() as folder, wan.simulated(folder):
        return {"threads": threading.active_count()}


if __name__ == "__main__":
    answer(
        {
            "wait": wait, "polls": polls, "wire": wire, "fetch": fetch, "footage": footage, "load": load,
            "journal": journal, "threads": threads,
        }
    )  # fmt: skip
