"""The vendor's official SDK, called as its documents call it: run as a script, in a process of its own.

``python sdk_calls.py BASE_URL FOLDER`` makes every call of `SAMPLES` in its synchronous, asynchronous and aio form,
then list, cancel, upload and the errors, and prints what came back as JSON lines. It knows nothing of this toolkit. The
samples are those of the five documents (the number is the seed's), written anew.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dashscope
import dashscope.common.error
from dashscope import VideoSynthesis
from dashscope.aigc.video_synthesis import AioVideoSynthesis
from dashscope.utils.oss_utils import upload_file

KEY = "sk-test"
FRAME = "https://wanx.alicdn.com/material/20250318/first_frame.png"
LAST = "https://wanx.alicdn.com/material/20250318/last_frame.png"
RAP = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250925/wpimhv/rap.png"
SONG = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250925/ozwpvi/rap.mp3"
CLIP = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20260129/hfugmr/wan-r2v-role1.mp4"
PROMPT = "A figure of spray paint steps off the wall and raps."


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of every call, by name; the folder has frame.png, last.png, song.wav and clip.mp4."""
    absolute, relative = f"file://{folder}/frame.png", "file://./frame.png"
    encoded = base64.b64encode((folder / "frame.png").read_bytes()).decode()
    i2v = {"prompt": PROMPT, "prompt_extend": True, "negative_prompt": "", "seed": 12345}
    kf2v = {"model": "wan2.2-kf2v-flash", "prompt": PROMPT, "resolution": "720P", "prompt_extend": True}
    wan27 = {"model": "wan2.7-i2v-2026-04-25", "prompt": PROMPT, "resolution": "720P", "watermark": True}
    wan25 = {**i2v, "model": "wan2.5-i2v-preview", "resolution": "480P", "watermark": False}
    flash = {**i2v, "model": "wan2.6-i2v-flash", "resolution": "720P", "watermark": True}
    return {
        "000 two URLs": {**kf2v, "first_frame_url": FRAME, "last_frame_url": LAST},
        "000 two files": {**kf2v, "first_frame_url": absolute, "last_frame_url": f"file://{folder}/last.png"},
        "000 relative files": {**kf2v, "first_frame_url": relative, "last_frame_url": "file://./last.png"},
        "000 2.1": {**kf2v, "model": "wan2.1-kf2v-plus", "first_frame_url": FRAME, "last_frame_url": LAST},
        "001 driving audio": {**wan27, "duration": 10, "media": _media(first_frame=RAP, driving_audio=SONG)},
        "001 first and last": {**wan27, "duration": 2, "media": _media(first_frame=FRAME, last_frame=LAST)},
        "001 first clip": {**wan27, "duration": 10, "media": _media(first_clip=CLIP)},
        "001 files": {
            **wan27, "duration": 5,
            "media": _media(first_frame=absolute, driving_audio=f"file://{folder}/song.wav"),
        },
        "001 clip file": {**wan27, "duration": 5, "media": _media(first_clip=f"file://{folder}/clip.mp4")},
        "003 URL and audio": {**wan25, "duration": 10, "img_url": RAP, "audio_url": SONG},
        "003 file": {**wan25, "duration": 5, "img_url": absolute},
        "003 relative file": {**wan25, "duration": 5, "img_url": relative, "audio_url": f"file://{folder}/song.wav"},
        "003 base64": {**wan25, "duration": 5, "img_url": f"data:image/png;base64,{encoded}", "audio_url": SONG},
        "003 2.6": {**i2v, "model": "wan2.6-i2v", "resolution": "720P", "duration": 15, "img_url": RAP},
        "003 2.2": {"model": "wan2.2-i2v-plus", "prompt": PROMPT, "resolution": "480P", "img_url": RAP},
        "003 2.1": {"model": "wan2.1-i2v-turbo", "prompt": PROMPT, "duration": 3, "img_url": RAP},
        "004 multi-shot": {**flash, "duration": 10, "shot_type": "multi", "img_url": RAP},
        "004 multi-shot, audio": {**flash, "duration": 10, "shot_type": "multi", "img_url": RAP, "audio_url": SONG},
        "004 audio": {**flash, "duration": 10, "img_url": RAP, "audio_url": SONG},
        "004 silent": {**flash, "duration": 5, "audio": False, "img_url": RAP},
        "004 file and audio": {**flash, "duration": 2, "img_url": absolute, "audio_url": f"file://{folder}/song.wav"},
    }  # fmt: skip


def _media(**items: str) -> list[dict[str, str]]:
    return [{"type": name, "url": url} for name, url in items.items()]


def copy(arguments: dict[str, Any]) -> dict[str, Any]:
    """The SDK writes into the media list that it is given."""
    return {**arguments, "media": [dict(item) for item in arguments["media"]]} if "media" in arguments else arguments


def told(name: str, form: str, answer: Any) -> dict[str, Any]:
    """What a call gave, as plain data."""
    good = answer.status_code == HTTPStatus.OK
    return {
        "name": name,
        "form": form,
        "status": int(answer.status_code),
        "code": answer.code or "",
        "message": answer.message or "",
        "request_id": answer.request_id,
        "output": json.loads(json.dumps(answer.output, default=dict)) if answer.output else {},
        "usage": json.loads(json.dumps(getattr(answer, "usage", None), default=dict)) if good else None,
    }


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return told(name, "call", VideoSynthesis.call(api_key=KEY, **copy(arguments)))


