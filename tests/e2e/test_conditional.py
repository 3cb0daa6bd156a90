"""Training and sampling of EBGAN, BEGAN and MAGAN with classes (model.labels)."""

import json
import subprocess
import sys

import h5py
import numpy
import pytest
from fake_gpus import FakeGpus, needs_fake_gpus, tensors
from PIL import Image
from program import CONFIG, DATA, REPOSITORY, USAGE, Program, bits, checkpoint, reports, stats
from safetensors.numpy import load_file, save_file

SIDE, CLASSES, LAST = 28, 3, 8
IMAGES = (24, 22, 12)  # of each class
METHODS = {
    "ebgan": ("model.name=ebgan", "objective.name=ebgan", "model.batch_norm=true", "objective.label_sampling=balanced",
              "objective.margin_rmse=1.5"),
    "magan": ("model.name=magan", "objective.name=magan", "objective.pretrain_epochs=0", "model.output=sigmoid"),
    "began": ("model.name=began", "objective.name=began", "model.skip_connections=true", "objective.lambda_k=0.1"),
}


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    """A program with labeled data: a bright square at the left, in the middle or at the right."""
    folder = tmp_path_factory.mktemp("classes")
    rng = numpy.random.default_rng(0)
    for kind in range(CLASSES):
        (folder / "images" / str(kind)).mkdir(parents=True)
        for i in range(IMAGES[kind]):
            picture = numpy.zeros((SIDE, SIDE), numpy.uint8)
            y, x = rng.integers(4, 16), 2 + 8 * kind
            picture[y:y + 8, x:x + 8] = 255
            Image.fromarray(picture).save(folder / "images" / str(kind) / f"{i:02}.png")
    config = folder / "small.toml"
    config.write_text(f"""\
[data]
path = "{folder / 'shards'}"
[model]
resolution = {SIDE}
channels = 1
width = 8
latent = 6
hidden = 6
labels = {CLASSES}
[train]
global_batch = 8
microbatch = 2
steps = {LAST}
threads = 1
device = "cpu"
reproducible = true
report_every = 1
[checkpoint]
every = 4
[samples]
every = {LAST}
grid = "4x{CLASSES}"
""")
    program = Program(folder, config)
    program.call("shard", "build", "--source", folder / "images", "--dest", folder / "shards", "--resolution", SIDE, "--channels", "gray",
                 "--jobs", 1)
    return program


@pytest.fixture(scope="module")
def trained(labeled):
    """Cached runs on one rank by method."""
    runs = {}

    def run(name):
        if name not in runs:
            runs[name] = labeled.trained(None, *METHODS[name])
        return runs[name]
    return run


def sample(program, run, *arguments, expect=0):
    """(result, tensors of --save-latents)"""
    out, file = program.folder / "samples.png", program.folder / "samples.safetensors"
    file.unlink(missing_ok=True)
    result = program.call("sample", run, *arguments, "-o", out, "--save-latents", file, "--json", expect=expect)
    return result, load_file(file) if expect == 0 else None


@pytest.mark.parametrize("name", METHODS)
def test_conditional_training_is_bitwise_equal_on_any_number_of_ranks_and_after_resume(labeled, trained, name):
    one = trained(name)
    assert all("energy/mismatch" in line for line in reports(one) if "energy/fake" in line)
    assert any("energy/mismatch" in line for line in reports(one))
    for ranks in (2, 4):
        assert bits(checkpoint(labeled.trained(ranks, *METHODS[name]), LAST)) == bits(checkpoint(one, LAST))
    resumed = labeled.trained(2, *METHODS[name], "--resume", checkpoint(one, 4))
    assert bits(checkpoint(resumed, LAST)) == bits(checkpoint(one, LAST))


def test_wrong_classes_change_the_losses_only_with_a_weight(labeled, trained):
    run = labeled.trained(None, *METHODS["ebgan"], "objective.mismatch_weight=0")
    assert all("energy/mismatch" not in line for line in reports(run))
    assert reports(run)[-1]["loss/D"] != reports(trained("ebgan"))[-1]["loss/D"]


