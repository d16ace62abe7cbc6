"""`wan-nb doctor`: each thing that can be wrong with a set-up is said in one line, with what to do."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

import wan_nb as wan
from wan_nb import checkup
from wan_nb.checkup import Check, doctor
from wan_nb.cli import main
from wan_nb.client import Client
from wan_nb.errors import ConfigError


@pytest.fixture
def without_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at beside it needs no video."""
    monkeypatch.setattr(checkup, "_simulator", lambda: Check("simulator", "ok", "not tried"))


def found(topic: str, **options: object) -> list[Check]:
    return [check for check in doctor(**options) if check.topic == topic]  # type: ignore[arg-type]


def test_a_good_set_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, one line each, a video made, nothing left in the folder."""
    assert main(["doctor", "--folder", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "note ")) for line in lines)
    assert "made and saved 2 s of 272×192" in lines[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_simulator")
def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even when it is torn; no key at all is no fault."""
    (absent,) = found("key")
    assert absent.level == "note"
    for key, level in (("sk-0123456789", "ok"), ("", "wrong"), ("sk-01 23", "wrong"), ("ab-0123", "wrong")):
        monkeypatch.setenv("DASHSCOPE_API_KEY", key)
        (check,) = found("key")
        assert check.level == level
        assert "0123" not in str(check)
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    (tmp_path / "torn").write_bytes(b"sk-\xff0123")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "torn"))
    assert "cannot be read" in found("key")[0].text
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-0123456789")
    assert "region" in found("key")[0].to_do
    assert not found("key", region="singapore")[0].to_do


@pytest.mark.usefixtures("without_simulator")
def test_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too old or missing is named together with the command that mends it."""
    real = importlib.metadata.version
    have = {"av": "9.2.0", "ipykernel": "7.3.0"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: have.get(name) or real(name))
    (packages,) = found("packages")
    assert packages.level == "wrong"
    assert "av is 9.2.0" in packages.text
    assert "pip install -U 'av>=14'" in packages.to_do
    assert "does not start" in found("kernel")[0].text


@pytest.mark.usefixtures("without_simulator")
def test_what_is_missing_of_jupyter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The browser's half of the widgets, the server, the kernel, and a kernel of another environment."""
    paths = pytest.importorskip("jupyter_core.paths")
    real = importlib.metadata.version
    lacking: set[str] = set()

    def version(name: str) -> str:
        if name in lacking:
            raise importlib.metadata.PackageNotFoundError(name)
        return "4.6.6" if name == "jupyterlab" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(paths, "jupyter_path", lambda *_: [str(tmp_path)])
    (tmp_path / "anywidget").mkdir()
    (tmp_path / "anywidget/package.json").write_text("{broken")
    (tmp_path / "@jupyter-widgets/jupyterlab-manager").mkdir(parents=True)
    (tmp_path / "@jupyter-widgets/jupyterlab-manager/package.json").write_text(json.dumps({"version": "5.0.16"}))
    (front,) = found("front end")
    assert front.level == "wrong"
    assert "install --force-reinstall anywidget" in front.to_do
    manager = pytest.importorskip("jupyter_client.kernelspec").KernelSpecManager
    monkeypatch.setattr(manager, "get_kernel_spec", lambda *_: SimpleNamespace(argv=["/elsewhere/bin/python"]))
    assert "/elsewhere/bin/python" in found("kernel")[-1].text
    lacking |= {"jupyterlab", "notebook", "ipykernel"}
    assert "another environment" in found("front end")[0].text
    assert "pip install ipykernel" in found("kernel")[0].to_do


@pytest.mark.usefixtures("without_simulator")
def test_the_trap_of_nest_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applied where it harms it is wrong; that it would harm says `wan.allow_nested_loops()`."""
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "7.4.0" if name == "ipykernel" else real(name))
    assert not found("asyncio")
    monkeypatch.setattr("asyncio._nest_patched", True, raising=False)
    monkeypatch.delitem(sys.modules, "nest_asyncio2", raising=False)
    assert found("asyncio")[0].level == "wrong"


@pytest.mark.usefixtures("without_simulator")
def test_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that cannot be written, one on the network, a full disk."""
    (tmp_path / "a file").write_text("")
    assert found("storage", folder=tmp_path / "a file" / "runs")[0].level == "ok"  # its folder is looked at
    monkeypatch.setattr(checkup, "_file_system", lambda _: "nfs4")
    assert "network file system (nfs4)" in found("storage")[0].text
    for free, level in ((5 * 10**8, "note"), (10**7, "wrong")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert found("storage")[1].level == level

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    (storage,) = found("storage")
    assert storage.level == "wrong"
    assert "Permission denied" in storage.text


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """A service that answers as a test wants it to."""
    answer: dict[str, object] = {"status": 200, "date": "Thu, 01 Jan 1970 00:00:00 GMT"}

    def handle(request: httpx.Request) -> httpx.Response:
        answer["asked"] = request
        if answer.get("down"):
            raise httpx.ConnectError("no route")
        return httpx.Response(int(str(answer["status"])), json={"data": []}, headers={"Date": str(answer["date"])})

    begin = Client.__init__

    def offline(self: Client, endpoint: object, **_: object) -> None:
        begin(self, endpoint, transport=httpx.MockTransport(handle))  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "__init__", offline)
    monkeypatch.setattr("time.time", lambda: 30.0)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-0123456789")
    yield answer


@pytest.mark.usefixtures("without_simulator")
def test_the_service_is_asked_once_and_only_when_told(service: dict[str, object]) -> None:
    """One listing of tasks, which costs nothing; it tells the time and whether the key is taken."""
    assert not found("service")
    assert "asked" not in service
    report = doctor(region="singapore", live=True)
    assert report.is_good
    assert {check.topic for check in report} >= {"service", "clock"}
    request = service["asked"]
    assert isinstance(request, httpx.Request)
    assert (request.method, request.url.path) == ("GET", "/api/v1/tasks/")
    service["date"] = "Thu, 01 Jan 1970 02:00:00 GMT"
    (clock,) = [check for check in doctor(region="singapore", live=True) if check.topic == "clock"]
    assert (clock.level, clock.text) == ("wrong", "it is 7170 s behind the service's")
    service["status"] = 401
    assert "does not take the key" in found("service", region="singapore", live=True)[0].text
    service["down"] = True
    (unreachable,) = found("service", region="singapore", live=True)
    assert (unreachable.level, "proxy" in unreachable.to_do) == ("wrong", True)
    with pytest.raises(ConfigError, match="--region"):
        doctor(live=True)


def test_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a table in a notebook, escaped; a simulator that fails is a line, not a traceback."""
    monkeypatch.setattr("wan_nb.connect.simulated", lambda *_, **__: 1 / 0)
    report = wan.doctor()
    assert not report.is_good
    assert "ZeroDivisionError" in repr(report)
    assert "<table" in checkup.Checkup([Check("a", "ok", "<b>")])._repr_html_()
    assert "&lt;b&gt;" in checkup.Checkup([Check("a", "ok", "<b>")])._repr_html_()
