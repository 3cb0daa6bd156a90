"""`valley energy`: energies compared with PyTorch, bitwise equal on any number of ranks, output files, and rejected
arguments."""

import csv
import importlib
import json
import sys

import h5py
import numpy
import pytest
import torch
from PIL import Image
from program import CANNOT_WRITE, DATA, MISSING, REPOSITORY, USAGE, checkpoint
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

sys.path.append(str(REPOSITORY / "examples"))
example = importlib.import_module("load_in_pytorch")

STEPS = "train.steps=3"
MODELS = {
    "began": (),
    "ebgan": ("model.name=ebgan", "objective.name=ebgan", "model.batch_norm=true", "model.output=tanh",
              "model.latent_distribution=normal", "train.microbatch=16"),
    "ebm": ("model.name=ebm", "objective.name=ebm", "objective.langevin_steps=4", "objective.replay_size=48"),
}
FACES, OTHERS, CLASSES = 105, 40, ("dots", "lines")


def distance(name, x, y):
    return (x - y).abs().mean(dim=(1, 2, 3)) if name == "began" else (x - y).pow(2).sum(dim=(1, 2, 3)).sqrt()


def in_pytorch(run, name, pixels):
    """Energies of uint8 [n, H, W, C] from another implementation."""
    networks, _ = example.load(run)
    unit = torch.from_numpy(pixels).float().permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        if name == "ebm":
            return networks["energy"](unit).numpy()
        x = unit * 2 - 1
        return distance(name, x, networks["discriminator"](x)).numpy()


@pytest.fixture(scope="module")
def runs(shared_program):
    return {name: shared_program.trained(None, STEPS, *keys) for name, keys in MODELS.items()}


