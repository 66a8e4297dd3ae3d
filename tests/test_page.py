"""The page of a run: what is in the file, and what a browser makes of it."""

import base64
import dataclasses
import html
import io
import json
import re

import numpy as np
import pytest
import soundfile
from playing import tune
from scipy import signal

from research.audio.waveform import Waveform, resample
from research.judge.crossfade import crossfade
from research.judge.fixed_equaliser import equalise
from research.judge.verdict import Verdict
from research.report.page import MAX_BYTES, Pair, Take, longest_excerpt, write_report
from research.report.plots import Axis, curve, fit_axis

RATE = 22050
SECONDS = 2.0
CONFIG = {"sample_rate": RATE, "style": {"bands": 1.0}, "layers": ["a", "b"]}
ENVIRONMENT = {"python": "3", "packages": {"jax": None}}
HOSTILE = '<script>alert("&")</script>.wav'


def verdict(content, style, **others):
    """What the judge says, with a line of crossfades whose best one is 0.4 style."""

    def one(kept, reached, score):
        return dataclasses.asdict(
            Verdict(
                content_kept=kept,
                style_reached=reached,
                leak=0.1,
                equaliser=0.2,
                above_crossfade=12.3,
                score=score,
                naturalness=0.9,
                measures={"content_cens": 0.5, "noise": float("nan")},
            )
        )

    line = [
        {"share": share, **one(1 - share**2, share, score)}
        for share, score in ((0.0, 0.0), (0.4, 0.5), (0.75, 0.3), (1.0, float("nan")))
    ]
    equalised = [{"share": share, **one(0.9, 0.3 + share, 0.4)} for share in (0.0, 0.1)]
    found = one(content, style, content * style)
    return {**found, "crossfades": line, "equalised": equalised} | others


def metrics(**others):
    history = [
        {
            "iteration": 10 * step,
            "evaluations": 11 * step,
            "loss": 3.0 / (step + 1),
            "terms": {"bands": 10.0**-step, "zero": 0.0, "odd": float("nan")},
        }
        for step in range(4)
    ]
    return {
        "loss": {"initial": 3.0, "final": 0.75, "rendered": float("inf"), "terms": {}},
        "num_iterations": 30,
        "num_evaluations": 33,
        "stopped": "finished",
        "losses": [3.0, 1.5, 1.0],
        "history": history,
        "seconds": {"load": 0.1, "total": 12.0},
        **others,
    }


def run(judge=True, style=True, **others):
    """A pair with one take."""
    judged = {"judge": verdict(0.8, 0.7)} if judge else {}
    take = Take("output", tune(330), metrics(**judged, **others))
    return Pair("melody.wav", "band.mp3", tune(440), tune(220) if style else None, (take,))


def sweep(weights=(0.3, 1.0, 3.0)):
    """A pair with several takes."""
    takes = tuple(
        Take(
            f"style_weight={weight}",
            tune(200 + 50 * i),
            metrics(
                judge=verdict(0.9 - 0.2 * i, 0.5 + 0.1 * i),
                settings={"style_weight": weight, "seed": 0},
            ),
        )
        for i, weight in enumerate(weights)
    )
    return Pair("melody.wav", "band.mp3", tune(440), tune(220, seconds=3.0), takes)


def write(path, *pairs):
    write_report(path, pairs, CONFIG, ENVIRONMENT)
    return path.read_text()


def players(page):
    """Sounds of a page, as `[samples, channels]` and rate."""
    encoded = re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]*)"', page)
    return [soundfile.read(io.BytesIO(base64.b64decode(text)), always_2d=True) for text in encoded]


def assert_resembles(player, waveform):
    samples, rate = player
    expected = resample(waveform, rate).samples[0]
    assert len(samples) / rate == pytest.approx(waveform.seconds, abs=0.1)
    match = signal.correlate(samples[:, 0], expected, method="fft")
    lag = int(np.argmax(match)) - len(expected) + 1
    assert abs(lag) < 0.06 * rate
    energy = np.sum(samples[:, 0] ** 2) * np.sum(expected**2)
    assert match.max() / np.sqrt(energy) > 0.95


