# SPDX-License-Identifier: Apache-2.0
"""``bcfl dashboard`` beside a run with cheats: in a headless Chromium, where there is one, and as bare pushes everywhere."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import pytest

from bcfl.chain.node import open_node
from bcfl.chain.pump import BlockPump
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Level
from bcfl.errors import ChainError

SCENARIO = """\
name: ward
seed: 7
task:
  rounds: 4
  network: mnist_cnn_small
  training: {learning_rate: 0.05, momentum: 0.9, batch_size: 50, epochs: 2}
  score: shapley
  defence: pipeline
  reward: {mode: rate, rate: "1", budget: "100", vesting_rounds: 1}
  schedule: {closing_s: 4}
data:
  dataset: mnist
  partition: {name: equal, samples_per_client: 600}
population:
  evaluators: [{name: alice}]
  trainers:
    - {name: bob}
    - {name: charlie}
    - {name: david}
    - {name: eve}
    - {name: larry, behaviour: {name: delta_weights, sigma: 0.3}}
    - {name: mallory, behaviour: sign_flip}
chain: {block_time: 0.5}
"""
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Notes when an ejection is first on the page, and when its evidence is.
NOTING = """
window.shown = {};
const note = () => {
  for (const one of document.querySelectorAll(".case.ejected")) {
    const name = one.dataset.round + "/" + one.dataset.index, at = Date.now();
    window.shown[name] ??= {};
    window.shown[name].told ??= at;
    if (one.querySelector("details td")) window.shown[name].evidence ??= at;
  }
};
new MutationObserver(note).observe(document.getElementById("board"), {childList: true, subtree: true});
note();
"""


@pytest.fixture
def ward(tmp_path, start):
    """A run with two cheats, begun; its chain's contracts stand."""
    path = tmp_path / "ward.yaml"
    path.write_text(SCENARIO)
    run = start(scenario=path)
    deadline = time.monotonic() + 60
    while not (run.directory / "chain.json").is_file():
        assert run.process.poll() is None, run.text
        assert time.monotonic() < deadline, run.text
        time.sleep(0.05)
    return run


@pytest.fixture
def shown(ward, begin):
    """The address of a dashboard of that run."""
    board = begin(ward.directory, "dashboard", "--port", "0")
    board.until("Ctrl-C")
    return re.search(r"http://127\.0\.0\.1:\d+", board.text)[0]


@contextlib.contextmanager
def browser(*, width=1200):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = CHROMIUM
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        yield driver
    finally:
        driver.quit()


def picture(driver, path, *, width):
    """The page's top, with the newest case unfolded; a phone's is dark."""
    if width < 500:
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    else:
        driver.execute_script("document.querySelector('.case details').open = true")
    size = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(0.5)
    driver.save_screenshot(path)


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        return answer.read().decode()


def task_of(shown):
    deadline = time.monotonic() + 30
    while (found := re.search(r"/task/0x[0-9a-fA-F]{40}", get(shown))) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return shown + found[0]


class Heard(threading.Thread):
    """When a block with an ejection was seen, by round and index: on a socket of its own."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.record = json.loads((directory / "chain.json").read_text())
        self.ejected = {}
        self.enough = threading.Event()

    def run(self):
        anyio.run(self._listen)

    async def _listen(self):
        async with open_node(self.record["url"]) as node:
            pump = BlockPump(
                node=node, addresses=[self.record["factory"]], decoder=decode_log, start=0, confirmations=0
            )

            async def sink(delivery):
                if not isinstance(delivery, Batch) or delivery.level is not Level.SEEN:
                    return
                for event in delivery.events:
                    if isinstance(event, e.TaskCreated):
                        pump.watch(event.task, from_block=delivery.block.number)
                    elif isinstance(event, e.TrainerEjected):
                        self.ejected[f"{event.round}/{event.index}"] = time.time() * 1000
                        if len(self.ejected) == 2:
                            self.enough.set()

            with contextlib.suppress(ChainError):  # the run ends, and its chain with it
                await pump.run(sink)


@pytest.mark.skipif(None in {CHROMIUM, DRIVER}, reason="there is no chromium with its chromedriver here")
@pytest.mark.timeout(240)
def test_each_ejection_is_in_the_browser_with_its_evidence_within_a_second(ward, shown):
    heard = Heard(ward.directory)
    heard.start()
    with browser() as driver, browser(width=390) as phone:
        url = task_of(shown)
        driver.get(url)
        driver.execute_script(NOTING)
        phone.get(url)
        assert heard.enough.wait(150), ward.text
        time.sleep(2)
        noted = driver.execute_script("return window.shown")
        assert noted.keys() == heard.ejected.keys()
        for case, at in heard.ejected.items():
            assert noted[case]["told"] - at < 1000, case
            assert noted[case]["evidence"] - at < 1000, case
        # nothing was refused or failed, and nothing sticks out on a phone
        assert driver.find_element("css selector", "h1").text == "ward"
        assert "left" in driver.find_element("css selector", ".deadline").text
        assert driver.find_elements("css selector", "#curve svg")
        assert driver.get_log("browser") == []
        assert phone.execute_script("return document.documentElement.scrollWidth") <= 390
        # what was unfolded stays so when the page changes
        driver.execute_script("document.getElementById('specification').open = true")
        before = driver.find_element("id", "head").text
        ward.end()
        deadline = time.monotonic() + 20
        while "completed" not in driver.find_element("id", "phase").text:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert driver.find_element("id", "head").text != before
        assert driver.execute_script("return document.getElementById('specification').open")
        if folder := os.environ.get("BCFL_PICTURES"):  # those in docs/figures
            picture(driver, Path(folder) / "dashboard.png", width=1100)
            picture(phone, Path(folder) / "dashboard-phone.png", width=390)


@pytest.mark.timeout(200)
def test_the_pushes_alone_tell_the_story(ward, shown):
    url = task_of(shown)
    heads, boards = [], []
    with urllib.request.urlopen(f"{url}/live", timeout=60) as pushes:  # noqa: S310 - our own server
        event = None
        for line in pushes:
            text = line.decode().rstrip("\r\n")
            if text.startswith("event: "):
                event = text[7:]
            elif text.startswith("data: "):
                (heads if event == "head" else boards).append(text[6:])
                if "completed, 4 of 4 rounds" in text:
                    break
    numbers = [json.loads(head)["block"] for head in heads]
    assert numbers == sorted(set(numbers))
    last = next(text for text in reversed(boards) if "<h1>" in text)
    assert last.count('class="case ejected"') == 2
    assert "<b>mallory</b> was thrown out" in last
    assert "gas of" in last
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{shown}/task/0x{'1' * 40}")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(shown, data=b"x", timeout=10)  # noqa: S310 - our own server


def test_wrong_input_is_answered_in_a_sentence(bcfl, honest, tmp_path):
    over = bcfl("dashboard", str(honest))
    assert over.returncode == 2
    assert "is over, and its devnet with it" in over.stderr
    nothing = bcfl("dashboard", str(tmp_path))
    assert nothing.returncode == 2
    assert "no scenario.yaml" in nothing.stderr
    wrong = bcfl("dashboard", str(honest), "--task", "0x12")
    assert wrong.returncode == 2
    assert "--task 0x12" in wrong.stderr


def test_a_port_that_is_taken_is_said_before_anything_else(bcfl, ward):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = bcfl("dashboard", str(ward.directory), "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "give another port" in done.stderr
