"""`valley report` in a browser without network: pages of real runs, and of simulated MAGAN and EBGAN runs."""

import base64
import io
import json
import math
import re
import shutil

import numpy
import pytest
from browser import chromium
from PIL import Image
from valley_program import REPOSITORY, build_faces, stats, train, valley

NASTY = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
LENGTHS = {"magan": ["train.epochs=12"], "ebgan": ["train.steps=48"]}
QUANTILES = {"05": 0.5, "25": 0.8, "50": 1, "75": 1.2, "95": 1.6}
BOX = "((b) => [b.left, b.width])(document.querySelectorAll('.plot')[{}].getBoundingClientRect())"
DARK, LIGHT = (19, 22, 25), (246, 246, 244)  # --page of page.css


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of six steps with a grid at each second one, resumed at step 4, and its report."""
    out = tmp_path_factory.mktemp("report")
    build_faces(out / "data")
    run = train(out / "runs", out / "data", "train.steps=4", "samples.every=2")
    valley("train", "--resume", run, "train.steps=6")
    said = valley("report", run)
    lines = len((run / "stats.jsonl").read_text().splitlines())
    assert said.startswith(f"{run}/report.html: 1 run, 4 grids, {lines} lines of metrics, ")
    return run


def lines_of(energy, end, magan):
    """What such a run writes into stats.jsonl: a line every tenth step, an epoch every hundred."""
    margin, previous = energy, None
    for step in range(10, end + 1, 10):
        real = energy * (0.2 + math.exp(-step / 150))
        fake = real * (1.1 if magan else 3)
        line = {"step": step, "images": 64 * step, "loss/D": real, "loss/G": fake, "energy/real": real,
                "energy/fake": fake, "margin": margin, "hinge/active": 0.5, "images_per_s": 100}
        for kind, value in (("real", real), ("fake", fake)):
            line |= {f"energy/{kind}/q{q}": value * factor for q, factor in QUANTILES.items()}
        yield line
        if magan and step % 100 == 0:
            lower = real if previous else margin
            yield {"event": "epoch", "step": step, "images": 64 * step, "S_D": 100 * real, "S_G": 100 * fake,
                   "S_G_previous": previous, "steps": 100, "margin": margin, "margin_next": lower}
            margin, previous = lower, 100 * fake
    yield {"event": "evaluate", "step": end, "images": 64 * end, "swd": 9.5, "swd/floor": 4.25}
    yield {"event": "warning", "step": end, "images": 64 * end, "kind": "collapse", "text": NASTY}


def write_run(run, objective, energy_kind, energy, grids, color):
    run.mkdir()
    config = f'[objective]\nname = "{objective}"\nenergy = "{energy_kind}"\n[train]\nsteps = 400\n'
    (run / "config.toml").write_text(config)
    (run / "run.json").write_text(json.dumps([{"host": "n01", "ranks": 2, "why": NASTY, "exit_code": 70}]))
    lines = lines_of(energy, 400, objective == "magan")
    (run / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Image.new("RGB", (64, 64), (0, 0, 255)).save(run / "reals.png")
    for step in grids:
        name = "fakes-init.png" if step == 0 else f"fakes-{step:08}.png"
        Image.new("RGB", (64, 64), (*color, step % 256)).save(run / name)
    return run


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    magan = write_run(folder / "00001-magan", "magan", "l2_sum", 900, (0, 100, 200, 400), (255, 0))
    ebgan = write_run(folder / "00002-ebgan", "ebgan", "l2_norm", 30, (0, 210, 390), (0, 255))
    valley("report", magan, ebgan, "-o", folder / "page.html")
    return folder / "page.html"


@pytest.fixture(scope="module")
def gans(trained):
    """A MAGAN and an EBGAN of a few epochs on the data of `trained`, and their page."""
    data = trained.parents[1] / "data"
    out = trained.parents[1] / "gans"
    for name in ("magan", "ebgan"):
        settings = ["model.resolution=32", "model.channels=3", "model.width=4", "train.global_batch=4",
                    "train.microbatch=4", "train.threads=1", "train.report_every=1", "samples.grid=2x1", "samples.every=20"]
        valley("train", REPOSITORY / "configs" / f"mnist-{name}.toml", f"data.path={data}", "--out", out, *settings,
               *LENGTHS[name])
    magan, ebgan = sorted(out.iterdir())
    valley("report", magan, ebgan, "-o", out / "page.html")
    return out / "page.html", magan, ebgan


def open_page(browser, file, width=1280, scheme="light"):
    """The page, loaded; with all that the browser said of it in browser.events."""
    page = browser.open("about:blank")
    for domain in ("Runtime", "Log", "Network", "Page"):
        browser.call(f"{domain}.enable", page.session)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", page.session, **size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", page.session, features=features)
    browser.events.clear()
    browser.call("Page.navigate", page.session, url=file.as_uri())
    page.until(lambda page: page.evaluate("document.readyState") == "complete", file.parent)
    page.until(lambda page: page.evaluate("document.querySelectorAll('.plot .trace').length > 0"), file.parent)
    return page


def sent(browser):
    requests = [event["params"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    return [request["request"]["url"] for request in requests]


def complaints(browser):
    kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    return [event["params"] for event in browser.events if event["method"] in kinds]


def color_of(page, selector):
    """The middle pixel of the picture that an <img> shows."""
    source = page.evaluate(f"document.querySelector({selector!r}).src")
    return picture(source).getpixel((5, 5))


def picture(source):
    assert source.startswith("data:image/png;base64,")
    with io.BytesIO(base64.b64decode(source.partition(",")[2])) as stream:
        return Image.open(stream).convert("RGB")


def texts(page, selector):
    return page.evaluate(f"[...document.querySelectorAll({selector!r})].map((node) => node.textContent)")


def set_control(page, name, value, event="input"):
    page.evaluate(f"document.getElementById('{name}').value = '{value}';"
                  f"document.getElementById('{name}').dispatchEvent(new Event('{event}'))")


def slide(page, index):
    set_control(page, "when", index)


def test_report_page_loads_without_other_files(browser, trained):
    page = open_page(browser, trained / "report.html")
    page.evaluate("document.getElementById('when').dispatchEvent(new Event('input'))")
    assert complaints(browser) == []
    assert [url for url in sent(browser) if not url.startswith("data:")] == [(trained / "report.html").as_uri()]
    words = page.evaluate("document.body.innerText")
    for text in ("00000-faces-began", "done", "Real against generated samples", "Launch 2:", "Images per second"):
        assert text in words, text
    assert page.evaluate("document.querySelectorAll('.plot').length") > 8


def test_curves_match_stats_jsonl(browser, trained):
    page = open_page(browser, trained / "report.html")
    data = json.loads(page.evaluate("document.getElementById('data').textContent"))
    recorded = stats(trained)
    assert data["axes"][data["panels"][0]["traces"][0]["axis"]] == sorted(recorded) == [1, 2, 3, 4, 5, 6]
    for trace, key in zip(data["panels"][0]["traces"], ("energy/real", "energy/fake"), strict=True):
        numpy.testing.assert_allclose(trace["mean"], [recorded[step][key] for step in sorted(recorded)], rtol=1e-5)
    assert page.evaluate("document.querySelector('.legend .value').textContent") == \
        page.evaluate(f"numberText({recorded[6]['energy/real']})")


def test_slider_shows_the_png_files(browser, trained):
    page = open_page(browser, trained / "report.html")
    def shown(index):
        return picture(page.evaluate(f"document.querySelectorAll('.frame img')[{index}].src")).tobytes()

    def file(name):
        return Image.open(trained / name).convert("RGB").tobytes()

    names = ["fakes-init.png", "fakes-00000002.png", "fakes-00000004.png", "fakes-00000006.png"]
    assert shown(0) == file(names[-1]) and shown(1) == file("reals.png")
    for index, name in enumerate(names):
        slide(page, index)
        assert shown(0) == file(name)
    assert page.evaluate("document.getElementById('when-text').textContent").startswith("step 6, 96 images")


def test_two_runs_are_shown_side_by_side(browser, compared):
    page = open_page(browser, compared)
    assert complaints(browser) == []
    boxes = page.evaluate("[...document.querySelectorAll('#plots .panel')[0].querySelectorAll('.plot')].map("
                          "(p) => { const b = p.getBoundingClientRect(); return [b.left, b.top, b.width]; })")
    [left, right] = boxes
    assert left[1] == right[1] and left[2] == right[2] and right[0] > left[0] + left[2]
    data = json.loads(page.evaluate("document.getElementById('data').textContent"))
    energies = data["panels"][0]
    assert [trace["run"] for trace in energies["traces"]] == [0, 0, 0, 1, 1, 1] and energies["own_scale"]
    assert [mark["step"] for mark in energies["marks"]] == [200, 300, 400]
    assert page.evaluate("document.querySelectorAll('#plots .panel')[0].querySelectorAll('.mark').length") == 3
    # Three curves per run, two of them with both bands.
    assert page.evaluate("document.querySelectorAll('#plots .panel')[0].querySelectorAll('path.area').length") == 8
    # One plot with a curve per run, if the unit is equal.
    ratio = "[...document.querySelectorAll('.panel')].find((p) => p.textContent.startsWith('Generated over real'))"
    assert page.evaluate(f"{ratio}.querySelectorAll('.plot').length") == 1
    assert page.evaluate(f"[...{ratio}.querySelectorAll('.value')].map((v) => v.textContent)") == ["1.1", "3"]


def test_magan_and_ebgan_are_shown_in_one_report(browser, gans):
    file, magan, ebgan = gans
    page = open_page(browser, file)
    assert complaints(browser) == []
    data = json.loads(page.evaluate("document.getElementById('data').textContent"))
    energies = data["panels"][0]
    for number, run in enumerate((magan, ebgan)):
        for label, key in (("real", "energy/real"), ("generated", "energy/fake"), ("margin", "margin")):
            [trace] = [t for t in energies["traces"] if t["run"] == number and t["label"] == label]
            recorded = {step: line[key] for step, line in stats(run).items() if key in line}
            assert data["axes"][trace["axis"]] == sorted(recorded)
            numpy.testing.assert_allclose(trace["mean"], [recorded[step] for step in sorted(recorded)], rtol=1e-5)
            assert len(trace["bands"]) == (0 if label == "margin" else 2)
    lines = map(json.loads, (magan / "stats.jsonl").read_text().splitlines())
    epochs = [line for line in lines if line.get("event") == "epoch"]
    changes = [line["step"] for line in epochs if line["margin_next"] != line["margin"]]
    assert [mark["step"] for mark in energies["marks"]] == changes != []
    assert {mark["run"] for mark in energies["marks"]} == {0}
    assert "objective.energy" in page.evaluate("document.querySelector('#settings table').textContent")


def test_one_slider_moves_all_grids_to_the_nearest_step(browser, compared):
    page = open_page(browser, compared)
    assert page.evaluate("document.querySelectorAll('.frame').length") == 3  # the reals, which are the same, once
    steps = [0, 100, 200, 210, 390, 400]
    assert page.evaluate("Number(document.getElementById('when').max)") == len(steps) - 1
    for index, (magan, ebgan) in enumerate([(0, 0), (100, 0), (200, 210), (200, 210), (400, 390), (400, 390)]):
        slide(page, index)
        expected = [f"generated, step {step}" if step else "generated, before training" for step in (magan, ebgan)]
        assert texts(page, ".frame figcaption")[:2] == expected
        assert color_of(page, ".pair:nth-child(1) img") == (255, 0, magan % 256)
        assert color_of(page, ".pair:nth-child(2) img") == (0, 255, ebgan % 256)
    page.evaluate("document.getElementById('play').click()")
    assert page.evaluate("document.getElementById('when').value") == "0"


def test_cursor_shows_values_in_all_plots(browser, compared):
    page = open_page(browser, compared)
    left, width = page.evaluate(BOX.format(0))
    middle = left + 46 + (width - 58) / 2  # between the margins of plot.js
    move = f"new PointerEvent('pointermove', {{clientX: {middle}}})"
    page.evaluate(f"document.querySelector('.plot').dispatchEvent({move})")
    page.until(lambda page: page.evaluate("document.querySelectorAll('.cursor').length") > 5, compared.parent)
    assert texts(page, ".cursor-text")[0].startswith("step 200 · margin 900 → ")
    real = 900 * (0.2 + math.exp(-200 / 150))
    assert texts(page, ".legend .value")[0].startswith(page.evaluate(f"numberText({real})"))
    # The keyboard does the same, and the shown step is announced.
    page.evaluate("document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
    assert re.match(r"steps 204: real 4\d\d\.\d, generated \d+", texts(page, "#spoken")[0])
    page.evaluate("document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    page.until(lambda page: page.evaluate("document.querySelectorAll('.cursor').length") == 0, compared.parent)


def test_switches_redraw_the_plots(browser, compared):
    page = open_page(browser, compared)
    line = "document.querySelector('.trace.real path.line').getAttribute('d')"
    shapes = [page.evaluate(line)]
    for action in (lambda: page.evaluate("document.querySelector('.panel .switches button:last-child').click()"),
                   lambda: set_control(page, "smoothing", 8),
                   lambda: page.evaluate("document.querySelector('.panel .switches button').click()")):
        action()
        shapes.append(page.evaluate(line))
        assert shapes[-1].startswith("M") and "NaN" not in shapes[-1]
    assert len(set(shapes)) == 4
    set_control(page, "axis", "images", "change")
    ticks = texts(page, ".facet:first-child .plot text[text-anchor=middle]")
    assert ticks[0] == "0" and ticks[-1].endswith("k"), ticks
    assert complaints(browser) == []


@pytest.mark.parametrize(("scheme", "first", "second"), [("light", LIGHT, DARK), ("dark", DARK, LIGHT)])
def test_page_has_light_and_dark_themes(browser, compared, scheme, first, second):
    page = open_page(browser, compared, scheme=scheme)
    assert page.picture().getpixel((3, 300)) == first
    page.evaluate("document.getElementById('theme').click()")
    assert page.picture().getpixel((3, 300)) == second
    # Text has contrast in both themes.
    pixels = numpy.asarray(page.picture()).astype(int)
    assert (abs(pixels - numpy.array(second)).min(axis=-1) > 120).sum() > 1000


@pytest.mark.parametrize("width", [360, 800])
def test_narrow_screens_need_no_scrolling_sideways(browser, compared, width):
    page = open_page(browser, compared, width=width)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    for index in range(page.evaluate("document.querySelectorAll('.plot').length")):
        left, inner = page.evaluate(BOX.format(index))
        assert 0 <= left and left + inner <= width and inner > 250


def test_page_is_printable(browser, compared):
    page = open_page(browser, compared)
    paper = browser.call("Page.printToPDF", page.session)["data"]
    assert base64.b64decode(paper).startswith(b"%PDF")
    assert complaints(browser) == []


def test_file_contents_are_escaped(browser, compared):
    page = open_page(browser, compared)
    assert page.evaluate("document.title") == "00001-magan and 00002-ebgan"
    assert page.evaluate("document.querySelectorAll('script').length") == 2 + 9  # data, page; 9 pictures
    assert NASTY in page.evaluate("document.querySelector('.warnings').innerText").replace("\n", " ")


def test_runs_with_missing_files_are_reported(browser, trained, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(trained, whole)
    with open(whole / "stats.jsonl", "a") as file:
        file.write('{"step": 7, "loss/D": 0.')  # being written
    (whole / "exit.json").unlink()
    (whole / "fakes-00000004.png").unlink()
    (whole / "fakes-00000002.png").write_bytes(b"")
    valley("report", whole)
    page = open_page(browser, whole / "report.html")
    words = page.evaluate("document.body.innerText")
    assert "fakes-00000002.png: not a PNG file" in words and "1 of the 4 grids in stats.jsonl have been deleted" in words
    assert complaints(browser) == []
    (whole / "stats.jsonl").unlink()
    (whole / "run.json").write_text("[")
    valley("report", whole)
    page = browser.open((whole / "report.html").as_uri())
    page.until(lambda page: "There is no stats.jsonl" in (page.evaluate("document.body.innerText") or ""), tmp_path)
    assert "run.json is damaged" in page.evaluate("document.body.innerText")
    assert page.evaluate("document.getElementById('grids').hidden") is False


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Twelve runs: four learning rates with three seeds each, and their page."""
    folder = tmp_path_factory.mktemp("grid")
    runs = []
    for number, (lr, seed) in enumerate((lr, seed) for lr in (1, 2, 3, 4) for seed in range(3)):
        run = write_run(folder / f"{number:05}-ebgan", "ebgan", "l2_sum", 100 * lr * (1 + seed / 10), (0, 400), (0, 60 * lr))
        with open(run / "config.toml", "a") as config:
            config.write(f"seed = {seed}\n[optimizer]\nlr = {lr}e-4\n")
        runs.append(run)
    said = valley("report", *runs, "-o", folder / "page.html")
    assert ": 12 runs in 4 groups, " in said
    return folder / "page.html", runs


