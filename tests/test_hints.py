"""What somebody in a hurry types: each answer says how to go on."""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path

import pytest
from PIL import Image

import wan_nb as wan
from wan_nb.hints import Hinted
from wan_nb.preview import Preview
from wan_nb.record import RunState

PICTURE = Image.new("RGB", (400, 300))


@pytest.mark.parametrize(
    ("typed", "meant"), [("promt", "prompt"), ("image", "first_frame"), ("seconds", "duration"), ("seeds", "seed")]
)
def test_misspelt_field_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    """In the constructor, in `replace` and as an axis of a comparison."""
    request = wan.VideoRequest("wan2.6-i2v-flash", prompt="x")
    with pytest.raises(wan.WanError, match=f"'{typed}' is not a field .* did you mean '{meant}'"):
        wan.VideoRequest("wan2.6-i2v-flash", **{typed: 1})
    with pytest.raises(wan.WanError, match=f"did you mean '{meant}'"):
        request.replace(**{typed: 1})


def test_constructor_is_still_a_dataclass_s() -> None:
    """Shift-Tab shows the fields; copies are equal."""
    request = wan.VideoRequest("wan2.6-i2v-flash", prompt="x", seed=3)
    assert list(inspect.signature(wan.VideoRequest).parameters)[:3] == ["model", "prompt", "first_frame"]
    assert copy.deepcopy(request) == copy.copy(request) == request
    assert not hasattr(request, "_repr_javascript_")


def test_medium_of_a_wrong_type_names_its_field() -> None:
    """Which of the two pictures was it?"""
    with pytest.raises(wan.WanError, match=r"^last_frame: int is no image"):
        wan.VideoRequest("wan2.2-kf2v-flash", first_frame=PICTURE, last_frame=5)


def test_names_that_one_expects_lead_to_those_that_are(tmp_path: Path) -> None:
    """Runs, sessions, studies, requests and the package itself."""
    with wan.simulated(tmp_path, scenario="small", speed=6000) as session:
        request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=PICTURE, prompt="x", resolution="480P")
        study = session.compare(request, prompt=["a", "b"], seed=[1, 2])
        run = session.submit(request)
        for thing, name, use in [
            (run, "status", "run.state.phase"),
            (run, "wiat", "'wait'"),
            (session, "generate", "session.submit"),
            (session, "closse", "'close'"),
            (study, "winner", "study.tally()"),
            (study, "sedes", "'seeds'"),
            (study, "takes", "cell.takes"),
            (session, "page", "session.runs(limit, before="),
            (session, "again", "run.again"),
            (session, "settle", "run.adopt"),
            (session, "budget", "session.preview(request).left"),
            (session, "keep", "session.submit(request)"),
            (request, "price", "session.preview"),
            (wan, "Videorequest", "'VideoRequest'"),
        ]:
            with pytest.raises(AttributeError, match=name) as told:
                getattr(thing, name)
            assert use in str(told.value)
        with pytest.raises(wan.WanError, match=r"session\.submit"):
            session.run(request)  # type: ignore[arg-type]
        with pytest.raises(wan.WanError, match=r"ends with \.html"):
            study.to_html(tmp_path / "study.pdf")
        with pytest.raises(wan.WanError, match="did you mean 'seed'"):
            session.compare(request, seeds=[1, 2])
        assert wan.plot_tally(study.tally()).axes
        assert repr(study.estimate).startswith("StudyEstimate(4 of 4 cells")
        with pytest.raises(NotImplementedError):  # outside of a notebook its table is shown, also while it goes on
            session.runs()._ipython_display_()
        with pytest.raises(wan.WanError, match=r"^crop has no box=; it has ratio=, size=, focus="):
            run.wait().crop(box=(0, 0, 64, 64))


def test_help_says_what_may_be_given_and_what_a_study_has() -> None:
    """Shift-Tab shows a signature with the names of types; what they stand for is in words below it."""
    for function in (wan.predict, wan.compare_rules, wan.plot_lattice, wan.crop, wan.pad, wan.Size.of):
        said = inspect.getdoc(function) or ""
        assert "`Size`" in said and "750x1000" in said, function
    assert "`Path`" in (inspect.getdoc(wan.measure) or "")
    for method in (wan.Experiment.to_csv, wan.Experiment.to_json):
        assert "study:" not in (inspect.getdoc(method) or "") and "path: " in (inspect.getdoc(method) or "")
    for name in ("id", "baseline", "variants", "seeds", "pairs"):
        assert f"    {name}: " in (inspect.getdoc(wan.Experiment) or "")


def test_only_names_that_are_alike_are_offered_for_a_file_that_is_missing(tmp_path: Path) -> None:
    """A suffix in common makes no two names alike; several that are near are all offered."""
    for name in ("one.png", "cat.png", "cat.jpg", "cats.png", "dog.png"):
        (tmp_path / name).touch()
    assert str(wan.load(tmp_path / "nope.png").error).endswith("; check the name.")
    error = str(wan.load(tmp_path / "cat.webp").error)
    assert all(repr(name) in error for name in ("cat.png", "cat.jpg", "cats.png")) and "dog" not in error


def test_what_fails_inside_a_property_is_not_hidden() -> None:
    """A hint in place of the real error would send people the wrong way."""

    class Torn(Hinted):
        @property
        def size(self) -> int:
            return None.width  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'width'"):
        _ = Torn().size


@pytest.mark.parametrize("kind", [wan.Run, wan.Session, wan.Experiment, wan.VideoRequest])
def test_no_hint_stands_in_the_way_of_a_name_that_exists(kind: type[Hinted]) -> None:
    """A hint for what is there would never be seen."""
    assert kind._instead
    assert not [name for name in kind._instead if hasattr(kind, name)]


HELD = {"run": wan.Run, "study": wan.Experiment, "session": wan.Session, "request": wan.VideoRequest, "wan": wan}
WORN = {"state": RunState, "video": wan.Video, "request": wan.VideoRequest, "preview(request)": Preview}


@pytest.mark.parametrize(
    "kind", [wan.Run, wan.Experiment, wan.Session, wan.VideoRequest], ids=lambda kind: kind.__name__
)
def test_what_is_offered_instead_exists(kind: type) -> None:
    """A hint that leads to nothing is worse than none."""
    for said in kind._instead.values():  # type: ignore[attr-defined]
        for name, first, then in re.findall(
            r"\b(run|study|session|request|wan)\.(\w+(?:\(request\))?)(?:\.(\w+))?", said
        ):
            assert hasattr(HELD[name], first.split("(")[0]), said
            if then:
                assert hasattr(WORN[first], then), said
