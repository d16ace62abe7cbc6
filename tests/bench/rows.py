"""What is measured: each function takes figures from processes of their own and gives rows of the table.

`quick` tries the machinery with little work: its figures mean nothing.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.gauge import measured
from tests.bench.growth import Point, draw
from tests.bench.service import running
from tests.bench.table import Row, number
from tests.conftest import make_picture

Figures = dict[str, Any]


def imports(quick: bool) -> list[Row]:
    """Fresh interpreters; the empty one is taken off."""

    def load(code: str) -> tuple[float, int, int]:
        tell = "import sys; print(len(sys.modules), *[x.split()[1] for x in open('/proc/self/status') if 'VmHWM' in x])"
        seconds = []
        for _ in range(3 if quick else 15):
            began = time.perf_counter()
            told = subprocess.run([sys.executable, "-c", f"{code}; {tell}"], capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - began)
        modules, kib = map(int, told.stdout.split())
        return median(seconds), modules, kib // 1024

    empty = load("pass")

    def said(code: str) -> str:
        one = load(code)
        return f"{number((one[0] - empty[0]) * 1000)} ms, {one[1] - empty[1]} modules, {one[2] - empty[2]} MB"

    return [
        Row("import in a fresh interpreter", said("import wan_nb"), said("import dashscope")),
        Row("the same with what a session needs (for comparison: `import ipywidgets`)",
            f"{said('import wan_nb; wan_nb.Session')} ({said('import ipywidgets')})"),
    ]  # fmt: skip


def waiting(quick: bool) -> list[Row]:
    """Both at once, each against its own service with 20 queries a second; the small crowds beside each other."""
    counts, seconds = ((1, 4, 8), (2.0, 4.0)) if quick else ((1, 10, 100, 200, 1000), (60.0, 150.0))
    found: dict[tuple[str, int], Figures] = {}

    def one(peer: str, count: int) -> None:
        with TemporaryDirectory() as folder, running(seconds=seconds) as service:
            picture = str(make_picture(Path(folder) / "p.png", 400, 300))
            figures = measured(peer, "wait", base_url=service.base_url, picture=picture, count=count, pace=5)
            found[peer, count] = figures | {"counts": service.counts}

    for together in (counts[:-2], counts[-2:-1], counts[-1:]):
        jobs = [(peer, count) for count in together for peer in ("ours", "sdk")]
        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(lambda job: one(*job), jobs))
    if not quick:
        _draw(found, [count for count in counts if count != 200])

    def said(peer: str, count: int) -> str:
        it = found[peer, count]
        lost = f", **{count - it['found']} lost**" if it["found"] < count else ", none lost"
        asked = sum(calls for kind, calls in it["counts"].items() if kind in ("GET", "POST", "results"))
        return (
            f"{number(it['cpu_s'])} s CPU ({_ms_each(it)} ms a result), {number(it['peak_mb'])} MB in all, "
            f"{it['threads']} threads, {asked:,} requests{lost}"
        )

    what = "{} waiting tasks of {:g}–{:g} s (ours with journal and videos)"
    return [Row(what.format(f"{n:,}", *seconds), said("ours", n), said("sdk", n)) for n in counts[-2:]]


def _ms_each(it: Figures) -> str:
    return number(1000 * it["cpu_s"] / max(1, it["found"]))


def _draw(found: Mapping[tuple[str, int], Figures], counts: list[int]) -> None:
    points = [
        Point(
            is_ours=peer == "ours",
            runs=count,
            cpu_ms=1000 * it["cpu_s"] / max(1, it["found"]),
            memory_mb=it["peak_mb"],
            polls=it["counts"]["GET"] / count,
            found=100 * it["found"] / count,
        )
        for (peer, count), it in found.items()
        if count in counts
    ]
    draw(points)


def polling(quick: bool) -> list[Row]:
    """Each by itself on a clock that is given, over ends within 4 s."""
    rows = []
    rng = random.Random(1)
    for took in (60, 150):
        ends = [took + 4 * rng.random() for _ in range(5 if quick else 40)]
        figures = [measured(peer, "polls", took=ends) for peer in ("ours", "sdk")]
        said = [f"{it['polls']:.1f} polls, known {it['delay_s']:.1f} s after its end" for it in figures]
        rows.append(Row(f"one task of {took} s, nothing learned before", *said))
    return rows


def wire(quick: bool) -> list[Row]:
    """A picture that does not compress, to a server that only swallows."""
    side = (300, 400) if quick else (2600, 2688)
    with TemporaryDirectory() as folder, running() as service:
        picture, small = Path(folder) / "noise.png", make_picture(Path(folder) / "small.png", 400, 300)
        noise = np.random.default_rng(1).integers(0, 256, (*side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(picture, compress_level=0)
        found: dict[str, list[Figures]] = {"ours": [], "sdk": []}
        for _ in range(1 if quick else 5):
            for peer, said in found.items():
                given = {"sink_url": service.sink_url, "picture": str(picture), "small": str(small)}
                said.append(measured(peer, "wire", **given))
        size = picture.stat().st_size / 2**20
    values = [{name: median(each[name] for each in said) for name in said[0]} for said in found.values()]
    said = [
        f"{number(it['wall_s'] * 1000)} ms, {number(it['cpu_s'] * 1000)} ms CPU, +{number(it['memory_mb'])} MB, "
        f"loop stalls {number(it['stall_s'] * 1000)} ms"
        for it in values
    ]
    return [Row(f"a picture of {size:.0f} MiB to the wire (ours measures and hashes it too)", *said)]


def download(quick: bool) -> list[Row]:
    """The same file whole, and cut after three quarters of it."""
    rows = []
    for cut, what in ((1.0, "download of {} MB"), (0.75, "the same, cut after three quarters")):
        size = 8 if quick else 200
        with TemporaryDirectory() as folder, running(file_mb=size, cut=cut) as service:
            picture = str(make_picture(Path(folder) / "p.png", 400, 300))
            it = measured("ours", "fetch", base_url=service.base_url, picture=picture)
            counts: Counter[str] = service.counts
        sent = counts["results bytes"] / it["bytes"]
        rows.append(
            Row(
                what.format(size),
                f"{number(it['wall_s'])} s, +{number(it['memory_mb'])} MB of memory, {counts['results']} request(s), "
                f"{sent:.2f} × the file sent",
            )
        )
    return rows


def simulator(quick: bool) -> list[Row]:
    """Footage as the simulator makes it, and answers a second with few and many tasks in its folder."""
    sizes = {"480P": (832, 480), "720P": (1280, 720), "1080P": (1920, 1072)}
    seconds = 1 if quick else 5
    speeds = {tier: measured("ours", "footage", width=w, height=h, seconds=seconds) for tier, (w, h) in sizes.items()}
    footage = ", ".join(f"{it['speed']:.1f} at {tier}" for tier, it in speeds.items())
    answers = []
    for tasks in (10, 50) if quick else (10, 1000):
        with running(free=True) as service:
            it = measured("ours", "load", base_url=service.base_url, tasks=tasks, seconds=1 if quick else 5)
            answers.append(f"{number(it['per_s'])} with {tasks:,} tasks")
    return [
        Row("simulator: times faster than real time", footage),
        Row("simulator: queries answered a second", ", ".join(answers)),
    ]


def journal(quick: bool) -> list[Row]:
    """A journal that has grown for years."""
    count = 500 if quick else 100_000
    it = measured("ours", "journal", runs=count)
    text = (
        f"append {number(it['append_ms'])} ms, plan {number(it['plan_ms'])} ms, newest 50 {number(it['page_ms'])} ms, "
        f"what is going on ({it['going']}) {number(it['going_ms'])} ms, open {number(it['open_ms'])} ms"
    )
    return [Row(f"journal of {count:,} runs, {number(it['mb'])} MB", text)]


def browser(quick: bool) -> list[Row]:
    """What a user waits for, in JupyterLab in Chromium."""
    from tests.bench.browser import flows

    it = flows(1 if quick else 5)
    return [
        Row("first cell run to usable form", f"{number(it['form_ms'])} ms"),
        Row("choice in the form to new preview", f"{number(it['preview_ms'])} ms"),
        Row("click on Submit to first status painted", f"{number(it['status_ms'])} ms"),
        Row("one run in the form, click to saved video",
            f"{it['messages']:.0f} comm messages, {number(it['kilobytes'])} kB besides the video"),
    ]  # fmt: skip


BENCHMARKS: Mapping[str, Callable[[bool], list[Row]]] = {
    "imports": imports,
    "waiting": waiting,
    "polling": polling,
    "wire": wire,
    "browser": browser,
    "download": download,
    "simulator": simulator,
    "journal": journal,
}
"""By name, in the order of the table."""
