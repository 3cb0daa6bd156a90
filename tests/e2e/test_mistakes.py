"""User errors are rejected before any file is created, with the documented exit code and one message with a solution."""

import json
import shutil

import pytest
from program import CANNOT_WRITE, CONFIG, DATA, MISSING, USAGE


def test_missing_config_is_reported(program):
    result = program.train(None, config=program.folder / "none.toml", expect=MISSING)
    assert str(program.folder / "none.toml") in result.error


def test_missing_data_is_reported(program):
    result = program.train(None, "data.path=nowhere/faces", expect=MISSING)
    assert "nowhere/faces" in result.error
    assert "valley shard build" in result.error
    assert not program.out.exists()


def test_unset_data_path_is_reported(program):
    config = program.folder / "empty.toml"
    config.write_text("[model]\nresolution = 32\n")
    assert "data.path" in program.train(None, config=config, expect=CONFIG).error


def test_misspelled_key_in_file_is_rejected_with_line_and_suggestion(program):
    config = program.folder / "typo.toml"
    config.write_text(program.config.read_text().replace("global_batch", "globl_batch"))
    [line] = [i for i, text in enumerate(config.read_text().splitlines(), 1) if "globl_batch" in text]
    error = program.train(None, config=config, expect=CONFIG).error
    assert f"{config}:{line}" in error
    assert "train.globl_batch" in error
    assert 'did you mean "train.global_batch"?' in error


def test_misspelled_key_on_command_line_is_rejected_with_suggestion(program):
    error = program.train(None, "optimizer.learning_rate=1", "optimizer.epsilom=1", expect=CONFIG).error
    assert "command line" in error
    assert "optimizer.learning_rate" in error


@pytest.mark.parametrize(("override", "says"), [
    ("train.steps=0", ">= 1"),
    ("train.steps=many", "integer"),
    ("objective.gamma=1.5", "<= 1"),
    ("model.name=bgan", "did you mean \"began\"?"),
    ("samples.grid=8", "columns x rows"),
    ("train.microbatch=5", "works"),
])
def test_invalid_value_is_rejected(program, override, says):
    error = program.train(None, override, expect=CONFIG).error
    assert override.split("=")[0] in error
    assert says in error
    assert not program.out.exists()


LARGEST = 2**63 - 1


@pytest.mark.parametrize("key", [
    "train.steps", "train.epochs", "train.kimg", "train.global_batch", "train.microbatch", "train.threads", "model.width",
    "model.latent", "model.hidden", "model.resolution", "model.channels", "checkpoint.keep",
])
def test_number_out_of_bounds_is_rejected(program, key):
    refuse_number(program, key, LARGEST)


@pytest.mark.parametrize("value", [-LARGEST - 1, -1, 10**12 + 1, 2**62, LARGEST + 1])
def test_length_out_of_bounds_is_rejected(program, value):
    refuse_number(program, "train.steps", value)


def refuse_number(program, key, value):
    error = program.train(None, f"{key}={value}", "--dry-run", expect=CONFIG).error
    assert error.count("\n") == 1
    assert key in error and str(value) in error
    assert "<= " in error


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e400"])
def test_value_that_is_not_a_number_is_rejected(program, value):
    assert "optimizer.lr takes a number > 0" in program.train(None, f"optimizer.lr={value}", expect=CONFIG).error


def test_too_many_epochs_are_rejected(program):
    config = program.folder / "epochs.toml"
    config.write_text(program.config.read_text().replace("steps = 10", "epochs = 1000000000"))
    assert "1000000000 epochs" not in program.train(None, "--dry-run", config=config).stderr  # 1.05e11 images: it can
    error = program.train(None, "train.epochs=1000000001", config=config, expect=CONFIG).error
    assert "train.epochs" in error and "<= 1000000000" in error


@pytest.mark.parametrize(("override", "says"), [
    ("model.resolution=17", "can have 16, 28, 32, 64, 128, 256, 512"),
    ("model.channels=2", "1 (gray) or 3 (RGB)"),
])
def test_invalid_networks_are_rejected_before_data_is_opened(program, override, says):
    error = program.train(None, override, expect=CONFIG).error
    assert override.split("=")[0] in error and says in error
    assert "build shards" not in error


