"""Fixtures for all tests: a quiet environment, loopback only, clocks that are given."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import wan_nb as wan
from tests.browser_support import chromium as chromium
from tests.browser_support import desk as desk
from tests.browser_support import lab as lab
from tests.browser_support import page as page
from tests.browser_support import portrait as portrait
from wan_nb.simulator import Scenario

collect_ignore = ["sdk_calls.py"]
"""A script that needs the vendor's SDK; `test_witness_sdk` runs it."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key of the person who runs the tests, and a working folder of their own."""
    for name in list(os.environ):
        if name.startswith("DASHSCOPE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "no-such-key"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            try:
                inside = ipaddress.ip_address(host).is_loopback
            except ValueError:
                inside = host == "localhost"
            if not inside:
                raise AssertionError(f"a test reached for {host}; only loopback is allowed")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def make_picture(path: Path, width: int, height: int, mode: str = "RGB") -> Path:
    """Write a picture with a gradient, so that turned or swapped sides show."""
    ramp = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM), Image.new("L", ramp.size, 90)))
    picture.convert(mode).save(path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of the documents' own example size, 750×1000."""
    return make_picture(tmp_path / "frame.png", 750, 1000)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[wan.Session]:
    """A simulated session in which two service minutes take a fifth of a second, and videos are small."""
    with wan.simulated(tmp_path / "runs", speed=600, scenario=SMALL) as opened:
        yield opened


SMALL = Scenario(job_s=90, tier_area={"480P": 64 * 48, "720P": 96 * 64, "1080P": 128 * 96})
"""The simulator's videos as small as a test needs; its size rule stays."""
