"""The request: what it sends is what the documents show; what is wrong is said all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import wan_nb as wan
from tests.conftest import make_picture
from wan_nb.errors import RequestError
from wan_nb.problems import Place
from wan_nb.request import VideoRequest

EXAMPLES = json.loads((Path(__file__).parent / "data" / "curl_examples.json").read_text(encoding="utf-8"))
OWN_NAMES = {"img_url": "first_frame", "audio_url": "driving_audio", "first_frame_url": "first_frame",
             "last_frame_url": "last_frame"}  # fmt: skip


def request_of(body: dict[str, Any]) -> VideoRequest:
    """Write an example of the documents as a user of this toolkit would."""
    fields = dict(body["input"]) | body.get("parameters", {})
    for medium in fields.pop("media", []):
        fields[medium["type"]] = medium["url"]
    return VideoRequest(body["model"], **{OWN_NAMES.get(name, name): value for name, value in fields.items()})


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example['source']}-{example['body']['model']}")
def test_payload_equals_the_documents(example: dict[str, Any]) -> None:
    """Path and every field of each curl example of the seeds."""
    request = request_of(example["body"])
    assert request.payload() == example["body"]
    assert example["path"].endswith("/api/v1" + request.spec.path)
    assert not request.problems(severity="refused")


def test_fields_that_were_not_given_stay_out() -> None:
    """So that the service's own defaults hold, and a newer catalogue changes no hash."""
    assert VideoRequest("wan2.6-i2v", first_frame="https://x.example/a.png").payload() == {
        "model": "wan2.6-i2v",
        "input": {"img_url": "https://x.example/a.png"},
    }