@pytest.mark.parametrize("name", METHODS)
def test_label_each_draws_a_row_per_class_with_the_same_latents(labeled, trained, name):
    result, each = sample(labeled, trained(name), "--seeds", "0-3", "--label", "each")
    assert json.loads(result.stdout)["samples"] == 4 * CLASSES
    assert Image.open(labeled.folder / "samples.png").size[0] < 5 * (SIDE + 4)  # 4 columns
    assert each["labels"].tolist() == [c for c in range(CLASSES) for _ in range(4)]
    latents, pixels = (each[key].reshape(CLASSES, 4, -1) for key in ("latents", "pixels"))
    assert (latents == latents[:1]).all()
    assert (pixels[0] != pixels[1]).any() and (pixels[1] != pixels[2]).any()
    _, one = sample(labeled, trained(name), "--seeds", "0-3", "--label", "1")
    assert (one["pixels"].reshape(4, -1).astype(int) - pixels[1]).__abs__().max() <= 1
    _, listed = sample(labeled, trained(name), "--seeds", "0-3", "--label", "2,0")
    assert listed["labels"].tolist() == [2] * 4 + [0] * 4
    # The grid of the training is the same picture.
    _, cycled = sample(labeled, trained(name), "--seeds", "4-9")
    assert cycled["labels"].tolist() == [1, 2, 0, 1, 2, 0]


def test_grid_of_a_training_has_a_row_per_class(labeled, trained):
    run = trained("began")
    sample(labeled, run, "--seeds", "0-3", "--label", "each")
    drawn = numpy.asarray(Image.open(labeled.folder / "samples.png")).astype(int)
    [grid] = run.glob(f"fakes*{LAST}.png")
    assert numpy.abs(numpy.asarray(Image.open(grid)).astype(int) - drawn).max() <= 1


def test_walk_between_classes_starts_and_ends_at_them(labeled, trained):
    run = trained("began")
    _, walk = sample(labeled, run, "--seeds", "5,6", "--label", "0..2", "--interpolate", "5")
    assert walk["labels"].shape == (10, CLASSES)
    assert numpy.allclose(walk["labels"][:5, 2], [0, 0.25, 0.5, 0.75, 1]) and numpy.allclose(walk["labels"].sum(1), 1)
    assert (walk["latents"].reshape(2, 5, -1) == walk["latents"].reshape(2, 5, -1)[:, :1]).all()
    _, ends = sample(labeled, run, "--seeds", "5,6", "--label", "0,2")
    assert numpy.abs(walk["pixels"][[0, 5, 4, 9]].astype(int) - ends["pixels"]).max() <= 1
    _, between = sample(labeled, run, "--seeds", "0,1", "--label", "1", "--interpolate", "3")
    assert between["labels"].tolist() == [1, 1, 1]
    _, both = sample(labeled, run, "--seeds", "0,1", "--interpolate", "3")
    assert both["labels"].tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]]


@pytest.mark.parametrize("name", METHODS)
def test_samples_equal_those_of_pytorch(labeled, trained, name):
    script = REPOSITORY / "examples" / "load_in_pytorch.py"
    for arguments in (["--seeds", "0-5"], ["--seeds", "0-3", "--label", "each"], ["--seeds", "1", "--label", "2..0", "--interpolate", "4"]):
        _, drawn = sample(labeled, trained(name), *arguments)
        file = labeled.folder / "samples.safetensors"
        seeds = arguments[:2] if len(arguments) == 2 else []
        subprocess.run([sys.executable, script, trained(name), *seeds, "--latents", file], check=True, stdout=subprocess.DEVNULL)
        drawn["labels"] = numpy.roll(drawn["labels"], 1, 0)
        save_file(drawn, file)  # other classes are noticed
        assert subprocess.run([sys.executable, script, trained(name), "--latents", file], stdout=subprocess.DEVNULL).returncode == 1


@pytest.mark.parametrize(("arguments", "words"), [
    (["--label", "3"], "has classes 0 to 2"),
    (["--label", "0,-1"], "has classes 0 to 2"),
    (["--label", "0..5", "--interpolate", "3"], "has classes 0 to 2"),
    (["--label", "two"], "the index of a class, or each"),
    (["--label", "1..2"], "--interpolate"),
    (["--label", "0..1..2", "--interpolate", "3"], "a walk between two"),
    (["--label", "1", "--langevin"], "Langevin"),
    (["--filters"], "deep belief networks"),
])
def test_invalid_labels_are_rejected(labeled, trained, arguments, words):
    result, _ = sample(labeled, trained("began"), "--seeds", "0-3", *arguments, expect=USAGE)
    assert words in result.error


def test_label_of_an_unconditional_model_is_rejected(labeled):
    run = labeled.trained(None, *METHODS["began"], "model.labels=0", "train.steps=1")
    result, _ = sample(labeled, run, "--label", "1", expect=USAGE)
    assert "model.labels = 0" in result.error


def test_labels_that_the_data_do_not_fit_are_rejected(labeled):
    few = labeled.train(None, *METHODS["began"], "model.labels=2", expect=DATA)
    assert "has label 2" in few.error and "model.labels" in few.error
    bare = labeled.folder / "bare"
    labeled.call("shard", "build", "--source", labeled.folder / "images", "--dest", bare, "--resolution", SIDE, "--channels", "gray",
                 "--labels", "none")
    missing = labeled.train(None, *METHODS["began"], f"data.path={bare}", expect=DATA)
    assert "has no label" in missing.error and "model.labels=0" in missing.error and "fine_tune" not in missing.error
    balanced = labeled.train(None, *METHODS["ebgan"], "model.labels=0", expect=CONFIG)
    assert "objective.label_sampling" in balanced.error