# What is in the file.


def test_all_of_a_run_is_there(tmp_path):
    genres = {
        name: {"genre": "jazz", "probabilities": {"jazz": 0.75, "rock": 0.25}}
        for name in ("content", "style", "output")
    }
    page = write(tmp_path / "report.html", run(genres=genres))
    assert page.startswith("<!doctype html>")
    assert len(players(page)) == 6
    for words in (
        "melody.wav",
        "band.mp3",
        "Crossfade</button> <small>40 % style",
        "Spectrogram of the output, 0 to 2 s, 40 Hz to 11 kHz",
        "style.bands = 1.0",
        "packages.jax = None",
        "+12.3",
        "NaN",
        "∞",
        "naturalness",
        ">equaliser + 10 % style</button>",
        "<title>Equaliser + 10 % style</title>",
        "content_cens",
        ">jazz<",
        "BPM",
    ):
        assert words in page, words


def test_players_are_their_sounds(tmp_path):
    pair = run()
    content, style, mixed, equalised, mix, output = players(write(tmp_path / "report.html", pair))
    assert_resembles(content, pair.content)
    assert_resembles(style, pair.style)
    assert_resembles(mixed, crossfade(pair.content, pair.style, 0.4))
    assert_resembles(equalised, equalise(pair.content, pair.style))
    assert_resembles(mix, crossfade(equalise(pair.content, pair.style), pair.style, 0.1))
    assert_resembles(output, pair.takes[0].waveform)


@pytest.mark.parametrize(
    ("rate", "channels", "heard"), [(44100, 2, 2), (96000, 1, 1), (9000, 3, 1)]
)
def test_any_rate_and_channels_become_an_mp3(tmp_path, rate, channels, heard):
    pair = dataclasses.replace(run(), style=tune(220, rate=rate, channels=channels))
    _, style, *_ = players(write(tmp_path / "report.html", pair))
    assert style[0].shape[1] == heard
    assert_resembles(style, dataclasses.replace(pair.style, samples=pair.style.samples[:1]))


def test_crossfade_without_a_judge_is_even(tmp_path):
    page = write(tmp_path / "report.html", run(judge=False))
    assert "Crossfade</button> <small>50 % style" in page
    assert 'class="trade"' not in page


def test_style_that_is_no_audio_has_no_player(tmp_path):
    page = write(tmp_path / "report.html", run(judge=False, style=False))
    assert len(players(page)) == 2
    assert "Crossfade" not in page


def test_optional_parts_may_be_missing(tmp_path):
    bare = Pair("a", "b", tune(440), tune(220), (Take("output", tune(330), {}),))
    unjudged = sweep()
    del unjudged.takes[1].metrics["judge"]
    partial = run()
    for key in ("leak", "naturalness", "measures", "crossfades", "equalised"):
        del partial.takes[0].metrics["judge"][key]
    page = write(tmp_path / "report.html", bare, unjudged, partial)
    assert len(players(page)) == 6 + 8 + 6
    assert page.count('class="trade"') == 2
    assert page.count('class="point"') == 3


def test_silence_and_noise_are_sounds(tmp_path):
    silent = Waveform(np.zeros((1, RATE), np.float32), RATE)
    noise = Waveform(np.random.default_rng(0).standard_normal((2, RATE)).astype("f4"), RATE)
    write(tmp_path / "report.html", Pair("a", "b", silent, noise, (Take("x", silent, {}),)))
    write(tmp_path / "report.html", Pair("a", "b", silent, silent, (Take("x", silent, {}),)))


