"""Event files of a run read by the TensorBoard package: from the file, in its server during the run, and in a browser.

The run of these tests trains to step 4, resumes, is killed beyond step 9 with a torn record at the end of its event file, and
is resumed at step 4 to end at step 6. Two servers watch it from the start: one with TensorBoard's data server, one with its
Python readers.
"""

import io
import json
import math
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy
import pytest
from browser import chromium
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from valley_program import VALLEY, build_faces, stats, train, valley

SAVED, KILLED, END = 4, 9, 6
RUN = "00000-faces-began"
PATIENCE = 120
ALL = {"scalars": 0, "images": 0, "tensors": 0}  # keep everything
GRIDS = {0: "fakes-init.png", 2: "fakes-00000002.png", 4: "fakes-00000004.png", 6: "fakes-00000006.png"}
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


class Server:
    """`tensorboard` on the loopback, which looks for new events every second."""

    def __init__(self, logdir, log, *options):
        self.log = log
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--host", "127.0.0.1", "--port", "0",
                   "--reload_interval", "1", *options]
        with open(log, "w") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)

    def url(self):
        pattern = re.compile(r"http://127\.0\.0\.1:\d+/")
        until(lambda: self.process.poll() is not None or pattern.search(self.log.read_text()), "no server")
        return pattern.search(self.log.read_text()).group()

    def get(self, path, query):
        with DIRECT.open(f"{self.url()}data/plugin/{path}?{query}", timeout=PATIENCE) as response:
            return response.read()

    def json(self, path, **query):
        return json.loads(self.get(path, urllib.parse.urlencode(query)))

    def scalars(self):
        """Steps and values by tag."""
        tags = self.json("scalars/tags").get(RUN, {})
        return {tag: [(step, value) for _, step, value in self.json("scalars/scalars", run=RUN, tag=tag)] for tag in tags}

    def steps(self, tag="loss/D"):
        return [step for step, _ in self.scalars().get(tag, [])]

    def images(self, tag):
        """PNG files by step."""
        found = self.json("images/images", run=RUN, tag=tag, sample=0)
        assert len({image["step"] for image in found}) == len(found)
        return {image["step"]: self.get("images/individualImage", image["query"]) for image in found}

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def rounded(value):
    return float(numpy.float32(math.nan if value is None else value))


def recorded(run):
    """Steps and values by tag, of all lines of stats.jsonl."""
    scalars = {}
    for line in map(json.loads, (run / "stats.jsonl").read_text().splitlines()):
        for name, value in line.items():
            if name not in ("step", "images", "event", "file", "kind", "text"):
                scalars.setdefault(name, []).append((line["step"], rounded(value)))
    return scalars


def events_file(run):
    [file] = [file for file in run.glob("events.out.tfevents.*") if file.stat().st_size > 0]
    return file


