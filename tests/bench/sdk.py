"""The peer: the vendor's official SDK, called as its documents call it. Knows nothing of this toolkit."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from types import SimpleNamespace
from typing import Any

from tests.bench.gauge import answer, gauged, longest_stall

I2V = {"model": "wan2.6-i2v-flash", "prompt": "x", "resolution": "720P", "duration": 2}


def version() -> dict[str, Any]:
    import dashscope

    return {"version": dashscope.version.__version__}


def wait(base_url: str, picture: str, count: int, pace: float) -> dict[str, Any]:
    """Submit, and wait for each in a thread of its own; at most `pace` submissions a second."""
    import dashscope
    from dashscope import VideoSynthesis

    dashscope.base_http_api_url = base_url
    with open(picture, "rb") as file:  # noqa: PTH123 - as a user of the SDK writes it
        data = "data:image/png;base64," + base64.b64encode(file.read()).decode()
    found: list[str] = []

    def one() -> None:
        made = VideoSynthesis.async_call(img_url=data, **I2V)
        answered = VideoSynthesis.wait(made)
        if answered.status_code == 200 and answered.output.task_status == "SUCCEEDED":
            found.append(answered.output.task_id)

    result: dict[str, Any] = {}
    with gauged(result):
        threads = [threading.Thread(target=one) for _ in range(count)]
        began = time.monotonic()
        for number, thread in enumerate(threads):
            time.sleep(max(0.0, began + number / pace - time.monotonic()))
            thread.start()
        for thread in threads:
            thread.join()
    return result | {"found": len(set(found))}


def polls(took: list[float]) -> dict[str, Any]:
    """Wait for tasks of such lengths on a clock that only the SDK's own sleeping moves."""
    from dashscope.client import base_api

    clock = SimpleNamespace(at=0.0, end=0.0, asked=0)

    class Time:
        sleep = staticmethod(lambda seconds: setattr(clock, "at", clock.at + seconds))
        time = monotonic = perf_counter = staticmethod(lambda: clock.at)

    def get(*_: Any, **__: Any) -> Any:
        clock.asked += 1
        status = "SUCCEEDED" if clock.at >= clock.end else "RUNNING"
        return SimpleNamespace(status_code=200, output={"task_status": status})

    base_api.time = Time
    base_api.BaseAsyncApi._get = get
    asked, delays = [], []
    for seconds in took:
        clock.at, clock.end, clock.asked = 0.0, seconds, 0
        base_api.BaseAsyncApi.wait("bench", api_key="sk-test")
        asked.append(clock.asked)
        delays.append(clock.at - seconds)
    return {"polls": sum(asked) / len(took), "delay_s": sum(delays) / len(took)}


def wire(sink_url: str, picture: str, small: str) -> dict[str, Any]:
    """Send a picture inside a request, as the documents' base64 sample does."""
    import dashscope
    from dashscope.aigc.video_synthesis import AioVideoSynthesis

    dashscope.base_http_api_url = sink_url

    async def send(path: str) -> None:
        with open(path, "rb") as file:  # noqa: PTH123, ASYNC230 - as a user of the SDK writes it
            data = "data:image/png;base64," + base64.b64encode(file.read()).decode()
        made = await AioVideoSynthesis.async_call(img_url=data, **I2V)
        assert made.output.task_id == "bench", made

    return asyncio.run(_timed(send, picture, small))


async def _timed(send: Any, picture: str, small: str) -> dict[str, Any]:
    """Send a small picture first: what a first use loads is measured elsewhere."""
    await send(small)
    stalls: list[float] = []
    ticking = asyncio.ensure_future(longest_stall(stalls))
    await asyncio.sleep(0.1)
    stalls[0] = 0.0
    result: dict[str, Any] = {}
    with gauged(result):
        await send(picture)
    await asyncio.sleep(0.01)
    ticking.cancel()
    return result | {"stall_s": stalls[0]}


if __name__ == "__main__":
    answer({"version": version, "wait": wait, "polls": polls, "wire": wire})