def test_text_is_escaped(tmp_path):
    take = Take(HOSTILE, tune(330), metrics(settings={HOSTILE: HOSTILE}, judge=verdict(0.5, 0.5)))
    take.metrics["genres"] = {HOSTILE: {"genre": HOSTILE, "probabilities": {HOSTILE: 1.0}}}
    take.metrics["history"][0]["terms"][HOSTILE] = 1.0
    pair = Pair(HOSTILE, HOSTILE, tune(440), tune(220), (take,))
    write_report(tmp_path / "a.html", [pair], {"a": {HOSTILE: HOSTILE}}, {HOSTILE: HOSTILE})
    page = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in page
    assert html.escape("<script>alert") in page
    assert page.count("<script>") == 1


def test_same_input_gives_same_bytes(tmp_path):
    pairs = run(), sweep()
    assert write(tmp_path / "a.html", *pairs) == write(tmp_path / "b.html", *pairs)


def test_sixteen_takes_of_ten_seconds_stay_under_ten_megabytes(tmp_path):
    draw = np.random.default_rng(0)

    def noise():
        return Waveform((0.1 * draw.standard_normal((1, 10 * RATE))).astype(np.float32), RATE)

    takes = tuple(Take(f"seed={i}", noise(), metrics(judge=verdict(0.5, 0.5))) for i in range(16))
    page = write(tmp_path / "report.html", Pair("a", "b", noise(), noise(), takes))
    assert len(page.encode()) < MAX_BYTES
    assert len(re.findall("<audio ", page)) == 21


def test_bit_rate_falls_where_there_is_much(tmp_path, monkeypatch):
    pair = sweep()
    before = len(write(tmp_path / "a.html", pair).encode())
    monkeypatch.setattr("research.report.page.MAX_BYTES", before - 50_000)
    assert len(write(tmp_path / "b.html", pair).encode()) < before - 50_000


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, float("nan"), float("inf")], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([0.0, 3.7, 4.0], ["0", "1", "2", "3", "4"]),
        ([0.0, 1e-3, 2.0], ["0.001", "0.01", "0.1", "1"]),
        ([2000.0, 30000.0], ["2k", "5k", "10k", "20k"]),
    ],
)
def test_axis_has_round_labels_within_it(values, labels):
    ticks = fit_axis(values).ticks()
    assert [label for _, label in ticks] == labels
    assert all(0 <= share <= 1 for share, _ in ticks)


def test_curve_breaks_at_what_has_no_place():
    axis = Axis(1.0, 100.0, logarithmic=True)
    values = axis.place([1.0, 10.0, 0.0, float("nan"), 100.0, float("inf")])
    assert curve([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], values) == "M0 1000L200 500M800 0"


# What a browser makes of it.


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write(folder / "run.html", run())
    write(folder / "sweep.html", sweep())
    write(folder / "pairs.html", run(), run(judge=False, style=False), sweep(range(9)))
    return folder


@pytest.fixture
def opened(browser, pages):
    """Opens a page by name, all its sounds loaded; no error and no request may come of it."""

    def open_page(name):
        browser.get((pages / f"{name}.html").as_uri())
        wait_for(browser, "[...document.querySelectorAll('audio')].every(a => a.readyState == 4)")
        # Slow, so that none ends before a busy machine comes to the next key.
        browser.execute_script(
            "document.querySelectorAll('audio').forEach(a => a.playbackRate = .2)"
        )
        return browser

    yield open_page
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"].startswith("file:")  # Not the browser's own tab.
    ]
    assert sent
    assert {url.split(":")[0] for url in sent} <= {"file", "data"}


