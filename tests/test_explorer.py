"""The explorer without a front end: its state, what it paints, its drawing; and the figures."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from PIL import Image

import wan_nb as wan
from wan_nb import drawing
from wan_nb.errors import ConfigError, MediaError
from wan_nb.geometry import Size, predict
from wan_nb.widgets.explorer import Explorer, ExplorerState, html


def test_an_answer_follows_every_choice() -> None:
    state = ExplorerState("750x1000", wanted="3:4", model="wan2.7-i2v-2026-04-25", tier="720P")
    assert state.answer is not None and state.answer.plain == Size(816, 1104)
    before = state.revision
    state.tier = "1080P"
    assert state.answer.tier == "1080P" and state.revision == before + 1
    state.padding = False
    assert all(choice.finish.action != "pad" for choice in state.answer.choices)
    state.source = "no size"
    assert state.answer is None and "write it as '750x1000'" in state.error
    state.source = "1000x600"
    assert state.error == "" and state.answer.source == Size(1000, 600)


def test_a_tier_that_a_model_lacks_comes_back_with_the_next_model() -> None:
    state = ExplorerState(tier="1080P", model="wan2.5-i2v-preview")
    state.model = "wan2.1-i2v-plus"
    assert (state.used_tier, state.tiers) == ("720P", ("720P",))
    state.model = "wan2.5-i2v-preview"
    assert state.used_tier == "1080P"


def test_a_picture_gives_its_size_and_wrong_ones_are_told(picture: Path) -> None:
    assert wan.explorer(picture).state.source == "750x1000"
    assert wan.explorer(model="wanx2.1-i2v-turbo").state.model == "wan2.1-i2v-turbo"
    with pytest.raises(MediaError, match=r"neither a size .* nor a picture: 'no-such\.png': no such file"):
        wan.explorer("no-such.png")
    with pytest.raises(ConfigError, match=r"tier='9P': wan2\.6-i2v-flash offers 720P, 1080P"):
        wan.explorer(tier="9P")


def test_the_view_paints_the_state_and_writes_only_to_it() -> None:
    view = wan.explorer("750x1000", wanted="3:4", tier="720P")
    assert isinstance(view, Explorer)
    assert "816×1104 comes out" in view._shown.value and view._controls["tier"].value == "720P"
    view._controls["wanted"].value = "16:9"
    assert view.state.wanted == "16:9" and view.state.answer.wanted == Size(16, 9).ratio
    view._controls["model"].value = "wan2.2-i2v-plus"
    assert (
        tuple(view._controls["tier"].options) == view.state.tiers
        and view._controls["tier"].value == view.state.used_tier == "1080P"
    )
    view._controls["wanted"].value = "<b>"
    assert "&lt;b&gt;" in view._fault.value and view._shown.value == ""
    view._controls["wanted"].value = "4:5"
    assert view._fault.value == "" and "4:5" in repr(view)


def test_the_twin_is_static_and_small() -> None:
    shown = html(ExplorerState("8000x240", wanted="9:16"))
    assert len(shown) < 16_000
    assert "<script" not in shown and "http" not in re.sub(r"base64,[^\"]*", "", shown)
    assert html(ExplorerState("1x1", wanted="wide")) == ""


def test_the_drawing_is_to_scale() -> None:
    answer = wan.reach("3:4", source="1000x750", tier="720P", padding=False)
    root = Xml.fromstring(drawing.svg(answer))  # noqa: S314 - made a line above
    names = ("x", "y", "width", "height")
    boxes = [each for each in root.iter() if each.tag.endswith("rect")]
    spots = [{name: float(box.get(name, "0")) for name in names} for box in boxes]
    whole, kept, output, wanted = spots[:4]
    assert whole["width"] / whole["height"] == pytest.approx(4 / 3, rel=1e-3)
    box = answer.best.input.box
    assert kept["width"] / whole["width"] == pytest.approx((box[2] - box[0]) / 1000, abs=1e-3)
    assert (kept["x"] - whole["x"]) / whole["width"] == pytest.approx(box[0] / 1000, abs=1e-3)
    assert output["width"] / output["height"] == pytest.approx(float(answer.best.output.ratio), rel=1e-3)
    assert wanted["width"] / wanted["height"] == pytest.approx(0.75, rel=1e-3)
    data = re.search(r'base64,([^"]+)"', drawing.image(answer))
    assert data and base64.b64decode(data[1]).decode() == drawing.svg(answer)


def test_every_way_can_be_drawn() -> None:
    for source in ("1x1", "8000x240", "750x1000"):
        answer = wan.reach("9:16", source=source)
        for choice in answer.choices:
            assert Xml.fromstring(drawing.svg(answer, choice)) is not None  # noqa: S314


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_saw_tooth_is_the_prediction() -> None:
    figure = wan.plot_drift("720P")
    shapes, drifts = (np.asarray(values) for values in figure.axes[0].lines[0].get_data())
    middles = (shapes[:-1] + shapes[1:]) / 2
    for at, drift in zip(middles[::7], ((drifts[:-1] + drifts[1:]) / 2)[::7], strict=True):
        size = predict((round(at * 10**6), 10**6), "720P")
        if abs(drift) > 0 and at not in shapes:
            assert abs(float(size.ratio) / at * 100 - 100 - drift) < 0.1


def test_figures_show_themselves_and_touch_no_global_state() -> None:
    for figure in (wan.plot_drift(), wan.plot_rules(), wan.plot_lattice(source="750x1000")):
        shown = Image.open(io.BytesIO(figure._repr_png_()))
        assert shown.width > 500
        assert len(figure._repr_png_()) < 80_000
    code = "import sys, wan_nb as wan; wan.plot_lattice(); assert 'matplotlib.pyplot' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "matplotlib" not in subprocess.run(
        [sys.executable, "-c", "import sys, wan_nb; wan_nb.reach('3:4', source='3x4'); print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
