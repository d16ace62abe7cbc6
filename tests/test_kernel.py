"""In a real kernel: restart in the middle, stop a waiting cell, and a key that shows nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from tests.conftest import make_picture

KEY = "sk-" + "verysecretkey0123"


class Kernel:
    """A kernel of its own, and what it says."""

    def __init__(self, folder: Path, site: Path | None = None) -> None:
        """Start it in a folder; packages in `site` come before the installed ones."""
        self.manager = KernelManager(kernel_name="python3")
        environment = dict(os.environ)
        if site is not None:
            environment["PYTHONPATH"] = os.pathsep.join([str(site), environment.get("PYTHONPATH", "")])
        self.manager.start_kernel(cwd=str(folder), env=environment)
        self.client = self.connect()

    def connect(self) -> Any:
        client = self.manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        return client

    def restart(self) -> None:
        """Kill −9, and begin anew."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self.client = self.connect()

    def run(self, code: str, *, interrupt_at: str = "") -> list[dict[str, Any]]:
        """Run a cell and return the messages that it showed; interrupt it once it has printed a word."""
        message_id = self.client.execute(code)
        shown: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return shown
            shown.append(message["content"] | {"kind": message["msg_type"]})
            if interrupt_at and interrupt_at in message["content"].get("text", ""):
                # the word comes out before the wait begins; a moment later the cell is certainly waiting
                threading.Timer(0.4, self.manager.interrupt_kernel).start()

    def tell(self, model_id: str, content: dict[str, Any]) -> None:
        """Send a widget what its view in a browser would send."""
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
        self.client.shell_channel.send(message)

    def hear_phase(self, wanted: str) -> None:
        """Read what the kernel publishes until a status row says that phase."""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            row = message["content"].get("data", {}).get("state", {}).get("row", {})
            if message["msg_type"] in ("comm_open", "comm_msg") and row.get("phase") == wanted:
                return

    def end_of(self, message_id: str) -> None:
        """Wait until a cell has ended well."""
        while (reply := self.client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != message_id:
            pass
        assert reply["content"]["status"] == "ok", reply["content"]

    def text(self, code: str) -> str:
        """Run a cell and return what it printed; an error in it is an error here."""
        shown = self.run(code)
        assert not [each for each in shown if each["kind"] == "error"], shown
        return "".join(each.get("text", "") for each in shown)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    running = Kernel(tmp_path)
    try:
        yield running
    finally:
        running.client.stop_channels()
        running.manager.shutdown_kernel(now=True)


BEGIN = """
import wan_nb as wan
session = wan.simulated("runs", speed=40)
request = wan.VideoRequest("wan2.2-i2v-flash", first_frame="frame.png", resolution="480P", prompt="x")
"""


def test_a_restart_while_a_task_runs(kernel: Kernel, tmp_path: Path) -> None:
    """The new kernel's session.runs() shows the run, and it finishes there; nothing is submitted a second time."""
    make_picture(tmp_path / "frame.png", 500, 400)
    wait = "import time\nwhile not run.state.task_id: time.sleep(0.01)\nprint(run.id, run.state.phase)"
    run_id, phase = kernel.text(BEGIN + "run = session.submit(request)\n" + wait).split()
    assert phase == "submitted"
    kernel.restart()
    said = kernel.text(BEGIN + "(run,) = session.runs()\nprint(run.id, run.state.phase, run.wait().path.exists())")
    assert said.split() == [run_id, "submitted", "True"]
    again = kernel.text("same = session.submit(request)\nprint(same.id, len(session.runs()), same.notice)")
    assert again.startswith(f"{run_id} 1 existing run of")


def test_stopping_a_cell_stops_waiting_not_the_run(kernel: Kernel, tmp_path: Path) -> None:
    """One line says so, for wait() and for await; the run ends all the same."""
    make_picture(tmp_path / "frame.png", 500, 400)
    kernel.text(BEGIN.replace("speed=40", "speed=10") + "run = session.submit(request)")
    for cell in ("run.wait()", "await run"):
        shown = kernel.run(f"print('begun', flush=True)\n{cell}", interrupt_at="begun")
        (error,) = [each for each in shown if each["kind"] == "error"]
        assert error["ename"] in ("StillRunningError", "KeyboardInterrupt", "CancelledError")
        assert "goes on" in "".join(error["traceback"])
    assert "True" in kernel.text("print(run.wait().path.exists())")


def test_a_wrong_request_shows_one_line(kernel: Kernel) -> None:
    """Not forty lines of traceback."""
    code = BEGIN + "session.submit(request)"
    (error,) = [each for each in kernel.run(code) if each["kind"] == "error"]
    (line,) = error["traceback"]
    assert line.startswith("RequestError: first_frame: ")
    assert "no such file" in line


def test_the_key_is_nowhere(kernel: Kernel, tmp_path: Path) -> None:
    """After a whole session with a key: not in an output, a repr, a log, the folder, or the widgets' state."""
    make_picture(tmp_path / "frame.png", 500, 400)
    code = f"""
import logging, io
log = io.StringIO(); logging.basicConfig(stream=log, level=logging.DEBUG)
import wan_nb as wan
from wan_nb.simulator import Simulator
service = Simulator("service").start()
import os; os.environ["DASHSCOPE_API_KEY"] = "{KEY[:6]}" + "{KEY[6:]}"
session = wan.gateway(service.base_url, name="relay")
request = wan.VideoRequest("wan2.2-i2v-flash", first_frame="frame.png", resolution="480P", prompt="x")
form = session.form(first_frame="frame.png")
run = session.submit(request)
session.engine
"""
    shown = kernel.run(code)
    shown += kernel.run("print(repr(session), repr(session.endpoint), str(session.endpoint.key))")
    shown += kernel.run("form\n")
    shown += kernel.run("display(run); display(session.runs()); print(request.to_curl())")
    shown += kernel.run("import ipywidgets; print(ipywidgets.Widget.get_manager_state())")
    shown += kernel.run("%xmode Verbose\nsession.adopt('no-such-task')\nvars(session.follower.client)")
    shown += kernel.run("wan.live(region='singapore', api_key=os.environ['DASHSCOPE_API_KEY'] + ' ')")
    shown += kernel.run("import pickle; pickle.dumps(session.endpoint)")
    shown += kernel.run("print(log.getvalue())")
    assert KEY not in str(shown)
    assert "verysecret" not in str(shown)
    kernel.run("session.close(); service.stop()")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_a_plain_script_needs_no_notebook(tmp_path: Path) -> None:
    """The few lines of the README, as they stand there."""
    make_picture(tmp_path / "cat.png", 640, 480)
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    lines = readme.split("## In a few lines")[1].split("```python\n")[1].split("```")[0]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 9
    done = subprocess.run(
        [sys.executable, "-c", f"{lines}\nprint(video.size, video.fps, video.duration_s)"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1104×816 30.0 5.0"
    assert "too few votes to tell: 1 of 20" in done.stdout
