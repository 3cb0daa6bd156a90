"""`valley restore`: known pixels are bitwise unchanged, reported metrics are correct, and errors name their cause."""

import json

import numpy
import pytest
from PIL import Image
from program import DATA, MISSING, USAGE
from safetensors.numpy import load_file, save_file

EBM = ("objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=4", "objective.replay_size=48")
SIDE = 32


@pytest.fixture(scope="module")
def gan(shared_program):
    return shared_program.trained(None, "train.steps=6")


@pytest.fixture(scope="module")
def ebm(shared_program):
    return shared_program.trained(None, *EBM, "train.steps=4")


@pytest.fixture
def restore(program, faces):
    """Restores faces and returns the tensors and the JSON result."""
    def call(run, *arguments, index="0-2", source=None):
        saved = program.folder / "saved.safetensors"
        where = ("--data", faces, "--index", index) if source is None else source
        answer = program.call("restore", run, *where, *arguments, "--json", "-o", program.folder / "picture.png",
                              "--save", saved)
        return load_file(saved), json.loads(answer.stdout)
    return call


def psnr(image, truth):
    return 10 * numpy.log10(255**2 / numpy.square(image.astype(float) - truth.astype(float)).mean())


def neighbor_mean(image, unknown):
    """Fills unknown pixels ring by ring with the mean of the known ones in their 3x3 neighborhood."""
    image, known = image.astype(float), ~unknown
    while not known.all():
        filled = image.copy()
        reached = known.copy()
        for y, x in zip(*numpy.nonzero(~known), strict=True):
            around = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
            if known[around].any():
                filled[y, x] = image[around][known[around]].mean(axis=0)
                reached[y, x] = True
        image, known = filled, reached
    return image


def drawn(mode, color, background, box=(8, 4, 16, 12)):
    """A mask with a box of 8x8 pixels."""
    mask = Image.new(mode, (SIDE, SIDE), background)
    mask.paste(color, box)
    return mask


def with_transparent_palette():
    mask = Image.new("P", (SIDE, SIDE), 1)
    mask.putpalette([255, 255, 255, 200, 10, 10])  # the background is a red that is not seen
    mask.paste(0, (8, 4, 16, 12))
    return mask


def with_soft_edge():
    mask = drawn("RGBA", (255, 255, 255, 255), (0, 0, 0, 0))
    mask.paste((255, 255, 255, 90), (16, 4, 18, 12))
    return mask


MASKS = {
    "white on transparent black": drawn("RGBA", (255, 255, 255, 255), (0, 0, 0, 0)),
    "white on transparent white": drawn("RGBA", (255, 255, 255, 255), (255, 255, 255, 0)),
    "gray with alpha": drawn("LA", (255, 255), (0, 0)),
    "a palette": with_transparent_palette(),
    "a red drawing": drawn("RGBA", (255, 0, 0, 255), (0, 0, 0, 0)),
    "a soft edge": with_soft_edge(),
    "opaque, with a channel alpha": drawn("RGBA", (255, 255, 255, 255), (0, 0, 0, 255)),
    "white and black on transparent": drawn("RGBA", (0, 0, 0, 255), (0, 0, 0, 0), (20, 20, 30, 30)),
    "without alpha": drawn("L", 255, 0),
}
MASKS["white and black on transparent"].paste((255, 255, 255, 255), (8, 4, 16, 12))


@pytest.mark.parametrize("name", MASKS)
def test_mask_marks_the_drawn_pixels(restore, program, gan, name):
    """Transparent pixels are known, independent of their hidden color."""
    file = program.folder / "mask.png"
    MASKS[name].save(file, **({"transparency": 1} if name == "a palette" else {}))
    tensors, _ = restore(gan, "--mask", file, "--steps", "1", index="0")
    expected = numpy.zeros((SIDE, SIDE), bool)
    expected[4:12, 8:16] = True
    assert numpy.array_equal(tensors["unknown"][0] == 1, expected)


