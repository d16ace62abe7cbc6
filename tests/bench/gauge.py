"""What a process says of itself: CPU, memory, threads, stalls of its loop. Standard library and Linux only."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def _status(name: str) -> int:
    """Return a number of /proc/self/status, such as VmRSS in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


@contextmanager
def gauged(result: dict[str, Any]) -> Iterator[None]:
    """Put wall_s, cpu_s, memory_mb (peak above the beginning), peak_mb and threads (most at once) into a dict."""
    most = threading.active_count()
    done = threading.Event()

    def sample() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, threading.active_count() - 1)

    with suppress(OSError):  # forget the peak so far
        Path("/proc/self/clear_refs").write_text("5")
    sampler = threading.Thread(target=sample, daemon=True)
    before, used, began = _status("VmRSS"), os.times(), time.perf_counter()
    sampler.start()
    yield
    ended = os.times()
    result["wall_s"] = time.perf_counter() - began
    result["cpu_s"] = ended.user + ended.system - used.user - used.system
    result["memory_mb"] = max(0.0, (_status("VmHWM") - before) / 1024)
    result["peak_mb"] = _status("VmHWM") / 1024
    result["threads"] = max(most, threading.active_count() - 1)
    done.set()


async def longest_stall(stalls: list[float]) -> None:
    """Note, until cancelled, by how much the loop is late for a wake-up of every 2 ms (seconds)."""
    stalls.append(0.0)
    while True:
        due = time.perf_counter() + 0.002
        await asyncio.sleep(0.002)
        stalls[0] = max(stalls[0], time.perf_counter() - due)


def measured(module: str, name: str, timeout_s: float = 3600, **given: Any) -> dict[str, Any]:
    """Call a function of `tests.bench.ours` or ``.sdk`` in a process of its own and return what it says."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DASHSCOPE")}
    environment |= {"NO_PROXY": "127.0.0.1", "PYTHONPATH": str(REPOSITORY), "DASHSCOPE_API_KEY": "sk-test"}
    words = [sys.executable, "-m", f"tests.bench.{module}", name, json.dumps(given)]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=timeout_s, env=environment, cwd=REPOSITORY
    )
    if done.returncode:
        raise RuntimeError(f"{module} {name} ended with {done.returncode}: {done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def answer(functions: dict[str, Any]) -> None:
    """Be such a process: print the result of the function that the command line names."""
    print(json.dumps(functions[sys.argv[1]](**json.loads(sys.argv[2]))))
