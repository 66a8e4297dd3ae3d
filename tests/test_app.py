"""`run_transfer.py --mode=app`: the server as a program, and the page in a real browser."""

import contextlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
import soundfile
from conftest import CLIPS, ROOT
from playing import tune
from waiting import wait_until

from research.app.server import _listen, serve
from research.errors import InputError

RATE = 22050


class _Server:
    """A running program and its address."""

    def __init__(self, workdir: pathlib.Path, environment: dict[str, str], *flags: str):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "run_transfer.py",
                "--mode=app",
                "--nobrowser",
                "--upload_mb=1",
                f"--port={free_port()}",
                f"--workdir={workdir}",
                *flags,
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline()
        found = re.match(r"Open (http://localhost:(\d+)) \(Ctrl-C ends it\); files", self.said)
        assert found, self.process.stderr.read()
        self.address, self.port = found[1], int(found[2])

    def ask(self, path: str, method: str = "GET", data: bytes | None = None, **headers: str):
        """Status, headers and body of an answer."""
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with contextlib.ExitStack() as stack:
            try:
                answer = stack.enter_context(urllib.request.urlopen(request, timeout=60))
            except urllib.error.HTTPError as error:
                answer = stack.enter_context(error)
            return answer.status, answer.headers, answer.read()

    def send(self, name: str, data: bytes):
        """Status and JSON of what is said to a recording."""
        status, _, body = self.ask(f"/sounds?name={name}", "PUT", data)
        return status, json.loads(body)

    def state(self) -> dict:
        return json.loads(self.ask("/state")[2])

    def end(self, number: int = signal.SIGINT) -> subprocess.CompletedProcess:
        """End it by a signal; its exit code and what it has printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wav(path: pathlib.Path, pitch: float, seconds: float = 1.0) -> bytes:
    soundfile.write(path, tune(pitch, seconds, RATE).samples.T, RATE)
    return path.read_bytes()


@pytest.fixture(scope="module")
def server(script_environment, tmp_path_factory):
    server = _Server(tmp_path_factory.mktemp("app"), script_environment)
    yield server
    if server.process.poll() is None:
        server.end(signal.SIGKILL)


def test_the_page_and_nothing_else_is_given(server):
    status, headers, page = server.ask("/")
    assert status == 200 and b"<title>Music style transfer</title>" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert b"function refresh" in server.ask("/app.js")[2]
    style = server.ask("/app.css")[2]
    assert b".transport" in style and b".slots" in style
    assert [sound["id"] for sound in server.state()["sounds"][:2]] == ["piano", "band"]
    assert server.ask("/sounds/piano")[2] == (CLIPS / "piano.ogg").read_bytes()
    for path in ("/no", "/../README.md", "/sounds/..%2Fpiano", "/takes/0001/job.json"):
        assert server.ask(path)[0] in (404, 422), path
    # A site whose name leads here, and one that sends a form.
    assert server.ask("/state", Host="evil.example")[0] == 400
    assert server.ask("/takes", "POST", b"{}")[0] == 405
    with socket.create_connection(("127.0.0.1", server.port)) as listening:
        assert listening.getpeername()[0] == "127.0.0.1"


def test_a_recording_is_received_under_a_harmless_name(server, tmp_path):
    status, sound = server.send("..%2F..%2Fa,%20b:c%22.wav", wav(tmp_path / "a.wav", 440))
    assert status == 201
    assert (sound["name"], sound["seconds"]) == ("_.._a_ b_c_.wav", 1.0)
    assert sound in server.state()["sounds"]
    assert server.ask(f"/sounds/{sound['id']}")[2] == (tmp_path / "a.wav").read_bytes()


def test_what_is_no_recording_is_refused_in_one_line_and_not_kept(server, tmp_path):
    before = server.state()["sounds"]
    status, answer = server.send("text.wav", b"not audio")
    assert status == 422
    assert re.fullmatch(r"text.wav cannot be read as audio \(.+\); give WAV, .+", answer["error"])
    status, answer = server.send("long.wav", bytes(1_000_001))
    assert (status, answer["error"]) == (
        422,
        "long.wav has more than 1 MB; give a shorter one, or start with a higher --upload_mb",
    )
    assert server.send("", b"")[1]["error"] == "sound is empty (0 bytes); give an audio file"
    assert server.state()["sounds"] == before


def test_an_upload_that_breaks_off_or_hides_its_size_leaves_nothing(server, tmp_path):
    folder = pathlib.Path(re.search(r"files are in (.+)\n", server.said)[1]) / "sounds"
    before = set(folder.iterdir())
    data = wav(tmp_path / "a.wav", 300)
    head = f"PUT /sounds?name=a.wav HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as sender:
        sender.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:9000])
        wait_until(lambda: set(folder.iterdir()) != before)
    wait_until(lambda: set(folder.iterdir()) == before)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sender:
        sender.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(12):
                sender.sendall(b"186A0\r\n" + bytes(100_000) + b"\r\n")
            sender.sendall(b"0\r\n\r\n")
        assert b" 422 " in sender.recv(100)
    wait_until(lambda: set(folder.iterdir()) == before)


def test_two_recordings_come_at_once(server, tmp_path):
    datas = {f"{pitch}.wav": wav(tmp_path / f"{pitch}.wav", pitch) for pitch in (200, 250, 300)}
    answers = {}

    def send(name: str) -> None:
        answers[name] = server.send(name, datas[name])

    threads = [threading.Thread(target=send, args=(name,)) for name in datas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, (status, sound) in answers.items():
        assert (status, sound["name"]) == (201, name)
        assert server.ask(f"/sounds/{sound['id']}")[2] == datas[name]


def find(browser, selector: str):
    from selenium.webdriver.common.by import By

    return browser.find_elements(By.CSS_SELECTOR, selector)


def text_of(browser, selector: str) -> list[str]:
    return [element.text for element in find(browser, selector)]


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_small_and_large_screens_in_both_colours(server, browser, width):
    for scheme, paper in (("light", "rgb(251, 250, 248)"), ("dark", "rgb(20, 19, 24)")):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.get(server.address)
        wait_until(lambda: find(browser, ".recordings li"))
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth") == width
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert colour == paper
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_two_files_in_and_sound_out(server, browser, tmp_path):
    browser.get(server.address)
    wait_until(lambda: find(browser, ".recordings li"))
    for role, pitch in (("content", 440), ("style", 260)):
        wav(tmp_path / f"my {role}.wav", pitch)
        [chooser] = find(browser, f"[data-role={role}] input[type=file]")
        chooser.send_keys(str(tmp_path / f"my {role}.wav"))
        chosen = f"[data-role={role}] li:has(input:checked) .name"
        wait_until(lambda chosen=chosen, role=role: text_of(browser, chosen) == [f"my {role}.wav"])
    browser.execute_script(
        "amount.value = .8; amount.dispatchEvent(new Event('input')); seed.value = 3"
    )
    assert text_of(browser, "#amount-value") == ["0.8"]
    find(browser, "#go")[0].click()
    wait_until(lambda: text_of(browser, ".take h3") == ["my content.wav as my style.wav"])
    # It goes on while the page is loaded again.
    browser.refresh()
    wait_until(lambda: find(browser, ".take.running") or find(browser, ".take.done"), 60)
    assert text_of(browser, ".settings-line") == ["instruments, amount 0.8, seed 3"]
    wait_until(lambda: find(browser, ".take.done"), 240)
    duration = (
        "const a = document.querySelector('.take audio'); a.preload = 'auto'; return a.duration"
    )
    wait_until(lambda: browser.execute_script(duration) == 1.0)
    status, headers, sound = server.ask("/takes/0001/output.wav?download")
    assert status == 200 and "my%20content%20as%20my%20style.wav" in headers["Content-Disposition"]
    folder = pathlib.Path(re.search(r"files are in (.+)\n", server.said)[1]) / "takes" / "0001"
    assert sound == (folder / "output.wav").read_bytes()
    assert soundfile.info(folder / "output.wav").frames == RATE
    config = json.loads((folder / "config.json").read_text())
    assert (config["style_amount"], config["seed"], config["keep_rests"]) == (0.8, 3, True)
    status, headers, part = server.ask("/takes/0001/output.wav", Range="bytes=0-3")
    assert (status, part) == (206, b"RIFF")
    find(browser, ".take .open")[0].click()
    browser.switch_to.frame(find(browser, "#report")[0])
    wait_until(lambda: len(find(browser, ".sound audio")) == 6)
    assert text_of(browser, "h2")[0] == "my content.wav in the style of my style.wav"
    browser.switch_to.default_content()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_take_is_compared_blind_with_the_equaliser(server, browser, tmp_path):
    from research.transfer import commands

    browser.get(server.address)
    wait_until(lambda: find(browser, ".take.done .against option"))
    assert text_of(browser, ".against option") == ["a fixed equaliser"]
    find(browser, ".take.done .blind")[0].click()
    wait_until(lambda: browser.execute_script("return trial !== null && player.duration === 1"), 60)
    browser.execute_script("player.currentTime = .99; player.play()")
    wait_until(lambda: browser.execute_script("return player.ended"))
    for kind in ("content", "style", "a", "b"):
        find(browser, f"#blind [data-plays={kind}]")[0].click()
        playing = "return !player.paused && player.readyState >= 2"
        wait_until(lambda playing=playing: browser.execute_script(playing))
    for question, answer in (("content", "a"), ("style", "same"), ("better", "b")):
        browser.execute_script(
            f"document.querySelector('[name={question}][value={answer}]').click()"
        )
    find(browser, "#vote button")[0].click()
    wait_until(lambda: "Votes so far: 1." in text_of(browser, "#vote .message")[0])
    told = text_of(browser, "#vote .message")[0]
    assert "default, style_amount=0.8" in told and "equaliser" in told
    workdir = re.search(r"files are in (.+)\n", server.said)[1]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        commands.compare([workdir], tmp_path / "compare")
    lines = printed.getvalue().splitlines()
    assert len(lines) == 5 and "style" in lines[1] and "1 votes for no difference" in lines[1]
    assert lines[3] == f"Wrote 1 votes of listeners into {tmp_path / 'compare' / 'listening.csv'}"
    assert lines[4].startswith("Wrote 1 takes into ")


def test_the_microphone_is_recorded(server, browser):
    browser.get(server.address)
    wait_until(lambda: find(browser, ".recordings li"))
    [button] = find(browser, "[data-role=content] .record")
    button.click()
    wait_until(lambda: button.text == "Stop")
    time.sleep(2)
    button.click()
    chosen = "[data-role=content] li:has(input:checked) .name"
    wait_until(lambda: text_of(browser, chosen)[0].startswith("Recording "))
    assert button.text == "Record"
    assert 1.0 < server.state()["sounds"][-1]["seconds"] < 10.0


def test_a_bad_file_is_told_on_the_page(server, browser, tmp_path):
    (tmp_path / "bad.mp3").write_text("no sound")
    browser.get(server.address)
    wait_until(lambda: find(browser, ".recordings li"))
    find(browser, "[data-role=style] input[type=file]")[0].send_keys(str(tmp_path / "bad.mp3"))
    message = "[data-role=style] .message"
    wait_until(lambda: "bad.mp3 cannot be read as audio" in text_of(browser, message)[0])
    browser.get_log("browser")  # Which tells the refusal, too.


def test_a_take_is_cancelled_and_removed_on_the_page(server, browser):
    browser.get(server.address)
    wait_until(lambda: find(browser, ".recordings li"))
    before = len(find(browser, ".take"))
    for count in (1, 2):
        find(browser, "#go")[0].click()
        wait_until(lambda count=count: len(find(browser, ".take")) == before + count)
    wait_until(lambda: find(browser, ".take.running .remove"))
    assert text_of(browser, ".take.queued .status") == ["waiting"]
    find(browser, ".take.queued .remove")[0].click()
    find(browser, ".take.running .remove")[0].click()
    wait_until(lambda: text_of(browser, ".take.cancelled .status") == ["cancelled"] * 2)
    for count in (1, 0):
        find(browser, ".take.cancelled .remove")[0].click()
        wait_until(lambda count=count: len(find(browser, ".take.cancelled")) == count)
    assert len(server.state()["takes"]) == before


def test_one_server_a_workdir_and_a_signal_ends_it_and_its_worker(server, script_environment):
    workdir = re.search(r"files are in (.+)\n", server.said)[1]
    done = subprocess.run(
        [sys.executable, "run_transfer.py", "--mode=app", "--nobrowser", f"--workdir={workdir}"],
        cwd=ROOT,
        env=script_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "another process works in" in done.stderr and done.stderr.count("\n") == 1
    workers = children(server.process.pid)
    assert workers
    ended = server.end()
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("interrupted") and "Traceback" not in ended.stderr
    wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in workers))


def children(pid: int) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def test_an_address_that_cannot_be_used_is_told():
    with _listen("127.0.0.1", None) as first, _listen("127.0.0.1", None) as second:
        taken = first.getsockname()[1]
        assert second.getsockname()[1] != taken
        with pytest.raises(InputError, match=rf"on 127.0.0.1 port {taken} \(.+\); give another"):
            _listen("127.0.0.1", taken)
    with pytest.raises(InputError, match=r"cannot listen on 203.0.113.1 port \d+ \(.+\)"):
        _listen("203.0.113.1", None)


def test_without_uvicorn_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(InputError, match=r"needs uvicorn; pip install starlette uvicorn"):
        serve(tmp_path / "app", "127.0.0.1", None, 1.0, False)
    assert not os.listdir(tmp_path)