@pytest.mark.parametrize("method", ["code", "project", "gradient", "langevin", "min-sum"])
def test_known_pixels_are_bitwise_unchanged_and_unknown_ones_restored(restore, gan, method):
    tensors, _ = restore(gan, "--box", "9,4,12,10", "--method", method, "--steps", "3")
    known = tensors["unknown"] == 0
    assert known[:, 4:14, 9:21].sum() == 0 and known.sum() == 3 * (SIDE * SIDE - 120)
    assert numpy.array_equal(tensors["restored"][known], tensors["truth"][known])
    assert numpy.array_equal(tensors["damaged"][known], tensors["truth"][known])
    assert (tensors["damaged"][~known] == 128).all()
    assert (tensors["restored"][~known] != tensors["filled"][~known]).mean() > 0.5


def test_chains_of_an_energy_keep_known_pixels(restore, ebm):
    tensors, answer = restore(ebm, "--salt-and-pepper", "0.3", "--steps", "5")
    known = tensors["unknown"] == 0
    assert numpy.array_equal(tensors["restored"][known], tensors["truth"][known])
    assert 0.25 < 1 - known.mean() < 0.35
    assert set(numpy.unique(tensors["damaged"][~known])) == {0, 255}
    assert answer["method"].startswith("gradient: 5 steps")


def test_reported_psnr_and_energies_match_the_images(restore, gan):
    tensors, answer = restore(gan, "--box", "10x10")
    unknown = tensors["unknown"] == 1
    for i, image in enumerate(answer["images"]):
        assert image["unknown_pixels"] == 100
        for version in ("damaged", "filled", "restored"):
            pixels, truth = tensors[version][i], tensors["truth"][i]
            assert image[version]["psnr"] == pytest.approx(psnr(pixels, truth), abs=1e-9)
            assert image[version]["psnr_unknown"] == pytest.approx(psnr(pixels[unknown[i]], truth[unknown[i]]), abs=1e-9)
    assert answer["all"]["restored"]["psnr"] == pytest.approx(psnr(tensors["restored"], tensors["truth"]), abs=1e-9)
    for i in range(3):
        expected = neighbor_mean(tensors["damaged"][i], unknown[i])
        assert abs(tensors["filled"][i] - expected).max() <= 0.5001