def train_and_kill(out, data, resumed):
    """Goes on beyond KILLED, where it is killed within the write of a record."""
    command = [VALLEY, "train", resumed / "config.toml", f"data.path={data}", "train.steps=100000", "--resume", resumed,
               "checkpoint.every=1000"]
    with open(out / "killed.log", "w") as log, subprocess.Popen(command, stderr=log, start_new_session=True) as process:
        try:
            until(lambda: process.poll() is not None or max(stats(resumed)) >= KILLED, "no steps")
            assert process.poll() is None, (out / "killed.log").read_text()
        finally:
            process.send_signal(signal.SIGKILL)
    whole = events_file(resumed).read_bytes()
    with open(events_file(resumed), "ab") as file:
        file.write(whole[:20])  # a record that ends too early


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The run, and the servers that have watched it."""
    out = tmp_path_factory.mktemp("tensorboard")
    runs, data = out / "runs", out / "data"
    runs.mkdir()
    servers = [Server(runs, out / "data-server.log", "--load_fast=true"), Server(runs, out / "python.log", "--load_fast=false")]
    try:
        build_faces(data)
        run = train(runs, data, f"train.steps={SAVED}", "checkpoint.every=1000", "samples.every=2")
        assert run.name == RUN
        train_and_kill(out, data, run)
        for server in servers:
            until(lambda server=server: max(server.steps(), default=0) >= KILLED, "the server does not see the steps")
        valley("train", "--resume", run, f"train.steps={END}")
        yield run, servers
    finally:
        for server in servers:
            server.close()


@pytest.fixture(scope="module")
def run(watched):
    return watched[0]


@pytest.fixture(scope="module", params=["data server", "python"])
def server(watched, request):
    return watched[1][request.param == "python"]


@pytest.fixture(scope="module")
def events(run):
    return EventAccumulator(str(run), size_guidance=ALL).Reload()


def test_event_file_starts_with_version_and_steps_ascend(run):
    events = list(LegacyEventFileLoader(str(events_file(run))).Load())
    assert events[0].file_version == "brain.Event:2"
    steps = [event.step for event in events]
    assert steps == sorted(steps) and steps[-1] == END
    ages = [time.time() - event.wall_time for event in events]
    assert 0 <= min(ages) and max(ages) < 10 * PATIENCE
    # All of them are complete: the file ends with the last one.
    assert sum(len(e.SerializeToString()) + struct.calcsize("<QII") for e in events) == events_file(run).stat().st_size


def test_scalars_match_stats_jsonl(run, events):
    expected = recorded(run)
    assert [step for step, _ in expected["loss/D"]] == list(range(1, END + 1))
    assert [step for step, _ in expected["distance/fake"]] == sorted(GRIDS)
    assert {"loss/G", "energy/real", "energy/fake", "k", "M", "lr/D", "grad_norm/G", "images_per_s"} <= expected.keys()
    assert {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]} == expected


def test_image_events_match_png_files(run, events):
    assert sorted(events.Tags()["images"]) == ["samples/fakes", "samples/reals"]
    fakes = events.Images("samples/fakes")
    assert {e.step: e.encoded_image_string for e in fakes} == {step: (run / name).read_bytes() for step, name in GRIDS.items()}
    assert len(fakes) == len(GRIDS)
    [reals] = events.Images("samples/reals")
    assert reals.step == 0 and reals.encoded_image_string == (run / "reals.png").read_bytes()
    for image in [reals, *fakes]:
        assert Image.open(io.BytesIO(image.encoded_image_string)).size == (image.width, image.height)


def test_text_event_is_the_config_of_the_last_launch(run, events):
    assert events.Tags()["tensors"] == ["config"]
    assert events.PluginTagToContent("text").keys() == {"config"}
    [config] = events.Tensors("config")
    [text] = config.tensor_proto.string_val
    assert text.decode() == f"```\n{(run / 'config.toml').read_text()}\n```\n"
    assert f"steps = {END}" in text.decode()


def test_running_tensorboard_shows_what_a_new_one_shows(run, server):
    expected = recorded(run)
    until(lambda: server.scalars() == expected, "the server shows other steps or values than stats.jsonl has")
    assert server.images("samples/fakes") == {step: (run / name).read_bytes() for step, name in GRIDS.items()}
    assert server.images("samples/reals") == {0: (run / "reals.png").read_bytes()}
    [config] = server.json("text/text", run=RUN, tag="config")
    assert config["step"] == 0 and f"steps = {END}" in config["text"] and "<code>" in config["text"]
    series = server.json("timeseries/tags")
    assert "loss/D" in series["scalars"]["tagDescriptions"] or "loss/D" in str(series["scalars"])
    assert RUN in series["images"]["tagRunSampledInfo"]["samples/fakes"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


def pixels_near(page, color, distance):
    pixels = numpy.asarray(page.picture()).astype(int)
    return (abs(pixels - numpy.array(color)).max(axis=-1) < distance).sum()


@pytest.mark.parametrize("tag", ["loss/D", "energy/real"])
def test_browser_draws_the_curves(run, watched, browser, tmp_path, tag):
    # As SVG, because WebGL is missing in screenshots without a GPU.
    page = browser.open(f"{watched[1][0].url()}?forceSVG=true&tagFilter=^{tag}$#timeseries")

    def shows_the_last_point(page):
        # The table below the curve has run, smoothed value, value and step.
        words = page.evaluate("document.querySelector('scalar-card-component')?.innerText ?? ''").split()
        if RUN not in words or len(words) < words.index(RUN) + 4:
            return False
        _, _, value, step = words[words.index(RUN):][:4]
        return int(step) == END and float(value) == pytest.approx(recorded(run)[tag][-1][1], abs=1e-4)

    page.until(shows_the_last_point, tmp_path)
    assert page.evaluate("document.querySelectorAll('scalar-card-component').length") == 1
    # Its color is that of the smoothed line and some dots.
    page.until(lambda page: pixels_near(page, (66, 80, 102), 12) > 500, tmp_path)


def test_browser_lists_all_scalars(run, watched, browser, tmp_path):
    page = browser.open(f"{watched[1][0].url()}#scalars")
    groups = {tag.split("/")[0] for tag in recorded(run)}
    page.until(lambda page: groups <= set(page.words()), tmp_path)


def test_browser_shows_the_images(watched, browser, tmp_path):
    page = browser.open(f"{watched[1][0].url()}#images")
    page.until(lambda page: {"samples/fakes", "samples/reals"} <= set(page.words()), tmp_path)
    page.until(lambda page: pixels_near(page, (255, 205, 55), 40) > 1000, tmp_path)  # the yellow of the faces


def test_browser_shows_the_config(watched, browser, tmp_path):
    page = browser.open(f"{watched[1][0].url()}#text")
    page.until(lambda page: f"steps = {END} " in " ".join(page.words()), tmp_path)
