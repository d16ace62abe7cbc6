"""Bringing a video home: a whole MP4, on the disk, under its name, then recorded.

A download goes on where it broke off; what is there is never thrown away while the service still has the rest. While
the service keeps the result, a failure is told and can be taken up again; only after its 24 hours is a video lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from wan_nb.client import Client
from wan_nb.clock import Clock
from wan_nb.errors import DownloadError, LostAnswerError, ServiceError, UnsentError, VideoError
from wan_nb.record import RunState
from wan_nb.schedule import backoff_s

FETCH_TRIES = 12
"""How often a result is fetched in vain (about seven minutes) before that is said; `session.resume()` goes on."""
GONE = (403, 404, 410)
"""Answers that a new address may mend, once: the old one expired, or a firewall says so."""


async def bring_home(
    client: Client,
    clock: Clock,
    state: RunState,
    url: str,
    folder: Path,
    record: Callable[..., Awaitable[object]],
    progress: Callable[[int, int], None],
) -> None:
    """Fetch a finished run's video into ``videos/`` and record how that ended; `progress` hears (done, total) bytes."""
    target = folder / "videos" / file_name(state)
    part = target.with_name(target.name + ".part")
    for attempt in range(1, FETCH_TRIES + 1):
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            await client.download(url, part, progress)
            saved = await asyncio.to_thread(_settle, part, target, folder)
            await record(state.run_id, "saved", **saved)
            return
        except VideoError as error:
            reason = str(error)
            await asyncio.to_thread(part.unlink, missing_ok=True)
        except LostAnswerError as error:
            reason = str(error)
        except DownloadError as error:
            reason = f"{error} Firewalls often block result hosts: allow {error.host}."
            if error.status in GONE and attempt > 1:
                break
        except OSError as error:  # a full disk: what is there stays
            reason = f"cannot save to {target.parent}: {error}"
            break
        if state.deadline is not None and clock.now() > state.deadline:
            break
        await clock.sleep(backoff_s(attempt))
        url = await _fresh_url(client, state, url)
    if state.deadline is not None and clock.now() > state.deadline:
        await record(state.run_id, "lost", message=reason)
    else:
        await record(state.run_id, "unwatched", reason=reason)


async def _fresh_url(client: Client, state: RunState, url: str) -> str:
    """Ask for the task once more; its answer carries a newly signed address."""
    try:
        return (await client.get(state.task_id)).video_url or url
    except (ServiceError, UnsentError, LostAnswerError):
        return url


def file_name(state: RunState) -> str:
    """Return a file name that people can read: date, model, first words of the prompt, run id.

    Example:
        >>> file_name(RunState("r1f", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0, {"prompt": "A cat, up!"}))
        '19700101-000000_wan2.7-i2v_a-cat-up_r1f.mp4'
    """
    when = datetime.fromtimestamp(state.created_at, UTC).strftime("%Y%m%d-%H%M%S")
    words = re.findall(r"\w+", str(state.request.get("prompt") or "").lower())[:5]
    slug = "-".join(words)[:40].strip("-")
    parts = [when, re.sub(r"[^\w.-]", "-", state.model)[:60], slug, state.run_id]
    return "_".join(part for part in parts if part) + ".mp4"


def _settle(part: Path, target: Path, folder: Path) -> dict[str, object]:
    """Check a download as a whole MP4, put it under its name for good, and return what is recorded of it."""
    from wan_nb import video  # heavy, and only needed once there is a video

    info = video.probe(part)
    digest = hashlib.sha256()
    with part.open("rb+") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        os.fsync(file.fileno())
    part.replace(target)
    if os.name == "posix":  # the name, too, must survive a power cut
        place = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    return {
        "path": target.relative_to(folder).as_posix(),
        "sha256": digest.hexdigest(),
        "nbytes": info.nbytes,
        "size": info.size.wire,
        "fps": float(info.fps),
        "duration_s": round(info.duration_s, 3),
        "has_audio": info.has_audio,
    }