def test_runs_of_one_config_are_grouped_by_seed(browser, grid):
    file, runs = grid
    page = open_page(browser, file)
    assert complaints(browser) == []
    assert page.evaluate("document.title") == "12 runs in 4 groups"
    names = [f"ebgan lr=0.000{lr} (3 seeds)" for lr in (1, 2, 3, 4)]
    assert texts(page, ".card h2") == names
    assert texts(page, ".groups tbody th") == names
    data = json.loads(page.evaluate("document.getElementById('data').textContent"))
    ratio = [panel for panel in data["panels"] if panel["title"].startswith("Generated over real")]
    assert [trace["run"] for trace in ratio[0]["traces"]] == [0, 1, 2, 3]
    # Means and intervals of the recorded values; t(2) = 4.3027.
    real = data["panels"][0]["traces"][0]
    recorded = numpy.array([[line["energy/real"] for line in stats(run).values() if "energy/real" in line] for run in runs[:3]])
    half = 4.3027 * recorded.std(axis=0, ddof=1) / math.sqrt(3)
    numpy.testing.assert_allclose(real["mean"], recorded.mean(axis=0), rtol=1e-5)
    [band] = real["bands"]
    numpy.testing.assert_allclose(band["high"], recorded.mean(axis=0) + half, rtol=1e-4)
    numpy.testing.assert_allclose(band["low"], recorded.mean(axis=0) - half, rtol=1e-4)
    colors = page.evaluate("[...document.querySelectorAll('.card .dot')].map((dot) => getComputedStyle(dot).color)")
    assert len(set(colors)) == 4
    # Warnings and launches stay those of each run.
    assert page.evaluate("document.querySelectorAll('#launches h3').length") == 12


