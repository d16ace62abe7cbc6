"""First witness: the vendor's own curl examples, as requests of this toolkit and as calls to the simulator.

``data/curl_examples.json`` keeps path, headers and every field of the 13 POST examples in the five documents; only the
prompts are in words of our own. Where the documents themselves lie beside the checkout, they are read and sent as well.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from tests.films import look_at
from tests.test_request import request_of
from tests.waiting import until
from wan_nb.client import Body, Client
from wan_nb.endpoint import Endpoint, Secret, region_endpoint

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "curl_examples.json").read_text("utf-8"))
SEEDS = Path(__file__).parents[2] / "shared" / "seeds"
CREATED = {"output": {"task_status": "PENDING", "task_id": "t1"}, "request_id": "r1"}
TRANSPORT = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
"""Headers that every HTTP client adds by itself."""
SOUND = {"wan2.7-i2v-2026-04-25", "wan2.6-i2v", "wan2.5-i2v-preview"}
"""Models among the examples whose videos always have sound; wan2.6-i2v-flash is called with audio false there."""


def named(example: dict[str, Any]) -> str:
    return f"{example['source']}-{example['body']['model']}"


@dataclass(frozen=True)
class Command:
    """A curl command of a document, taken apart as a shell would."""

    source: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]


def read_commands() -> list[Command]:
    """Return the POST examples of the documents, in order; nothing where they do not lie beside the checkout."""
    found = []
    for file in sorted(SEEDS.glob("*.txt")) if SEEDS.is_dir() else ():
        for text in re.findall(r"curl --location.*?'\{.*?\n *\}'", file.read_text("utf-8"), re.DOTALL):
            words = shlex.split(text.replace("\\\n", " "))
            url = next(word for word in words[1:] if "/api/v1/" in word)
            headers = [words[n + 1] for n, word in enumerate(words) if word in ("-H", "--header")]
            data = next(words[n + 1] for n, word in enumerate(words) if word in ("-d", "--data-raw"))
            pairs = (header.split(": ", 1) for header in headers)
            found.append(Command(file.name[:3], url, dict(pairs), json.loads(data)))  # type: ignore[arg-type]
    return found


COMMANDS = read_commands()


@pytest.mark.skipif(not COMMANDS, reason="the documents (../shared/seeds) do not lie beside the checkout")
def test_the_kept_examples_are_the_documents() -> None:
    """Everything but the words of the prompts."""
    assert len(COMMANDS) == len(EXAMPLES) == 13
    for command, kept in zip(COMMANDS, EXAMPLES, strict=True):
        assert (command.source, urlsplit(command.url).path) == (kept["source"], kept["path"])
        assert sorted(command.headers) == kept["headers"]
        theirs, ours = json.loads(json.dumps(command.body)), json.loads(json.dumps(kept["body"]))
        assert theirs["input"].pop("prompt") != ours["input"].pop("prompt")
        assert theirs == ours


# --- what the toolkit sends -------------------------------------------------------------------------------------------


def sent(body: dict[str, Any], endpoint: Endpoint) -> httpx.Request:
    """Return the HTTP request that the toolkit makes of an example."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CREATED)

    async def call() -> None:
        client = Client(endpoint, transport=httpx.MockTransport(answer))
        request = request_of(body)
        await client.create(request.spec.path, Body(request.payload))
        await client.close()

    asyncio.run(call())
    return seen[0]


def endpoint_of(url: str) -> Endpoint:
    """Return the toolkit's own endpoint for the host of an example."""
    host, key = urlsplit(url).hostname, Secret("sk-test")
    if host is None:
        return Endpoint("relay", "https://relay.example/qwen/api/v1", key)
    workspace = "{workspaceid}" in host
    return region_endpoint("singapore", key, workspace="{WorkspaceId}" if workspace else None)


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_the_toolkit_sends_the_example(example: dict[str, Any]) -> None:
    """Path, headers and JSON, nothing more and nothing less."""
    endpoint = endpoint_of("" if example["source"] == "002" else "https://dashscope-intl.aliyuncs.com")
    request = sent(example["body"], endpoint)
    assert (request.method, request.url.path) == ("POST", example["path"])
    assert not request.url.query
    assert set(request.headers) - TRANSPORT == {name.lower() for name in example["headers"]}
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.headers["x-dashscope-async"] == "enable"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == example["body"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.source}-{command.body['model']}")
def test_the_toolkit_sends_the_original(command: Command) -> None:
    """The documents' own text, host and all; only the key differs."""
    request = sent(command.body, endpoint_of(command.url))
    assert json.loads(request.content) == command.body
    assert request.url.path == urlsplit(command.url).path
    if command.url.startswith("https:"):
        assert unquote(str(request.url)) == command.url.lower()  # hosts have no capitals
    for name, value in command.headers.items():
        assert request.headers[name] == re.sub(r"\$DASHSCOPE_API_KEY|\{\{YOUR_API_KEY\}\}", "sk-test", value)