def test_grid_larger_than_a_png_is_rejected(program):
    error = program.train(None, "samples.grid=64x64", "model.resolution=512", expect=CONFIG).error
    assert "samples.grid" in error and "too large" in error


BROKEN_CONFIGS = {
    "no TOML": ("# Valley\n\nValley trains energy-based models.\n", ":3:"),
    "a header that does not end": ("[train\nsteps = 1\n", ":1:"),
    "a key twice": ("[train]\nsteps = 1\nsteps = 2\n", ":3:"),
    "a section twice": ("[train]\nseed = 1\n[train]\nsteps = 2\n", ":3:"),
    "text for a number": ("[train]\nsteps = \"1\"\n", "train.steps takes an integer"),
    "a fraction for an integer": ("[train]\nsteps = 1.5\n", "train.steps takes an integer"),
    "a float for an integer": ("[train]\nsteps = 100.0\n", "write 100"),
    "a number for text": ("[data]\npath = 7\n", "data.path takes a string"),
    "a misspelt section": ("[trian]\nsteps = 1\n", "did you mean \"train\"?"),
    "a key without section": ("steps = 1\n", "did you mean \"train.steps\"?"),
    "UTF-16": ("[train]\nsteps = 1\n".encode("utf-16"), "utf-8"),
    "nothing": ("", "data.path is not set"),
    "a zero byte": ("[train]\nsteps = 1\0\n", ":2:"),
}


@pytest.mark.parametrize("kind", BROKEN_CONFIGS)
def test_toml_syntax_error_is_reported_with_line(program, kind):
    text, says = BROKEN_CONFIGS[kind]
    config = program.folder / "broken.toml"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = program.train(None, config=config, expect=CONFIG).error
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text, lambda text: text.replace(" = ", "\t=\t"),
    lambda text: text.rstrip("\n"),
])
def test_config_with_bom_or_crlf_is_accepted(program, change):
    config = program.folder / "other.toml"
    config.write_bytes(change(program.config.read_text()).encode())
    shown = [program.train(None, "--dry-run", config=file).stdout for file in (config, program.config)]
    assert shown[0].partition("# checkpoints:")[0] == shown[1].partition("# checkpoints:")[0]


def test_file_that_is_not_a_config_is_rejected(program):
    for place in (program.folder, "/dev/zero"):
        error = program.train(None, config=place, expect=MISSING).error
        assert str(place) in error and "CONFIG.toml" in error


def test_run_in_place_of_config_suggests_resume(program):
    run = program.trained(None, "train.steps=1")
    for named in (run, run / "checkpoints" / "step-00000001"):
        assert f"valley train --resume {named}" in program.train(None, config=named, expect=USAGE).error


def test_folder_that_is_not_a_data_set_is_rejected(program, faces):
    assert "is a file" in program.train(None, f"data.path={program.config}", expect=MISSING).error
    assert "manifest.json" in program.train(None, f"data.path={program.folder}", expect=MISSING).error
    copy = shutil.copytree(faces, program.folder / "copy")
    manifest = copy / "manifest.json"
    told = json.loads(manifest.read_text())
    told.pop("sha256")
    manifest.write_text(json.dumps(told | {"state": "building", "fingerprint": ""}))
    error = program.train(None, f"data.path={copy}", expect=DATA).error
    assert "unfinished" in error and "--resume" in error
    manifest.write_text(json.dumps(told)[:100])
    assert str(manifest) in program.train(None, f"data.path={copy}", expect=DATA).error
    manifest.write_text(json.dumps(told))
    [shard] = copy.glob("shard-*.h5")
    shard.write_bytes(shard.read_bytes()[:5000])
    assert str(shard) in program.train(None, f"data.path={copy}", expect=DATA).error
    shard.unlink()
    assert str(shard) in program.train(None, f"data.path={copy}", expect=MISSING).error
    assert not program.out.exists()


def test_resolution_of_data_and_model_must_match(program, faces):
    error = program.train(None, "model.resolution=64", expect=CONFIG).error
    assert str(faces) in error
    assert "32x32" in error
    assert "model.resolution = 64" in error
    assert "--resolution 64 --channels rgb" in error
    assert not program.out.exists()


