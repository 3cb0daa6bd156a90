"""`valley sample --to`: the same samples for any number of ranks, continued after a kill, as PNGs, npz and shards."""

import json
import shutil

import numpy
import pytest
from PIL import Image
from program import CANNOT_WRITE, USAGE
from safetensors.numpy import load_file

COUNT = 75  # blocks of 32 seeds: 64 to 95, 96 to 127, a part of 128 to 159
FIRST = 70
EBM = ("objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=3", "objective.replay_size=48")


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, "train.steps=3")


@pytest.fixture(scope="module")
def ebm(shared_program):
    return shared_program.trained(None, *EBM, "train.steps=3")


def draw(program, model, to, *more, ranks=None, count=COUNT, first=FIRST, **how):
    return program.call("sample", model, "--to", to, "--count", count, "--first", first, *more, ranks=ranks, **how)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def pngs(folder):
    return {name: data for name, data in contents(folder).items() if name.endswith(".png")}


def pixels(file):
    with Image.open(file) as image:
        return numpy.asarray(image)


def stacked(folder):
    return numpy.stack([pixels(file) for file in sorted(folder.glob("*.png"))])


@pytest.fixture(scope="module")
def drawn(shared_program, run):
    folder = shared_program.folder / "drawn"
    draw(shared_program, run, folder)
    return folder


def test_files_are_named_after_their_seeds(drawn):
    assert sorted(pngs(drawn)) == [f"{seed:08}.png" for seed in range(FIRST, FIRST + COUNT)]
    assert set(contents(drawn)) - set(pngs(drawn)) == {"samples.json"}
    with Image.open(drawn / "00000070.png") as image:
        assert (image.size, image.mode) == ((32, 32), "RGB")


def test_images_are_those_of_the_seeds(program, run, drawn):
    saved = program.folder / "a.safetensors"
    program.call("sample", run, "--seeds", f"{FIRST}-{FIRST + COUNT - 1}", "-o", program.folder / "a.png", "--save-latents", saved)
    difference = abs(load_file(saved)["pixels"].astype(int) - stacked(drawn))
    assert difference.max() <= 1  # batches of another size may round differently
    assert (difference > 0).mean() < 0.01


@pytest.mark.cores(2)
@pytest.mark.parametrize("ranks", [2, 3])
def test_any_number_of_ranks_gives_the_same_bytes(program, run, drawn, ranks):
    result = draw(program, run, program.folder / "many", "--json", ranks=ranks)
    assert contents(program.folder / "many") == contents(drawn)
    told = json.loads(result.stdout)
    assert (told["samples"], told["kept"], told["first_seed"]) == (COUNT, 0, FIRST)


def test_a_sample_does_not_depend_on_first_and_count(program, run, drawn):
    draw(program, run, program.folder / "few", count=3, first=95)
    few = pngs(program.folder / "few")
    assert few == {name: pngs(drawn)[name] for name in ("00000095.png", "00000096.png", "00000097.png")}


def test_complete_files_are_kept_and_damaged_ones_drawn_again(program, run, drawn):
    folder = shutil.copytree(drawn, program.folder / "part")
    (folder / "00000070.png").write_bytes((drawn / "00000070.png").read_bytes()[:-5])  # cut
    (folder / "00000130.png").unlink()
    flipped = bytearray((folder / "00000131.png").read_bytes())
    flipped[60] ^= 4
    (folder / "00000131.png").write_bytes(flipped)
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    result = draw(program, run, folder, "--json", ranks=2)
    assert contents(folder) == contents(drawn)
    assert json.loads(result.stdout)["kept"] == 32  # the block of seeds 96 to 127
    assert all((folder / f"{seed:08}.png").stat().st_mtime_ns == times[f"{seed:08}.png"] for seed in range(96, 128))


def test_a_killed_command_continues_and_shows_no_partial_file(program, run):
    whole = program.folder / "whole"
    draw(program, run, whole, count=3000, first=0)
    folder = program.folder / "killed"
    with program.start("sample", run, "--to", folder, "--count", 3000) as call:
        call.until(lambda: folder.exists() and len(list(folder.glob("0*.png"))) > 100)
    assert len(pngs(folder)) < 3000
    assert all(data == (whole / name).read_bytes() for name, data in pngs(folder).items())
    kept = json.loads(draw(program, run, folder, "--json", count=3000, first=0, ranks=2).stdout)["kept"]
    assert kept >= 64
    assert pngs(folder) == pngs(whole)


def test_count_may_grow_but_not_shrink(program, run, drawn):
    folder = program.folder / "growing"
    draw(program, run, folder, count=40)
    draw(program, run, folder)
    assert contents(folder) == contents(drawn)
    assert "75 samples, more than --count 40" in draw(program, run, folder, count=40, expect=CANNOT_WRITE).error