def test_fork_takes_all_tensors_but_the_tables_of_classes(labeled, trained):
    plain = labeled.trained(None, *METHODS["began"], "model.labels=0", "train.steps=2")
    more = labeled.trained(None, *METHODS["began"], "model.labels=5", "train.steps=1", "--from", trained("began"))
    conditional = labeled.trained(None, *METHODS["began"], "train.steps=1", "--from", plain)
    for source, fork in ((trained("began"), more), (plain, conditional)):
        before, after = (load_file(path / "model.safetensors") for path in (checkpoint(source), checkpoint(fork, 0)))
        same = {name for name in after if name in before and numpy.array_equal(before[name], after[name])}
        different = {name for name in after if "_ema" not in name} - same
        assert different and all("labels" in name for name in different), different


def test_energies_are_those_of_the_best_class(labeled, trained):
    shards = labeled.folder / "shards"
    found = json.loads(labeled.call("energy", trained("ebgan"), "--data", shards, "--device", "cpu", "--json").stdout)
    assert "lowest of all classes" in json.dumps(found)
    labeled.call("restore", trained("ebgan"), "--data", shards, "--index", "0-3", "--noise", "0.2", "--device", "cpu", "-o",
                 labeled.folder / "restored.png")


@needs_fake_gpus
@pytest.mark.parametrize("name", METHODS)
def test_cuda_graphs_do_not_change_conditional_training(labeled, name):
    gpus = FakeGpus(labeled.folder / f"gpus-{name}", labeled.config, labeled.config)
    gpus.folder.mkdir()
    runs = [gpus.trained(None, *METHODS[name], f"performance.cuda_graph={switch}", "train.reproducible=true") for switch in ("on", "off")]
    assert tensors(checkpoint(runs[0])) == tensors(checkpoint(runs[1]))


def test_many_samples_of_one_class_are_those_of_its_row(labeled, trained, tmp_path):
    run = trained("began")
    labeled.call("sample", run, "--count", 5, "--label", 2, "--to", tmp_path / "drawn", ranks=2)
    _, row = sample(labeled, run, "--seeds", "0-4", "--label", 2)
    for seed in range(5):
        drawn = numpy.asarray(Image.open(tmp_path / "drawn" / f"{seed:08}.png"))
        assert numpy.abs(drawn.astype(int) - row["pixels"][seed, ..., 0].astype(int)).max() <= 1
    failed = labeled.call("sample", run, "--count", 5, "--label", "each", "--to", tmp_path / "other", expect=USAGE)
    assert "name a class" in failed.error and not (tmp_path / "other").exists()


def test_frames_of_a_path_also_change_the_class(labeled, trained, tmp_path):
    """Seeds 0 and 1 have the classes 0 and 1."""
    run, saved = trained("ebgan"), tmp_path / "ends.safetensors"
    labeled.call("sample", run, "--seeds", "0-1", "--interpolate", 4, "-o", tmp_path / "walk.gif", "--save-latents", saved)
    found = load_file(saved)
    assert Image.open(tmp_path / "walk.gif").n_frames == len(found["pixels"]) == 5
    assert numpy.allclose(found["labels"][:, :2], [[1 - i / 4, i / 4] for i in range(5)], atol=1e-6)
    _, ends = sample(labeled, run, "--seeds", "0-1")
    assert numpy.array_equal(found["latents"][[0, -1]], ends["latents"])


def test_latents_and_class_of_an_own_sample_are_found(labeled, trained, tmp_path):
    run = trained("magan")
    labeled.call("sample", run, "--count", 6, "--first", 50, "--to", tmp_path / "drawn")
    files = sorted((tmp_path / "drawn").glob("*.png"))
    result = labeled.call("restore", run, *files, "--method", "latent", "-o", tmp_path / "fit.png", "--json")
    for image in json.loads(result.stdout)["images"]:
        assert image["latent"]["psnr_known"] is None or image["latent"]["psnr_known"] > 35


def evaluate(program, run, *arguments, ranks=None):
    return json.loads(program.call("evaluate", run, "--data", program.folder / "shards", "--json", *arguments, ranks=ranks).stdout)