def test_cuda_device_without_gpu_is_rejected(program):
    version = program.call("--version").stdout
    if "driver: none" not in version and "CUDA and NCCL" in version:
        pytest.skip("this machine may have a GPU")
    assert "train.device" in program.train(None, "train.device=cuda", expect=CONFIG).error


WRONG_COMMAND_LINES = [
    ([], "needs a command: train, shard"),
    (["trian"], "did you mean \"train\"?"),
    (["--no-such-option"], "--no-such-option"),
    (["train"], "needs a CONFIG.toml"),
    (["train", "--no-such-option"], "--no-such-option"),
    (["train", "--resum"], "did you mean \"--resume\"?"),
    (["train", "--resume"], "--resume"),
    (["train", "--keys", "nothing.like.it"], "nothing.like.it"),
    (["sample"], "run is required"),
    (["sample", "runs"], "needs -o FILE"),
    (["sample", "runs", "-o", "p.png", "--interpolate", "1e3"], "1e3"),
    (["shard"], "valley shard needs a command: build"),
    (["shard", "biuld"], "did you mean \"build\"?"),
    (["shard", "build"], "is required"),
    (["shard", "verify"], "directory is required"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG_COMMAND_LINES)
def test_invalid_command_line_is_a_usage_error(program, arguments, says):
    result = program.call(*arguments, expect=USAGE)
    assert says in result.error
    assert result.error.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize("word", ["train.steps", "other.toml", "=5"])
def test_override_without_value_is_rejected(program, word):
    assert "section.key=value" in program.train(None, word, expect=USAGE).error


def test_help_starts_with_examples_within_100_columns(program):
    levels = [[]]
    for level in levels:
        text = program.call(*level, "--help").stdout
        assert max(map(len, text.splitlines())) <= 100, level
        assert text.index("Examples:") < text.index("Usage:") < text.index("Options:")
        commands = text.partition("Subcommands:\n")[2]
        levels += [[*level, line.split()[0]] for line in commands.splitlines() if line[2:3].strip()]
    assert ["shard", "build"] in levels


def test_version_names_library_versions(program):
    version = program.call("--version").stdout
    assert version.startswith("valley ")
    assert "LibTorch " in version and "Open MPI " in version and "HDF5 " in version


def test_file_in_place_of_out_folder_is_rejected(program):
    program.out.write_text("in the way")
    result = program.train(None, expect=CANNOT_WRITE)
    assert str(program.out) in result.error
    assert program.out.read_text() == "in the way"


SHARED_MISTAKES = {
    "missing config": (["none.toml"], MISSING),
    "missing data": (["data.path=nowhere"], MISSING),
    "misspelt key": (["train.stepz=3"], CONFIG),
    "wrong resolution": (["model.resolution=64"], CONFIG),
    "uneven microbatches": (["train.microbatch=8"], CONFIG),
    "no such run": (["--resume", "nowhere"], MISSING),
    "absurd number": (["train.kimg=9223372036854775807"], CONFIG),
    "no such resolution": (["model.resolution=17"], CONFIG),
    "no such folder": (["--out", "/proc/valley/runs"], CANNOT_WRITE),
    "networks too large": (["model.width=60000"], 71),
}


@pytest.mark.cores(2)  # the other ranks give rank 0 three seconds to report the error
@pytest.mark.parametrize("mistake", SHARED_MISTAKES)
def test_error_on_all_ranks_is_reported_once(program, mistake):
    arguments, code = SHARED_MISTAKES[mistake]
    config = program.folder / arguments[0] if arguments[0].endswith(".toml") else None
    places = {"out": arguments[1]} if arguments[0] == "--out" else {}
    rest = [] if config or places else arguments
    result = program.train(4, *rest, config=config, expect=code, **places)
    assert len(result.errors) == 1
    assert result.errors[0].startswith("[0] ")


@pytest.mark.cores(2)
def test_usage_error_under_launcher_is_reported_once(program):
    result = program.call("train", "--no-such-option", ranks=4, expect=USAGE)
    assert result.stderr.count("--no-such-option") == 1
