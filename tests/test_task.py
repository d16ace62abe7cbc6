"""Answers of the service are read leniently; the seeds' own samples are the witnesses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wan_nb.task import TaskSnapshot, TaskStatus, Usage, read_time


def test_a_success_of_seed_001() -> None:
    """Times in UTC+8, usage of 2.7, host of the result."""
    body = {
        "request_id": "r",
        "output": {
            "task_id": "af6e",
            "task_status": "SUCCEEDED",
            "submit_time": "2025-09-25 11:07:28.590",
            "scheduled_time": "2025-09-25 11:07:35.349",
            "end_time": "2025-09-25 11:17:11.650",
            "orig_prompt": "x",
            "video_url": "https://dashscope-result-sh.oss-cn-shanghai.aliyuncs.com/xxx.mp4?Expires=xxx",
        },
        "usage": {"duration": 15, "input_video_duration": 0, "output_video_duration": 15, "video_count": 1, "SR": 720},
    }
    snapshot = TaskSnapshot.read(body)
    assert snapshot.status is TaskStatus.SUCCEEDED
    assert snapshot.submit_time == datetime(2025, 9, 25, 3, 7, 28, 590000, UTC)
    assert snapshot.usage == Usage(15.0, 0.0, 15.0, "720P", 1, None)
    assert snapshot.result_host == "dashscope-result-sh.oss-cn-shanghai.aliyuncs.com"
    assert "Expires" not in repr(snapshot)


@pytest.mark.parametrize(
    ("usage", "billed", "tier"),
    [
        ({"video_duration": 5, "video_count": 1, "SR": 480}, 5, "480P"),  # kf2v, seed 000
        ({"video_count": 1, "video_duration": 5, "video_ratio": "standard"}, 5, ""),  # 2.1, seed 003
        ({"video_count": 1, "video_duration": 0, "video_ratio": "", "duration": 10, "SR": 480}, 10, "480P"),
        ({"duration": 10.0, "SR": "1080", "video_count": "1"}, 10, "1080P"),  # Java samples
        ({"video_count": 1}, None, ""),  # seed 003, Java
    ],
)
def test_usage_of_all_generations(usage: dict[str, object], billed: float | None, tier: str) -> None:
    """Whichever names the generation uses."""
    read = Usage.read(usage)
    assert read is not None
    assert (read.billed_s, read.tier) == (billed, tier)


def test_nothing_useful_is_no_crash() -> None:
    """Gateways answer with less."""
    assert TaskSnapshot.read({}).task_id == ""
    assert TaskSnapshot.read({"output": None}).status is TaskStatus.UNRECOGNISED
    assert Usage.read(None) is None
    assert read_time("yesterday") is None
    assert read_time(1_700_000_000_000) == datetime.fromtimestamp(1_700_000_000, UTC)


def test_statuses() -> None:
    """Three are final; UNKNOWN is not, since its meaning depends on the task's age."""
    assert [status for status in TaskStatus if status.is_terminal] == [
        TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED,
    ]  # fmt: skip
    assert TaskStatus.read("in_progress", {"in_progress": "RUNNING"}) is TaskStatus.RUNNING
    assert TaskStatus.read("melted") is TaskStatus.UNRECOGNISED