def test_npz_holds_the_same_pixels_under_numpys_default_name(program, run, drawn):
    file = program.folder / "samples.npz"
    for ranks in (None, 2):
        draw(program, run, file, ranks=ranks)
        with numpy.load(file) as arrays:
            assert arrays.files == ["arr_0"]
            assert arrays["arr_0"].dtype == numpy.uint8
            assert numpy.array_equal(arrays["arr_0"], stacked(drawn))
        assert [path.name for path in program.folder.glob("samples*")] == ["samples.npz"]
        assert not list(program.folder.glob(".samples*"))
        file.unlink()


def test_existing_npz_is_not_replaced(program, run):
    file = program.folder / "samples.npz"
    file.write_text("mine")
    assert str(file) in draw(program, run, file, expect=CANNOT_WRITE).error
    assert file.read_text() == "mine"


@pytest.mark.parametrize("ranks", [None, 2])
def test_shards_are_a_data_set_of_the_same_pixels(program, run, drawn, ranks):
    data = program.folder / "data"
    draw(program, run, data, "--shards", ranks=ranks)
    assert not list(program.folder.glob(".data*"))
    program.call("shard", "verify", data)
    exported = program.folder / "exported"
    program.call("shard", "export", data, "--dest", exported, "--to", "folder")
    assert numpy.array_equal(stacked(exported), stacked(drawn))
    again = draw(program, run, data, "--shards", "--json")
    assert json.loads(again.stdout)["kept"] == COUNT
    assert "count: 75 there, 80 now" in draw(program, run, data, "--shards", count=80, expect=CANNOT_WRITE).error


def test_chains_of_an_energy_are_drawn(program, ebm):
    for name, ranks in (("one", None), ("two", 2)):
        draw(program, ebm, program.folder / name, "--steps", "4", count=40, first=0, ranks=ranks)
    assert contents(program.folder / "one") == contents(program.folder / "two")
    program.call("sample", ebm, "--seeds", "0-1", "--steps", "4", "--grid", "2x1", "-o", program.folder / "grid.png")
    grid = pixels(program.folder / "grid.png")
    assert abs(grid[2:34, 2:34].astype(int) - pixels(program.folder / "one" / "00000000.png")).max() <= 1


def test_other_samples_are_named_and_not_mixed(program, run, ebm, drawn):
    before = contents(drawn)
    error = draw(program, run, drawn, first=FIRST + 1, expect=CANNOT_WRITE).error
    assert "first_seed: 70 there, 71 now" in error
    error = draw(program, ebm, drawn, expect=CANNOT_WRITE).error
    assert "model_sha256" in error
    assert contents(drawn) == before


def test_foreign_folder_is_not_touched(program, run):
    folder = program.folder / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    error = draw(program, run, folder, ranks=2, expect=CANNOT_WRITE).errors
    assert any("notes.txt" in line for line in error)
    assert contents(folder) == {"notes.txt": b"mine"}


@pytest.mark.parametrize("call", ["open:.00000001.png.tmp", "rename:.00000001.png.tmp"])
def test_failing_file_is_named_and_the_command_can_be_repeated(faulty_valley, program, run, call):
    folder = program.folder / "full"
    result = faulty_valley("sample", run, "--to", folder, "--count", 3, fail=f"{call}:28")
    assert result.returncode == CANNOT_WRITE, result.stderr
    assert "00000001.png" in result.stderr and "disk is full" in result.stderr
    assert "00000001.png" not in pngs(folder)
    draw(program, run, folder, count=3, first=0)
    assert sorted(pngs(folder)) == ["00000000.png", "00000001.png", "00000002.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "D"), "--count"),
        (("--count", "5"), "--to"),
        (("--count", "5", "--to", "D", "-o", "a.png"), "leave one out"),
        (("--count", "0", "--to", "D"), "--count"),
        (("--count", "5", "--to", "D", "--interpolate", "4"), "leave one out"),
        (("--count", "5", "--to", "a.npz", "--shards"), "--shards"),
        (("--count", "5", "--to", "D", "--seeds", "1"), "--seeds"),
        (("--count", "5", "--to", "D", "--steps", "9"), "--steps"),
        (("--count", "5", "--to", "D", "--label", "1"), "--label"),
        ((), "-o FILE"),
    ],
)
def test_impossible_options_are_rejected(program, run, arguments, words):
    folder = program.folder / "D"
    given = [folder if word == "D" else word for word in arguments]
    assert words in program.call("sample", run, *given, expect=USAGE).stderr
    assert not folder.exists()