def wait_for(browser, condition):
    """Until an expression is true, twenty seconds at most."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20, poll_frequency=0.05).until(
        lambda driver: driver.execute_script(f"return {condition}"), condition
    )


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def playing(browser):
    """Ids of the sounds that play."""
    return browser.execute_script(
        "return [...document.querySelectorAll('audio')].filter(a => !a.paused)"
        ".map(a => a.closest('.sound').id)"
    )


def selected(browser):
    return browser.execute_script("return document.querySelector('.sound.selected').id")


def position(browser, sound):
    return browser.execute_script(
        "return document.querySelector(`#${arguments[0]} audio`).currentTime", sound
    )


def test_every_sound_loads_and_plays(opened):
    browser = opened("run")
    durations = browser.execute_script(
        "return [...document.querySelectorAll('audio')].map(a => a.duration)"
    )
    assert durations == pytest.approx([SECONDS] * 6, abs=0.1)
    for index in range(6):
        browser.execute_script(f"document.querySelectorAll('audio')[{index}].play()")
        wait_for(browser, f"document.querySelectorAll('audio')[{index}].currentTime > 0.1")
        assert playing(browser) == [f"pair1-{index + 1}"]
        assert selected(browser) == f"pair1-{index + 1}"


def test_arrows_switch_at_the_same_position(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("sweep")
    assert selected(browser) == "pair1-6"
    press(browser, Keys.SPACE)
    wait_for(browser, "document.querySelector('#pair1-6 audio').currentTime > 0.3")
    press(browser, Keys.ARROW_RIGHT)
    assert playing(browser) == ["pair1-7"]
    assert abs(position(browser, "pair1-7") - position(browser, "pair1-6")) < 0.3
    press(browser, Keys.SPACE)
    assert playing(browser) == []
    at = position(browser, "pair1-7")
    for key, sound in ((Keys.ARROW_LEFT, 6), (Keys.ARROW_LEFT, 5), (Keys.ARROW_LEFT, 4)):
        press(browser, key)
        assert selected(browser) == f"pair1-{sound}"
        assert position(browser, f"pair1-{sound}") == pytest.approx(at, abs=0.02)
    press(browser, *[Keys.ARROW_LEFT] * 4)  # Around the end.
    assert selected(browser) == "pair1-8"
    assert playing(browser) == []
    shown = "return [...document.querySelectorAll('[data-of]')].filter(e => !e.hidden)"
    assert browser.execute_script(f"{shown}.map(e => e.dataset.of)") == ["pair1-8"] * 2


@pytest.mark.parametrize("focused", ["body", "#play", "#next", "#pair1-6 audio", "#pair1-6 button"])
def test_space_toggles_once_wherever_the_focus_is(opened, focused):
    from selenium.webdriver.common.keys import Keys

    browser = opened("run")
    browser.execute_script("document.querySelector(arguments[0]).focus()", focused)
    before = browser.execute_script("return scrollY")
    press(browser, Keys.SPACE)
    wait_for(browser, "document.querySelector('#pair1-6 audio').currentTime > 0.05")
    assert playing(browser) == ["pair1-6"]
    press(browser, Keys.SPACE)
    assert playing(browser) == []
    assert selected(browser) == "pair1-6"
    assert browser.execute_script("return scrollY") == before


def test_keys_with_a_modifier_or_in_a_field_are_left_alone(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened("sweep")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ARROW_RIGHT).key_up(
        Keys.CONTROL
    ).perform()
    browser.execute_script("document.body.append(document.createElement('input'))")
    browser.execute_script("document.querySelector('body > input').focus()")
    press(browser, "a", Keys.SPACE, "b", Keys.ARROW_LEFT, "c")
    assert browser.execute_script("return document.querySelector('body > input').value") == "a cb"
    assert selected(browser) == "pair1-6"
    assert playing(browser) == []


def test_shift_and_arrows_move_within_the_sound(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened("run")
    wait_for(browser, "[...document.querySelectorAll('audio')].every(a => a.readyState > 0)")
    here, start = selected(browser), 0.5
    browser.execute_script(
        "document.querySelector(`#${arguments[0]} audio`).currentTime = arguments[1]", here, start
    )
    for key, found in (
        (Keys.ARROW_RIGHT, min(start + 2, SECONDS - 0.05)),
        (Keys.ARROW_LEFT, max(min(start + 2, SECONDS - 0.05) - 2, 0)),
        (Keys.ARROW_LEFT, 0),
    ):
        ActionChains(browser).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()
        assert position(browser, here) == pytest.approx(found, abs=0.1)
    assert selected(browser) == here
    assert playing(browser) == []


def test_a_point_of_the_plot_plays_its_take(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("sweep")
    points = browser.find_elements("css selector", ".point")
    assert len(points) == 3
    for point, sound in ((points[2], "pair1-8"), (points[1], "pair1-7")):
        assert min(point.rect["width"], point.rect["height"]) >= 24
        assert point.get_attribute("aria-label").startswith("Play style_weight=")
        point.click()
        wait_for(browser, f"document.querySelector('#{sound} audio').currentTime > 0")
        assert playing(browser) == [sound]
    browser.execute_script("arguments[0].focus()", points[0])
    press(browser, Keys.ENTER)
    assert playing(browser) == ["pair1-6"]


def test_buttons_and_pictures_do_as_keys_do(opened):
    browser = opened("run")
    browser.find_element("id", "play").click()
    wait_for(browser, "document.querySelector('#pair1-6 audio').currentTime > 0.1")
    assert browser.find_element("id", "play").text == "Pause"
    browser.find_element("id", "next").click()
    assert playing(browser) == ["pair1-1"]
    browser.find_element("id", "previous").click()
    browser.find_element("id", "play").click()
    assert (selected(browser), playing(browser)) == ("pair1-6", [])
    browser.find_element("css selector", "#pair1-2 .area").click()
    assert selected(browser) == "pair1-2"
    assert position(browser, "pair1-2") == pytest.approx(SECONDS / 2, abs=0.05)
    at = browser.execute_script(
        "return getComputedStyle(document.querySelector('#pair1-2 .playhead')).left"
    )
    width = browser.find_element("css selector", "#pair1-2 .area").size["width"]
    assert float(at.removesuffix("px")) == pytest.approx(width / 2, abs=0.03 * width)


def test_pairs_share_one_player(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("pairs")
    browser.execute_script("document.querySelector('#pair3-6 audio').play()")
    wait_for(browser, "document.querySelector('#pair3-6 audio').currentTime > 0")
    press(browser, Keys.ARROW_RIGHT)
    assert playing(browser) == ["pair3-7"]
    browser.execute_script("document.querySelector('#pair2-2 h3 button').click()")
    assert playing(browser) == ["pair2-2"]
    assert len(browser.find_elements("css selector", ".sound.selected")) == 1


def test_keys_are_for_the_pair_in_sight_and_all_pairs_have_their_pictures(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("pairs")
    shown = "[...document.querySelectorAll('.of-selected > :not([hidden]) [data-copies]')]"
    assert browser.execute_script(f"return {shown}.length") == 0
    browser.execute_script("document.querySelector('#pair3').scrollIntoView()")
    press(browser, Keys.SPACE)
    wait_for(browser, "document.querySelector('#pair3-6 audio').currentTime > 0")
    assert playing(browser) == ["pair3-6"]
    assert " in the style of " in browser.find_element("id", "now").text
    browser.execute_script("scrollTo(0, 0)")  # What plays goes on.
    press(browser, Keys.ARROW_RIGHT)
    assert playing(browser) == ["pair3-7"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["run", "pairs"])
def test_page_fits_a_phone(opened, name, scheme):
    browser = opened(name)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    try:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return innerWidth") == 390
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        brightness = np.mean([int(value) for value in re.findall(r"\d+", paper)[:3]])
        assert brightness > 200 if scheme == "light" else brightness < 60
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_picture_says_what_it_is(opened):
    browser = opened("pairs")
    words = browser.execute_script("return [...document.images].map(image => image.alt)")
    assert len(words) > 30
    assert all(len(text.split()) > 5 for text in words)
    loaded = "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert browser.execute_script(loaded)
    named = "return [...document.querySelectorAll('svg')].every(svg => svg.ariaLabel)"
    assert browser.execute_script(named)


@pytest.mark.parametrize(
    ("num_pairs", "num_takes", "seconds"),
    [(1, 1, 90.0), (1, 15, 90.0), (20, 20, 15.0), (99, 99, 10)],
)
def test_a_page_of_many_sounds_plays_less_of_each(num_pairs, num_takes, seconds):
    assert longest_excerpt(num_pairs, num_takes) == seconds