def test_groups_beyond_the_colors_are_dashed(browser, grid, tmp_path):
    _, runs = grid
    many = []
    for number in range(26):
        run = shutil.copytree(runs[0], tmp_path / f"{number:05}-ebgan")
        config = run / "config.toml"
        config.write_text(config.read_text().replace("lr = 1e-4", f"lr = {number + 1}e-4"))
        many.append(run)
    valley("report", *many, "-o", tmp_path / "page.html", expect=2)
    valley("report", *many[:24], "-o", tmp_path / "page.html")
    page = open_page(browser, tmp_path / "page.html")
    styles = page.evaluate("[...document.querySelectorAll('.card .dot')].map((dot) => { const s = getComputedStyle(dot);"
                           " return s.color + s.backgroundColor; })")
    assert len(set(styles)) == 24
    line = "getComputedStyle(document.querySelector('.trace.run-{} path.line')).strokeDasharray"
    assert page.evaluate(line.format(3)) == "none" and page.evaluate(line.format(15)) != "none"
    assert complaints(browser) == []


def test_invalid_report_arguments_are_rejected(trained, tmp_path):
    valley("report", expect=2)
    valley("report", trained, trained, "-o", tmp_path / "x.html", expect=2)
    valley("report", trained, tmp_path, expect=2)  # -o is required for two runs
    valley("report", tmp_path / "none", expect=66)
    valley("report", tmp_path, expect=66)
    valley("report", trained / "checkpoints" / "step-00000004", expect=66)
    valley("report", trained, "-o", "/dev/null", expect=73)
    valley("report", trained, "-o", tmp_path / "absent" / "x.html", expect=73)
    (tmp_path / "stats.jsonl").write_bytes(b"\x00\xff\n" * 3)
    valley("report", tmp_path, expect=65)
    assert not (tmp_path / "report.html").exists()