def test_samples_of_an_evaluation_have_the_classes_of_the_data(labeled, trained, tmp_path):
    """The mean of a channel does not depend on the order, so that samples with the same classes must have the same mean."""
    run = trained("magan")
    found = evaluate(labeled, run)
    assert found["samples"]["class_shares"] == "data"
    bare = tmp_path / "bare"
    labeled.call("shard", "build", "--source", labeled.folder / "images", "--dest", bare, "--resolution", SIDE, "--channels", "gray",
                 "--labels", "none")
    equal = json.loads(labeled.call("evaluate", run, "--data", bare, "--json").stdout)
    assert equal["samples"]["class_shares"] == "equal" and equal["metrics"]["swd"] != found["metrics"]["swd"]
    _, drawn = sample(labeled, run, "--seeds", "0-28")
    assert equal["metrics"]["mean/0"]["value"] == pytest.approx(drawn["pixels"].mean() / 255, abs=2e-5)
    watched = labeled.trained(None, *METHODS["magan"], f"evaluate.every={LAST}", "evaluate.samples=29")
    [line] = [line for line in stats(watched) if line.get("event") == "evaluate" and line["step"] == LAST]
    assert line["swd"] == found["metrics"]["swd"]["value"]


def test_metrics_per_class_are_those_of_its_samples_and_images(labeled, trained, tmp_path):
    run = trained("magan")
    found = evaluate(labeled, run, "--per-class")
    assert found["metrics"] == evaluate(labeled, run)["metrics"]
    assert [(c["class"], c["name"], c["images"]) for c in found["classes"]] == [(0, "0", 12), (1, "1", 11), (2, "2", 6)]
    assert found["classes"][2]["metrics"] == {}
    for c in found["classes"][:2]:
        assert c["metrics"].keys() == found["metrics"].keys()
        _, drawn = sample(labeled, run, "--seeds", f"0-{c['images'] - 1}", "--label", c["class"])
        assert c["metrics"]["mean/0"]["value"] == pytest.approx(drawn["pixels"].mean() / 255, abs=2e-5)
        # Squares that move only up and down: other images of the class are nearer than those of all classes.
        assert c["metrics"]["distance"]["floor"] < found["metrics"]["distance"]["floor"]
    assert evaluate(labeled, run, "--per-class", ranks=2) == found
    table = labeled.call("evaluate", run, "--data", labeled.folder / "shards", "--per-class").stdout
    rows = table.split("\n\n")[2].splitlines()
    swd = found["classes"][1]["metrics"]["swd"]
    assert rows[0].split()[:2] == ["class", "images"] and f"{swd['value']:.2f} ({swd['floor']:.2f})" in rows[2]
    assert "too few" in rows[3]
    # A class of the data alone gives the same values, as its images have the same order-free means.
    own = json.loads(labeled.call("evaluate", "--samples", labeled.folder / "shards", "--data", labeled.folder / "shards", "--json",
                                  "--per-class").stdout)
    assert [c["metrics"]["swd"]["value"] for c in own["classes"][:2]] == [0, 0]


def test_drawn_shards_and_arrays_hold_the_classes(labeled, trained, tmp_path):
    run = trained("magan")
    for name, arguments, labels in (("all", [], [(5 + i) % CLASSES for i in range(40)]), ("one", ["--label", 1], [1] * 40)):
        many = ["sample", run, "--count", 40, "--first", 5, *arguments]
        labeled.call(*many, "--to", tmp_path / name, "--shards")
        stored = [h5py.File(path)["labels"][:] for path in sorted((tmp_path / name).glob("shard-*.h5"))]
        assert numpy.concatenate(stored).tolist() == labels
        labeled.call(*many, "--to", tmp_path / f"{name}.npz")
        with numpy.load(tmp_path / f"{name}.npz") as arrays:
            assert arrays["arr_1"].dtype == numpy.int64 and arrays["arr_1"].tolist() == labels
    found = json.loads(labeled.call("evaluate", "--samples", tmp_path / "all", "--data", labeled.folder / "shards", "--per-class",
                                    "--json").stdout)
    assert [c["images"] for c in found["classes"]] == [12, 11, 6]


def test_metrics_per_class_need_classes(labeled, trained, tmp_path):
    plain = labeled.trained(None, *METHODS["began"], "model.labels=0", "train.steps=1")
    shards = labeled.folder / "shards"
    assert "model.labels" in labeled.call("evaluate", plain, "--data", shards, "--per-class", expect=USAGE).error
    bare = tmp_path / "bare"
    labeled.call("shard", "build", "--source", labeled.folder / "images", "--dest", bare, "--resolution", SIDE, "--channels", "gray",
                 "--labels", "none")
    for arguments in ([trained("began"), "--data", bare], ["--samples", bare, "--data", shards]):
        assert "have no classes" in labeled.call("evaluate", *arguments, "--per-class", expect=DATA).error