def async_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    made = VideoSynthesis.async_call(api_key=KEY, **copy(arguments))
    assert made.status_code == HTTPStatus.OK, made
    assert made.output.task_status == "PENDING", made
    status = VideoSynthesis.fetch(task=made, api_key=KEY)
    assert status.output.task_status in ("PENDING", "RUNNING"), status
    assert VideoSynthesis.fetch(made.output.task_id, api_key=KEY).output.task_id == made.output.task_id
    return told(name, "async_call, fetch, wait", VideoSynthesis.wait(task=made, api_key=KEY))


async def aio_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return told(name, "aio call", await AioVideoSynthesis.call(api_key=KEY, **copy(arguments)))


async def aio_async_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    made = await AioVideoSynthesis.async_call(api_key=KEY, **copy(arguments))
    assert made.status_code == HTTPStatus.OK, made
    status = await AioVideoSynthesis.fetch(made, api_key=KEY)
    assert status.output.task_status in ("PENDING", "RUNNING"), status
    return told(name, "aio async_call, fetch, wait", await AioVideoSynthesis.wait(made, api_key=KEY))


def others(folder: Path) -> list[dict[str, Any]]:
    """List, cancel, upload, and the three errors."""
    plain = {"model": "wan2.2-i2v-flash", "prompt": "x", "img_url": RAP}
    made = VideoSynthesis.async_call(api_key=KEY, **plain)
    lines = [told("cancel", "cancel", VideoSynthesis.cancel(made, api_key=KEY))]
    lines.append(told("canceled", "fetch", VideoSynthesis.fetch(made, api_key=KEY)))
    lines.append(told("cancel again", "cancel", VideoSynthesis.cancel(made.output.task_id, api_key=KEY)))
    lines.append(told("list", "list", VideoSynthesis.list(api_key=KEY, page_size=3)))
    listed = VideoSynthesis.list(api_key=KEY, model_name="wan2.2-i2v-flash", status="CANCELED", page_no=1)
    lines.append(told("list filtered", "list", listed))
    lines.append(told("unknown", "fetch", VideoSynthesis.fetch("502a00b1-19d9-4839-a82f-000000000000", api_key=KEY)))
    address = upload_file("wan2.2-i2v-flash", f"file://{folder}/frame.png", KEY)
    lines.append({"name": "upload", "form": "upload", "address": address})
    lines.append(call("uploaded", {**plain, "img_url": address}))
    for key in ("sk-invalid", "sk-throttled", "sk-broken"):
        lines.append(told(key, "async_call", VideoSynthesis.async_call(api_key=key, **plain)))
        try:
            lines.append(told(key, "call", VideoSynthesis.call(api_key=key, **plain)))
        except dashscope.common.error.DashScopeException as error:  # as `wait` does with a task that was not made
            lines.append(raised(key, "call", error))
    wrong = {"model": "wan2.7-i2v", "prompt": "x", "duration": 16, "media": _media(first_frame=RAP)}
    lines.append(call("failed", wrong))
    missing = VideoSynthesis.async_call(api_key=KEY, **{**plain, "model": "wan9.9-i2v"})
    lines.append(told("no such model", "async_call", missing))
    return lines


async def aio_others() -> list[dict[str, Any]]:
    plain = {"model": "wan2.2-i2v-flash", "prompt": "x", "img_url": RAP}
    made = await AioVideoSynthesis.async_call(api_key=KEY, **plain)
    lines = [told("cancel", "aio cancel", await AioVideoSynthesis.cancel(made, api_key=KEY))]
    lines.append(told("canceled", "aio fetch", await AioVideoSynthesis.fetch(made, api_key=KEY)))
    lines.append(told("list", "aio list", await AioVideoSynthesis.list(api_key=KEY, page_size=3)))
    for key in ("sk-invalid", "sk-throttled", "sk-broken"):
        lines.append(told(key, "aio async_call", await AioVideoSynthesis.async_call(api_key=key, **plain)))
    return lines


async def aio(calls: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    found = await asyncio.gather(
        *(aio_call(name, arguments) for name, arguments in calls.items()),
        *(aio_async_call(name, arguments) for name, arguments in calls.items()),
        return_exceptions=True,
    )
    forms = ["aio call"] * len(calls) + ["aio async_call, fetch, wait"] * len(calls)
    lines = [
        raised(name, form, result) if isinstance(result, BaseException) else result
        for name, form, result in zip([*calls, *calls], forms, found, strict=True)
    ]
    return lines + await aio_others()


def raised(name: str, form: str, error: BaseException) -> dict[str, Any]:
    return {"name": name, "form": form, "raised": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Make all calls, many together: the SDK waits a second between polls, whatever the service does."""
    dashscope.base_http_api_url, folder = sys.argv[1], Path(sys.argv[2])
    os.chdir(folder)
    calls = samples(folder)
    print(json.dumps({"name": "version", "version": dashscope.version.__version__}))
    with ThreadPoolExecutor(24) as pool:
        work = [
            (name, form.__name__, pool.submit(form, name, arguments))
            for name, arguments in calls.items()
            for form in (call, async_call)
        ]
        rest = pool.submit(others, folder)
        lines = asyncio.run(aio(calls))
        for name, form, future in work:
            lines.append(raised(name, form, error) if (error := future.exception()) else future.result())
        lines += rest.result()
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