@pytest.fixture(scope="module")
def pixels(faces):
    with h5py.File(faces / "shard-00000.h5") as shard:
        return shard["images"][:]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A folder of image files in two class folders, and their pixels."""
    folder = tmp_path_factory.mktemp("others") / "drawn"
    random = numpy.random.default_rng(1)
    drawn = random.integers(0, 256, (OTHERS, 32, 32, 3), numpy.uint8)
    for i, image in enumerate(drawn):
        (folder / CLASSES[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / CLASSES[i % 2] / f"{i:02}.png")
    return folder, numpy.concatenate([drawn[::2], drawn[1::2]])


def energies(program, run, *arguments):
    file = program.folder / "energies.npy"
    program.call("energy", run, *arguments, "-o", file)
    return numpy.load(file)


@pytest.mark.parametrize("name", MODELS)
def test_energies_match_pytorch(program, runs, faces, others, pixels, name):
    found = energies(program, runs[name], "--data", faces, "--against", others[0])
    assert found.dtype == numpy.float32
    expected = in_pytorch(runs[name], name, numpy.concatenate([pixels, others[1]]))
    assert expected.std() > 0
    numpy.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5 * numpy.abs(expected).max())


@pytest.fixture(scope="module")
def answered(shared_program, runs, faces, others):
    """All outputs of one call on one rank."""
    return everything(shared_program, runs["ebm"], faces, others, None)


FILES = ("e.jsonl", "h.png", "r.png")


def everything(program, run, faces, others, ranks):
    folder = program.folder / f"of-{ranks}"
    folder.mkdir()
    out, histogram, ranking = (folder / name for name in FILES)
    result = program.call("energy", run, "--data", faces, "--against", others[0], "--pair", "3,17", "--pairs", 5,
                          "-o", out, "--histogram", histogram, "--ranking", ranking, "--json", ranks=ranks)
    return result.stdout, folder


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_output_is_bitwise_equal_on_any_number_of_ranks(program, runs, faces, others, answered, ranks):
    stdout, folder = everything(program, runs["ebm"], faces, others, ranks)
    assert stdout == answered[0]
    for name in FILES:
        assert (folder / name).read_bytes() == (answered[1] / name).read_bytes(), name


def test_all_output_formats_have_equal_contents(program, runs, faces, others, answered):
    lines = [json.loads(line) for line in (answered[1] / "e.jsonl").read_text().splitlines()]
    table = program.folder / "e.csv"
    program.call("energy", runs["ebm"], "--data", faces, "--against", others[0], "-o", table)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    array = energies(program, runs["ebm"], "--data", faces, "--against", others[0])
    assert len(lines) == len(rows) == len(array) == FACES + OTHERS
    for line, row, energy in zip(lines, rows, array):
        assert {key: str(value) for key, value in line.items() if key != "energy"} == \
            {key: value for key, value in row.items() if key != "energy"}
        assert numpy.float32(line["energy"]) == numpy.float32(row["energy"]) == energy
    assert [line["index"] for line in lines] == [*range(FACES), *range(OTHERS)]
    assert [line["set"] for line in lines] == ["data"] * FACES + ["against"] * OTHERS
    assert [line["label"] for line in lines[FACES:]] == [0] * 20 + [1] * 20
    assert lines[FACES]["name"] == "dots/00.png"
    assert {line["label"] for line in lines[:FACES]} == {-1}


def test_output_of_one_set_has_no_set_column(program, runs, faces):
    file = program.folder / "e.csv"
    program.call("energy", runs["ebm"], "--data", faces, "-o", file)
    assert file.read_text().splitlines()[0] == "index,name,label,energy"


def test_summary_matches_numpy(answered):
    answer = json.loads(answered[0])
    lines = [json.loads(line) for line in (answered[1] / "e.jsonl").read_text().splitlines()]
    sets = {name: numpy.array([line["energy"] for line in lines if line["set"] == name]) for name in ("data", "against")}
    for name, values in sets.items():
        found = answer[name]
        assert found["images"] == found["of"] == len(values)
        assert [found["mean"], found["deviation"], found["min"], found["max"]] == \
            pytest.approx([values.mean(), values.std(ddof=1), values.min(), values.max()], rel=1e-5)
        assert list(found["percentiles"].values()) == \
            pytest.approx(numpy.percentile(values, [int(key) for key in found["percentiles"]]), rel=1e-5)
    detection = answer["detection"]
    low, high = sets["data"][:, None], sets["against"][None, :]
    psi = (low < high) + 0.5 * (low == high)
    variance = psi.mean(1).var(ddof=1) / psi.shape[0] + psi.mean(0).var(ddof=1) / psi.shape[1]
    assert detection["auroc"] == pytest.approx(psi.mean(), abs=1e-12)
    assert detection["auroc_stderr"] == pytest.approx(variance**0.5, abs=1e-12)
    kept = numpy.sort(sets["data"])[int(numpy.ceil(0.95 * FACES)) - 1]
    assert detection["fpr_at_95_tpr"] == (sets["against"] <= kept).mean()
    assert detection["mean_log_ratio"] == detection["mean_difference"] == \
        pytest.approx(sets["against"].mean() - sets["data"].mean(), rel=1e-4)
    assert answer["is_density"] is True
    first, *drawn = answer["pairs"]
    assert (first["first"]["index"], first["second"]["index"]) == (3, 17)
    assert len(drawn) == 5
    for pair in answer["pairs"]:
        x, y = pair["first"], pair["second"]
        assert (x["set"], y["set"]) == ("data", "against")
        assert pair["log_ratio"] == pair["difference"] == \
            pytest.approx(sets["against"][y["index"]] - sets["data"][x["index"]], abs=1e-6)


def test_text_matches_json(program, runs, faces, others, answered):
    table = program.call("energy", runs["ebm"], "--data", faces, "--against", others[0]).stdout
    detection = json.loads(answered[0])["detection"]
    assert f"data     {FACES} of the {FACES} images of {faces}" in table
    assert f"auroc            {detection['auroc']:.4f}, 95 % confidence interval" in table
    assert f"fpr at 95 % tpr  {detection['fpr_at_95_tpr']:.4f}" in table
    assert "mean log-ratio" in table and "a score" not in table


def test_autoencoder_energies_are_reported_as_scores(program, runs, faces):
    arguments = ("energy", runs["began"], "--data", faces, "--pair", "0,1")
    assert "differences are not log-likelihood ratios" in program.call(*arguments).stdout
    answer = json.loads(program.call(*arguments, "--json").stdout)
    assert answer["is_density"] is False
    assert answer["weights"] == "raw"  # the discriminator has no average
    assert answer["pairs"][0]["log_ratio"] is None
    assert answer["pairs"][0]["difference"] != 0


def test_raw_option_selects_raw_weights(program, runs, faces):
    found = {}
    for flags in ((), ("--raw",)):
        answer = json.loads(program.call("energy", runs["ebm"], "--data", faces, "--json", *flags).stdout)
        found[answer["weights"]] = answer["data"]["mean"]
    assert found.keys() == {"averaged", "raw"}
    assert found["averaged"] != found["raw"]


def test_pairs_within_one_set_are_distinct(program, runs, faces):
    answer = json.loads(program.call("energy", runs["ebm"], "--data", faces, "--count", 6, "--pairs", 100, "--json").stdout)
    pairs = {frozenset((pair["first"]["index"], pair["second"]["index"])) for pair in answer["pairs"]}
    assert len(answer["pairs"]) == len(pairs) == 15
    assert all(len(pair) == 2 for pair in pairs)


def test_count_selects_first_or_random_images(program, runs, faces):
    whole = energies(program, runs["ebm"], "--data", faces)
    numpy.testing.assert_allclose(energies(program, runs["ebm"], "--data", faces, "--count", 20), whole[:20], atol=1e-6)
    file = program.folder / "e.jsonl"
    program.call("energy", runs["ebm"], "--data", faces, "--count", 20, "--seed", 5, "-o", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    indices = [line["index"] for line in lines]
    assert indices == sorted(set(indices)) != list(range(20))
    numpy.testing.assert_allclose([line["energy"] for line in lines], whole[indices], atol=1e-6)


def test_image_files_are_resized_and_named(program, runs):
    large = numpy.zeros((40, 80), numpy.uint8)
    large[:, 20:60] = 200  # what is left of it when its middle is cut out
    Image.fromarray(large).save(program.folder / "large, gray.png")
    Image.new("RGB", (32, 32), (200, 200, 200)).save(program.folder / "small.jpg", quality=100, subsampling=0)
    file = program.folder / "e.csv"
    program.call("energy", runs["ebm"], "--data", program.folder / "large, gray.png", program.folder / "small.jpg", "-o", file)
    with open(file, newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["name"] for row in rows] == [str(program.folder / "large, gray.png"), str(program.folder / "small.jpg")]
    assert float(rows[0]["energy"]) == pytest.approx(float(rows[1]["energy"]), abs=1e-4)


def test_plots_show_every_set(answered):
    for name in FILES[1:]:
        with Image.open(answered[1] / name) as picture:
            image = numpy.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert len(numpy.unique(image, axis=0)) > 5
        if name == "h.png":
            for color in ((31, 119, 180), (255, 127, 14)):
                assert (image == color).all(axis=1).sum() > 50


@pytest.fixture
def broken(program, runs):
    """A model with finite weights whose energy is not finite."""
    source = checkpoint(runs["ebm"]) / "model.safetensors"
    with safe_open(source, framework="numpy") as opened:
        metadata = opened.metadata()
    tensors = load_file(source)
    for name in tensors:
        if name.endswith("output.weight"):
            tensors[name] = numpy.full_like(tensors[name], 3e38)
    file = program.folder / "broken.safetensors"
    save_file(tensors, file, metadata)
    return file


@pytest.mark.parametrize("ranks", [None, 2])
def test_energies_that_are_not_finite_are_reported_once_and_not_written(program, broken, others, ranks):
    out = program.folder / "e.csv"
    result = program.call("energy", broken, "--data", others[0], "-o", out, "--histogram", program.folder / "h.png",
                          ranks=ranks, expect=DATA)
    assert f"{broken} gives energies that are not finite for {OTHERS} of {OTHERS} images" in result.error and "dots/00.png" in result.error
    assert result.stdout == ""
    assert not out.exists() and not (program.folder / "h.png").exists()


@pytest.mark.parametrize(("arguments", "expect", "words"), [
    (["nowhere", "--data", "DATA"], MISSING, "nowhere"),
    (["RUN", "--data", "nowhere"], MISSING, "nowhere"),
    (["RUN", "--data", "DATA", "--against", "CONFIG"], DATA, "config"),
    (["RUN", "--data", "DATA", "-o", "energies.txt"], USAGE, ".jsonl, .csv or .npy"),
    (["RUN", "--data", "DATA", "-o", "nowhere/e.csv"], CANNOT_WRITE, "nowhere"),
    (["RUN", "--data", "DATA", "--histogram", "a.png", "--ranking", "a.png"], USAGE, "the same file"),
    (["RUN", "--data", "DATA", "--seed", "1"], USAGE, "--seed"),
    (["RUN", "--data", "DATA", "--rank", "3"], USAGE, "--rank"),
    (["RUN", "--data", "DATA", "--count", "0"], USAGE, "--count"),
    (["RUN", "--data", "DATA", "--pair", "3"], USAGE, "--pair 3"),
    (["RUN", "--data", "DATA", "--pair", "3,x"], USAGE, "--pair 3,x"),
    (["RUN", "--data", "DATA", "--pair", "3,105"], USAGE, "image 105"),
])
def test_invalid_options_are_rejected(program, runs, faces, config, arguments, expect, words):
    names = {"RUN": runs["ebm"], "DATA": faces, "CONFIG": config}
    result = program.call("energy", *(names.get(a, a) for a in arguments), expect=expect)
    assert words in result.error
    assert result.stdout == ""


def test_shards_of_another_size_are_rejected_once_on_two_ranks(program, runs):
    small = program.folder / "small"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F60F", "--resolution", "16",
                 "--dest", small, "--jobs", "1")
    error = program.call("energy", runs["ebm"], "--data", small, ranks=2, expect=USAGE).error
    for part in ("16x16x3", "32x32x3", str(checkpoint(runs["ebm"])), "--resolution 32"):
        assert part in error