def test_noisy_images_are_filled_by_median(restore, gan):
    tensors, answer = restore(gan, "--noise", "0.2")
    added = tensors["damaged"].astype(float) - tensors["truth"]
    inside = (tensors["truth"] > 90) & (tensors["truth"] < 165)  # where the clip is rare
    assert added[inside].std() == pytest.approx(0.2 * 255, rel=0.1)
    padded = numpy.pad(tensors["damaged"], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    around = [padded[:, y:y + SIDE, x:x + SIDE] for y in range(3) for x in range(3)]
    assert numpy.array_equal(tensors["filled"], numpy.median(around, axis=0))
    assert answer["images"][0]["damaged"]["psnr_unknown"] is None


@pytest.mark.parametrize("method", ["code", "project", "gradient"])
def test_weight_sets_influence_of_noisy_pixels(restore, gan, method):
    ends = {}
    for weight in ("1e-9", "1e9"):
        tensors, _ = restore(gan, "--noise", "0.2", "--method", method, "--weight", weight, "--steps", "3")
        ends[weight] = abs(tensors["restored"].astype(int) - tensors["damaged"]).mean()
    assert ends["1e9"] < 0.01 < 1 < ends["1e-9"]


def test_min_sum_removes_noise_without_a_model(restore, ebm):
    tensors, answer = restore(ebm, "--noise", "0.2", "--method", "min-sum")
    assert answer["method"].startswith("min-sum: 40 rounds")
    assert answer["all"]["restored"]["psnr"] > answer["all"]["damaged"]["psnr"] + 3
    assert len(numpy.unique(tensors["restored"])) <= 64


def test_same_seed_gives_the_same_bytes(restore, program, ebm):
    command = ("--salt-and-pepper", "0.2", "--noise", "0.1", "--steps", "4", "--strip", program.folder / "strip.png")
    files = [program.folder / name for name in ("picture.png", "strip.png", "saved.safetensors")]
    bytes_of = []
    for seed in ("3", "3", "4"):
        restore(ebm, *command, "--seed", seed)
        bytes_of.append([file.read_bytes() for file in files])
    assert bytes_of[0] == bytes_of[1]
    assert all(a != b for a, b in zip(bytes_of[0], bytes_of[2], strict=True))


def test_damage_does_not_depend_on_position_in_the_list(restore, gan):
    many, _ = restore(gan, "--salt-and-pepper", "0.3", index="3-6,1")
    one, _ = restore(gan, "--salt-and-pepper", "0.3", index="5")
    assert numpy.array_equal(many["damaged"][2], one["damaged"][0])
    assert not numpy.array_equal(many["unknown"][0], many["unknown"][1])


def test_damaged_inputs_are_restored_like_artificial_damage(restore, program, gan):
    here, _ = restore(gan, "--box", "10x10", index="7")
    files = {}
    for name in ("damaged", "truth"):
        files[name] = program.folder / f"{name}.png"
        Image.fromarray(here[name][0]).save(files[name])
    mask = program.folder / "mask.png"
    Image.fromarray(here["unknown"][0] * 255).save(mask)
    for how in (("--box", "10x10"), ("--mask", mask)):
        there, answer = restore(gan, "--truth", files["truth"], *how, source=[files["damaged"]])
        assert numpy.array_equal(there["restored"], here["restored"])
        assert answer["images"][0]["restored"]["psnr"] > 0
    images = program.folder / "images"
    there, answer = restore(gan, "--damaged", "--mask", mask, "--images", images, source=[files["damaged"]])
    assert "truth" not in there and "psnr" not in answer["images"][0]["restored"]
    with Image.open(images / "0000-damaged.png") as image:
        assert numpy.array_equal(numpy.asarray(image), here["restored"][0])


def test_blind_restoration_detects_salt_and_pepper(restore, gan):
    told, answer = restore(gan, "--salt-and-pepper", "0.1")
    blind, suspected = restore(gan, "--salt-and-pepper", "0.1", "--blind")
    assert "that was added" in answer["unknown_by"] and "suspected" in suspected["unknown_by"]
    assert numpy.array_equal(told["damaged"], blind["damaged"])
    padded = numpy.pad(told["damaged"], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    median = numpy.median([padded[:, y:y + SIDE, x:x + SIDE] for y in range(3) for x in range(3)], axis=0)
    value = told["damaged"].astype(float)
    extreme = (value == 0).all(axis=3) | (value == 255).all(axis=3)
    assert numpy.array_equal(blind["unknown"] == 1, extreme & (abs(value - median).max(axis=3) > 0.3 * 255))


def test_damaged_without_damage_options_assumes_noise(restore, gan, program, faces):
    tensors, answer = restore(gan, "--damaged")
    assert answer["noise"] == 0.1 and tensors["unknown"].sum() == 0


def test_comparison_and_strip_show_all_images(program, gan, faces):
    picture, strip = program.folder / "a.png", program.folder / "b.png"
    table = program.call("restore", gan, "--data", faces, "--index", "0-9", "--box", "8x8", "--steps", "4", "-o", picture,
                         "--strip", strip).stdout
    assert "all 10 images" in table and "code: 4 steps" in table
    with Image.open(picture) as image:
        assert image.width > 8 * 64 and image.height > 2 * 4 * 64  # two bands of four versions
    with Image.open(strip) as image:
        assert image.width > 5 * 64 and image.height > 10 * 64  # steps 0 to 4


BOX = ("--box", "8x8")


@pytest.mark.parametrize(("arguments", "expect", "words"), [
    (["FACES"], USAGE, "nothing is damaged"),
    (["IMAGE", "FACES", *BOX], USAGE, "either IMAGE files or --data"),
    (BOX, USAGE, "either IMAGE files or --data"),
    (["FACES", "--box", "8"], USAGE, "--box 8"),
    (["FACES", "--box", "30,0,8,8"], USAGE, "it is not within"),
    (["FACES", "--salt-and-pepper", "1.5"], USAGE, "--salt-and-pepper 1.5"),
    (["FACES", "--noise", "-1"], USAGE, "--noise"),
    (["FACES", "--blind", *BOX], USAGE, "--blind"),
    (["FACES", "--index", "100000", *BOX], USAGE, "--index 100000"),
    (["FACES", *BOX, "--chain-noise", "1"], USAGE, "are for gradient and langevin"),
    (["FACES", *BOX, "--method", "gradient", "--chain-noise", "1"], USAGE, "--chain-noise"),
    (["FACES", *BOX, "--steps", "0"], USAGE, "--steps 0"),
    (["FACES", *BOX, "--weight", "0"], USAGE, "--weight"),
    (["SMALL", *BOX], USAGE, "20x20"),
    (["IMAGE", "--mask", "SMALL"], USAGE, "20x20"),
    (["IMAGE", "--damaged", "--mask", "BLACK"], USAGE, "no pixel is unknown"),
    (["IMAGE", "--truth", "IMAGE", "--truth", "IMAGE", *BOX], USAGE, "2 files for 1 images"),
    (["TEXT", *BOX], DATA, "cannot be read as an image"),
    (["nowhere.png", *BOX], MISSING, "nowhere.png"),
])
def test_invalid_options_are_rejected(program, gan, faces, arguments, expect, words):
    folder = program.folder
    for name, side, level in (("image", SIDE, 90), ("small", 20, 255), ("black", SIDE, 0)):
        Image.new("L", (side, side), level).save(folder / f"{name}.png")
    (folder / "text.png").write_text("no image")
    names = {"FACES": ("--data", faces), "IMAGE": (folder / "image.png",), "SMALL": (folder / "small.png",),
             "BLACK": (folder / "black.png",), "TEXT": (folder / "text.png",)}
    given = [word for argument in arguments for word in names.get(argument, (argument,))]
    result = program.call("restore", gan, *given, "-o", folder / "out.png", expect=expect)
    assert words in result.error
    assert not (folder / "out.png").exists()


def test_projection_needs_an_autoencoder(program, ebm, faces):
    result = program.call("restore", ebm, "--data", faces, *BOX, "--method", "project", "-o", program.folder / "a.png",
                          expect=USAGE)
    assert "--method project" in result.error


def test_methods_follow_model_and_damage(restore, gan, ebm):
    for run, damage, method in ((gan, BOX, "code"), (gan, ("--noise", "0.1"), "project"), (ebm, BOX, "gradient")):
        assert restore(run, *damage, index="0")[1]["method"].startswith(method + ":")


@pytest.mark.parametrize(("weight", "words"), [
    (3e38, "faces-32[0]: the model's energy of the damaged image is not finite"),
    (numpy.nan, 'tensor "energy_ema.output.weight" are not finite'),
])
def test_energy_that_is_not_finite_is_an_error(program, ebm, faces, weight, words):
    file = sorted(ebm.glob("checkpoints/step-*/model.safetensors"))[-1]
    raw = file.read_bytes()
    metadata = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    tensors = load_file(file)
    tensors["energy_ema.output.weight"] *= weight
    lone = program.folder / "poisoned.safetensors"
    save_file(tensors, lone, metadata=metadata)
    out = program.folder / "a.png"
    result = program.call("restore", lone, "--data", faces, *BOX, "--steps", "3", "-o", out, expect=DATA)
    assert words in result.error
    assert not out.exists()