def test_fingerprint_is_of_the_bytes_not_the_name(tmp_path: Path) -> None:
    """Equal bytes under two names are one request; a changed pixel is another."""
    first = make_picture(tmp_path / "a.png", 400, 300)
    second = tmp_path / "b.png"
    second.write_bytes(first.read_bytes())
    other = make_picture(tmp_path / "c.png", 402, 300)
    hashes = [VideoRequest("wan2.6-i2v", first_frame=path).fingerprint for path in (first, second, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[0].startswith("v1:")


def test_fingerprint_stays_the_same_for_good() -> None:
    """Changing it would make every old run unknown: this value must never change."""
    request = VideoRequest("wan2.7-i2v", first_frame="https://x.example/a.png", prompt="猫", duration=5, seed=1)
    assert request.fingerprint == "v1:356deaf562bfd852d4e8c3a73b12eac4f6429d2dd88d6d03a2ab6210db4467ee"


def test_canonical_holds_no_signature_and_no_picture(picture: Path) -> None:
    """What the journal keeps is safe to keep."""
    signed = "https://bucket.example/a.png?Expires=1&Signature=secret"
    text = json.dumps(VideoRequest("wan2.7-i2v", first_frame=picture, last_frame=signed).canonical())
    assert "sha256:" in text
    assert "secret" not in text
    assert len(text) < 400


def test_record_and_back(picture: Path) -> None:
    """A run's request can be made again from the journal."""
    request = VideoRequest("wan2.7-i2v", first_frame=picture, prompt="x", seed=3, extra={"size": "1*1"})
    again = VideoRequest.from_record(json.loads(json.dumps(request.to_record())), lambda reference, name: picture)
    assert again == request


# --- problems ---------------------------------------------------------------------------------------------------


def found(request: VideoRequest, place: Place | None = None) -> list[tuple[str, str]]:
    """Field and severity of each problem."""
    return [(problem.field, problem.severity) for problem in request.problems(place)]


def test_bad_input_gets_one_clear_line_each(tmp_path: Path) -> None:
    """Everything at once: a 100×100 PNG with alpha, 7 s where 5 or 10 are offered, a tier that the model lacks."""
    Image.new("RGBA", (100, 100), (1, 2, 3, 4)).save(tmp_path / "small.png")
    request = VideoRequest("wan2.5-i2v-preview", first_frame=tmp_path / "small.png", duration=7, resolution="4K")
    texts = {problem.field: str(problem) for problem in request.problems(severity="refused")}
    assert (
        texts["duration"]
        == "duration=7 s is not offered by wan2.5-i2v-preview; it offers 5 or 10 s. Choose one of these."
    )
    assert "480P, 720P or 1080P" in texts["resolution"]
    frames = [str(problem) for problem in request.problems() if problem.field == "first_frame"]
    assert any("100×100" in text and "240 to 8000" in text for text in frames)
    assert any("alpha" in text and "wan.flatten" in text for text in frames)
    assert all("\n" not in text for text in frames)


def test_a_missing_file_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    """With the name that was given."""
    request = VideoRequest("wan2.6-i2v", first_frame=tmp_path / "cat.png")
    (problem,) = request.problems()
    assert problem.severity == "refused"
    assert "cat.png" in problem.message


def test_check_names_the_way_out(picture: Path) -> None:
    """Wasteful is held back until it is allowed by name."""
    request = VideoRequest("wan2.2-i2v-flash", first_frame=picture, prompt="x" * 801)
    with pytest.raises(RequestError, match="allow='prompt'"):
        request.check()
    assert request.check(allow=("prompt",))
    with pytest.raises(RequestError, match="needs a first_frame"):
        VideoRequest("wan2.2-i2v-flash").check()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "wan2.7-i2v"}, ("first_frame", "refused")),
        ({"model": "wan2.7-i2v", "last_frame": "U"}, ("first_frame", "refused")),
        ({"model": "wan2.7-i2v", "first_frame": "U", "first_clip": "U"}, ("first_clip", "refused")),
        ({"model": "wan2.7-i2v", "first_clip": "U", "driving_audio": "U"}, ("driving_audio", "refused")),
        ({"model": "wan2.2-i2v-plus", "first_frame": "U", "driving_audio": "U"}, ("driving_audio", "wasteful")),
        ({"model": "wan2.2-kf2v-flash", "first_frame": "U"}, ("last_frame", "warning")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "shot_type": "multi", "prompt_extend": False},
         ("shot_type", "wasteful")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "shot_type": "many"}, ("shot_type", "refused")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "audio": False}, ("audio", "wasteful")),
        ({"model": "wan2.6-i2v-flash", "first_frame": "U", "driving_audio": "U", "audio": False},
         ("driving_audio", "wasteful")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "seed": 2**31}, ("seed", "refused")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "duration": 7}, ("duration", "warning")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "duration": 5.0}, ("duration", "refused")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "watermark": "yes"}, ("watermark", "refused")),
        ({"model": "wan2.1-i2v-turbo", "first_frame": "U", "template": "hug", "prompt": "x"}, ("prompt", "wasteful")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "prompt": "half \ud83d"}, ("prompt", "refused")),
        ({"model": "wan9", "first_frame": "U"}, ("model", "refused")),
        ({"model": "wan9", "first_frame": "U", "family": "i2v"}, ("model", "warning")),
        ({"model": "wan2.6-i2v", "first_frame": "U", "extra": {"new": 1}}, ("extra", "warning")),
    ],
)  # fmt: skip
def test_rules_of_the_documents(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    """One row, one rule."""
    fields = {name: "https://x.example/a" if value == "U" else value for name, value in fields.items()}
    assert expected in found(VideoRequest(**fields))


def test_a_region_narrows(picture: Path) -> None:
    """A model that is not offered there is refused, with where it runs."""
    place = Place(region="frankfurt")
    request = VideoRequest("wan2.2-i2v-flash", first_frame=picture)
    (problem,) = request.problems(place, severity="refused")
    assert "singapore, beijing" in problem.message
    six = VideoRequest("wan2.6-i2v", first_frame=picture, duration=6)
    assert ("duration", "refused") in found(six, Place(region="virginia"))


def test_to_curl_and_to_python_show_no_key_and_no_picture(picture: Path) -> None:
    """What a teacher shows."""
    request = VideoRequest("wan2.6-i2v-flash", first_frame=picture, prompt="it's a cat", duration=5)
    shown = request.to_curl()
    assert "$DASHSCOPE_API_KEY" in shown
    assert "it'\\''s" in shown
    assert len(shown) < 1000
    assert eval(request.to_python(), {"wan": wan}) == request  # noqa: S307 - our own text


def test_to_python_does_not_pretend_to_know_a_file(picture: Path) -> None:
    """A mended picture is in no file: the text says so, and is no other request."""
    text = VideoRequest("wan2.6-i2v", first_frame=wan.crop(picture, ratio="1:1")).to_python()
    assert "first_frame=None,  # frame.png, PNG 750×750: from memory" in text


def test_replace_rejects_a_typo(picture: Path) -> None:
    """With the names there are."""
    with pytest.raises(
        RequestError, match=r"'promt' is not a field of a request; did you mean 'prompt'\? It has model"
    ):
        VideoRequest("wan2.6-i2v", first_frame=picture).replace(promt="x")
    with pytest.raises(RequestError, match="'foo' is not a field of a request; it has model"):
        VideoRequest("wan2.6-i2v", foo=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"resolution": "720p"}, "resolution='720P'"),
        ({"resolution": 480}, "resolution='480P'"),
        ({"duration": "5"}, "duration=5"),
        ({"duration": "10s"}, "duration=10"),
        ({"duration": 5.0}, "duration=5"),
    ],
)
def test_what_was_nearly_right_is_said_right(given: dict[str, Any], meant: str) -> None:
    problems = VideoRequest("wan2.5-i2v-preview", prompt="x", **given).problems()
    (problem,) = [each for each in problems if each.field in given]
    assert problem.severity == "refused"
    assert problem.fix == f"Write {meant}."


def test_extra_that_is_no_json_is_a_problem(picture: Path) -> None:
    """Said before anything is written down; nothing given is nothing sent."""
    request = wan.VideoRequest("wan2.6-i2v-flash", first_frame=picture, extra={"steps": {1, 2}})
    found = request.problems(severity="refused")
    assert [problem.field for problem in found] == ["extra"] and "cannot be sent as JSON" in str(found[0])
    assert request.replace(extra=None).extra == {}
    assert wan.VideoRequest(None, first_frame=picture).problems()[0].field == "model"  # type: ignore[arg-type]