# --- what the simulator answers ---------------------------------------------------------------------------------------


class Service:
    """``python -m wan_nb.simulator`` in a process of its own."""

    def __init__(self, folder: Path, scenario: str) -> None:
        words = [sys.executable, "-m", "wan_nb.simulator", "--folder", str(folder), "--speed", "600"]
        self.process = subprocess.Popen([*words, "--scenario", scenario], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.base_url = self.process.stdout.readline().strip()

    def make(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Create, poll to the end, fetch: plain HTTP, nothing of the toolkit. Return the last answer and the file."""
        origin, prefix = self.base_url.removesuffix("/api/v1"), path.partition("/services/")[0]
        key = {"Authorization": headers["Authorization"]}
        with httpx.Client(trust_env=False, timeout=30) as http:
            made = http.post(origin + path, headers=headers, json=body)
            assert made.status_code == 200, made.text
            assert set(made.json()) == {"output", "request_id"}
            assert made.json()["output"]["task_status"] == "PENDING"
            task_id = made.json()["output"]["task_id"]
            address = f"{origin}{prefix}/tasks/{task_id}"
            answer = until(lambda: ended(http.get(address, headers=key).json()), 60)
            assert answer["output"]["task_status"] == "SUCCEEDED", answer
            return answer, http.get(answer["output"]["video_url"]).raise_for_status().content

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def ended(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to a poll once it is the last one, nothing before."""
    return {} if answer["output"]["task_status"] in ("PENDING", "RUNNING") else answer


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One with small videos for the whole module."""
    started = Service(tmp_path_factory.mktemp("service"), "small")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def full_size_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One as it is by default."""
    started = Service(tmp_path_factory.mktemp("service"), "plain")
    yield started
    started.stop()


def check(body: dict[str, Any], answer: dict[str, Any], file: bytes) -> tuple[int, int]:
    """Look at answer and file with the documents' eyes; return the size."""
    output, film = answer["output"], look_at(file)
    seconds = body["parameters"].get("duration", 5)
    assert (film.codec, film.fps, film.seconds) == ("h264", 30.0, float(seconds))
    assert (film.size[0] % 16, film.size[1] % 16) == (0, 0)
    assert (film.sound is not None) is (body["model"] in SOUND)
    if film.sound:
        assert film.sound[0] == "aac"
        assert abs(film.sound[1] - seconds) < 0.1
    assert output["orig_prompt"] == body["input"]["prompt"]
    rewritten = body["parameters"]["prompt_extend"] and not body["model"].startswith(("wan2.6", "wan2.7"))
    assert ("actual_prompt" in output) is rewritten
    usage, tier = answer["usage"], int(body["parameters"]["resolution"][:-1])
    assert usage["video_count"] == 1
    assert usage.get("duration", usage.get("video_duration")) == seconds
    assert usage.get("SR") == (None if "2.1" in body["model"] else tier)
    for name in ("submit_time", "scheduled_time", "end_time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", output[name])
    return film.size


def key_for(example: dict[str, Any]) -> dict[str, str]:
    values = {"Authorization": "Bearer sk-test", "Content-Type": "application/json", "X-DashScope-Async": "enable"}
    return {name: values[name] for name in example["headers"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_the_example_ends_in_a_video(service: Service, example: dict[str, Any]) -> None:
    """Each sent as it stands."""
    check(example["body"], *service.make(example["path"], key_for(example), example["body"]))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.source}-{command.body['model']}")
def test_the_original_ends_in_a_video(service: Service, command: Command) -> None:
    """Changed in host and key alone."""
    headers = {name: re.sub(r"\$\w+|\{\{\w+\}\}", "sk-test", value) for name, value in command.headers.items()}
    path = urlsplit(command.url).path
    check(command.body, *service.make(path, headers, command.body))


@pytest.mark.campaign
@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_the_example_ends_in_a_video_of_full_size(full_size_service: Service, example: dict[str, Any]) -> None:
    """The pixel count is near the tier's, as every document says: a stand-in of 4:3 gives the published size."""
    size = check(example["body"], *full_size_service.make(example["path"], key_for(example), example["body"]))
    # floor of the square roots to 16, by hand: 1280x960 → 480P: 729.7×547.3, 720P: 1108.5×831.4
    assert size == {"480P": (720, 544), "720P": (1104, 816)}[example["body"]["parameters"]["resolution"]]
