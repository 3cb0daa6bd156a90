"""`valley shard dedupe` on emoji with copies that Pillow makes."""

import io
import json
import random

import pytest
from image_shards import build, read_back, run
from PIL import Image
from valley_program import valley

N = 120
KINDS = "exact", "rescaled", "recompressed", "cropped"


def copy_of(image, kind, rng):
    if kind == "rescaled":
        return image.resize((70, 70), Image.Resampling.LANCZOS)
    if kind == "recompressed":
        data = io.BytesIO()
        image.save(data, "JPEG", quality=rng.choice([50, 75, 95]))
        return Image.open(data).convert("RGB")
    if kind == "cropped":
        left, top = rng.uniform(0, 2.5), rng.uniform(0, 2.5)
        return image.resize(image.size, Image.Resampling.BICUBIC, (left, top, left + 125, top + 125))
    return image


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Emoji, of which every fourth has a copy under "copy/"; the copies are in the same data set and also alone."""
    folder = tmp_path_factory.mktemp("dedupe")
    valley("shard", "build", "--source", "NotoColorEmoji.ttf", "--max-images", N, "--resolution", 128, "--dest", folder / "font",
           "--progress", "none")
    valley("shard", "export", folder / "font", "--to", "folder", "--dest", folder / "all")
    (folder / "all" / "dataset.json").unlink()
    rng = random.Random(5)
    paths = sorted((folder / "all").glob("*.png"))
    for number, path in enumerate(paths[::4]):
        kind = KINDS[number % len(KINDS)]
        out = folder / "copies" / f"{kind}-{path.name}"
        out.parent.mkdir(exist_ok=True)
        copy_of(Image.open(path), kind, rng).save(out)
    build(folder / "all", folder / "originals", "--labels", "none", "--resolution", 64)
    build(folder / "copies", folder / "alone", "--resolution", 64)
    (folder / "copies").rename(folder / "all" / "copy")
    build(folder / "all", folder / "data", "--labels", "none", "--resolution", 64)
    return folder


def original(name):
    return name.removeprefix("copy/").split("-", 1)[-1] if "copy/" in name or "-" in name else name


def find(*arguments):
    return json.loads(valley("shard", "dedupe", *arguments, "--json"))


def pairs(result):
    return [(group["kept"], copy) for group in result["groups"] for copy in group["copies"]]


def test_planted_copies_are_found(planted):
    result = find(planted / "data")
    found = {frozenset((kept["name"], copy["name"])): copy["kind"] for kept, copy in pairs(result)}
    names = read_back(planted / "data")[0]
    for name in names:
        if name.startswith("copy/"):
            expected = "exact" if name.startswith("copy/exact") else "near"
            assert found.pop(frozenset((name, original(name))), None) == expected, name
    assert not found, "pairs of different glyphs"
    assert all(kept["index"] < copy["index"] for kept, copy in pairs(result))


def test_result_does_not_depend_on_threads(planted):
    one, three = find(planted / "data", "--jobs", 1), find(planted / "data", "--jobs", 3)
    assert one["groups"] == three["groups"]


def test_exact_finds_equal_pixels_only(planted):
    found = pairs(find(planted / "data", "--exact"))
    assert len(found) == 8 and all(copy["kind"] == "exact" and copy["distance"] == 0 for _, copy in found)


def test_copies_between_folders_are_leaks(planted):
    result = find(planted / "originals", planted / "alone")
    assert result["between_directories"] == len(pairs(result)) == 30
    assert {kept["directory"] for kept, _ in pairs(result)} == {str(planted / "originals")}
    assert {copy["directory"] for _, copy in pairs(result)} == {str(planted / "alone")}


def test_dest_holds_the_images_that_are_no_copies(planted, tmp_path):
    result = find(planted / "data", "--dest", tmp_path / "out", "--sheet", tmp_path / "sheet.png")
    copies = {copy["name"] for _, copy in pairs(result)}
    names = list(read_back(planted / "data")[0])
    assert list(read_back(tmp_path / "out")[0]) == [name for name in names if name not in copies]
    assert find(tmp_path / "out")["groups"] == []
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 8 * 64 and sheet.height > len(copies) / 4 * 64


def test_kept_images_of_several_folders_have_a_folder_each(planted, tmp_path):
    result = run("shard", "dedupe", planted / "originals", planted / "alone", "--dest", tmp_path / "out")
    assert result.returncode == 2 and "every image of" in result.stderr
    valley("shard", "dedupe", planted / "alone", planted / "originals", "--dest", tmp_path / "out", "--overwrite")
    assert len(read_back(tmp_path / "out" / "alone")[0]) == 30 and len(read_back(tmp_path / "out" / "originals")[0]) == N - 30


def test_unusable_outputs_fail_before_the_search(planted, tmp_path):
    assert run("shard", "dedupe", planted / "data", "--dest", planted / "alone").returncode == 73
    assert run("shard", "dedupe", planted / "data", "--sheet", tmp_path / "none" / "x.png").returncode == 73
    valley("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600", "--resolution", 32, "--dest", tmp_path / "small",
           "--progress", "none")
    result = run("shard", "dedupe", planted / "data", tmp_path / "small", "--sheet", tmp_path / "x.png")
    assert result.returncode == 2 and "one shape" in result.stderr
