"""The command line: help, keys, the dry run, and that docs and configs name keys that exist."""

import functools
import os
import pathlib
import re
import subprocess
import tomllib

import pytest
from program import REPOSITORY, VALLEY, bits, checkpoint

COMMANDS = [[], ["train"], ["sample"], ["evaluate"], ["energy"], ["classify"], ["infer"], ["restore"], ["report"], ["runs"], ["doctor"],
            ["completion"], ["bench"], ["bench", "step"], ["bench", "loader"], ["bench", "allreduce"],
            ["shard"], *(["shard", name] for name in ("build", "verify", "info", "peek", "subset", "split", "merge", "reshard", "export",
                                                  "dedupe", "diff"))]


@pytest.fixture(scope="module")
def keys(shared_program):
    """Every key's name, as --keys lists them."""
    listed = shared_program.call("train", "--keys").stdout
    return re.findall(r"^([a-z0-9_]+\.[a-z0-9_]+) ", listed, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_examples(program, command):
    result = program.call(*command, "--help")
    assert "Examples:\n" in result.stdout
    assert "valley " + " ".join(command) in result.stdout
    assert not result.stderr


def test_help_is_printed_once_under_launcher(program):
    result = program.call("train", "--help", ranks=2)
    assert result.stdout.count("Examples:\n") == 1


def test_help_test_covers_every_command(program):
    listed = set()
    for command in ([], ["bench"], ["shard"]):
        commands = program.call(*command, "--help").stdout.split("Subcommands:")[1]
        listed |= {(*command, name) for name in re.findall(r"^  ([a-z]+) ", commands, re.MULTILINE)}
    assert listed == {tuple(command) for command in COMMANDS if command}


def test_version_starts_with_name_and_number(program):
    assert re.match(r"valley \d+\.\d+\.\d+ ", program.call("--version").stdout)


@pytest.mark.skipif(pathlib.Path("/dev/nvidia0").exists(), reason="with a GPU they are for use")
def test_gpu_libraries_are_not_loaded_without_gpu(program):
    environment = {**os.environ, "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(program.folder / "loader")}
    run = [VALLEY, "train", program.config, "train.steps=1", "--out", program.out]
    subprocess.run(run, env=environment, check=True, timeout=120, capture_output=True)
    loaded = "".join(file.read_text(errors="replace") for file in program.folder.glob("loader.*"))
    assert "libtorch_cpu.so" in loaded
    assert "libtorch_cuda.so" not in loaded and "libnccl" not in loaded and "libcudnn" not in loaded


def test_keys_option_lists_default_and_meaning(program, keys):
    assert len(keys) == len(set(keys)) > 30
    listed = program.call("train", "--keys").stdout
    assert len(re.findall(r";\s+default ", listed)) == len(keys)  # on the next line after a long type
    assert {key.split(".")[0] for key in keys} == \
        {"data", "model", "objective", "augment", "train", "optimizer", "checkpoint", "samples", "evaluate",
         "performance"}


def test_keys_option_with_prefix_lists_one_section(program, keys):
    listed = program.call("train", "--keys", "optimizer").stdout
    assert re.findall(r"^(\S+) ", listed, re.MULTILINE) == [key for key in keys if key.startswith("optimizer.")]


def test_dry_run_prints_plan_and_creates_nothing(program, keys):
    result = program.train(None, "--dry-run", "train.steps=21")
    assert not program.out.exists()
    resolved = tomllib.loads(result.stdout)
    plan = result.stdout
    assert resolved["train"]["steps"] == 21
    assert {f"{section}.{key}" for section, values in resolved.items() for key in values} == set(keys)
    assert "\n# generator: " in plan
    assert "\n# discriminator: " in plan
    assert "length: 21 steps of 16 images = 0.3 kimg = 3.20 epochs" in plan
    assert "ranks: 1, each 4 microbatches of 4 images per step" in plan
    assert re.search(r"memory per rank: [\d.]+ \w+ for parameters, about [\d.]+ \w+ for activations", plan)


def test_dry_run_counts_parameters_per_layer(program):
    plan = program.train(None, "--dry-run").stdout
    for name in ("generator", "discriminator"):
        table = plan.split(f"\n# {name}: ")[1].split("\n#\n")[0].splitlines()
        total = int(table[0].split()[0])
        assert sum(int(line.split()[-1]) for line in table[1:]) == total > 0


def test_dry_run_on_two_ranks_prints_shares(program):
    result = program.train(2, "--dry-run")
    assert "ranks: 2, each 2 microbatches of 4 images per step" in result.stdout
    assert result.stdout.count("\n# generator: ") == 1
    assert re.search(r"\n# reduced per step: [1-9]", result.stdout)


def test_resolved_config_loads_unchanged(program):
    first = program.trained(None, "train.steps=3", "train.reproducible=true", "train.microbatch=auto")
    program.train(None, config=first / "config.toml")
    second = program.newest()
    assert second != first
    assert (second / "config.toml").read_bytes() == (first / "config.toml").read_bytes()
    assert bits(checkpoint(second)) == bits(checkpoint(first))


@pytest.mark.parametrize(("length", "steps"), [("train.epochs=2", 14), ("train.kimg=1", 63)])
def test_length_in_epochs_or_kimg_becomes_steps(program, length, steps):
    result = program.train(None, "train.steps=auto", length, "--dry-run")
    assert f"length: {steps} steps" in result.stdout


@pytest.fixture(scope="module")
def shards_of(tmp_path_factory, shared_program):
    """Shards of a shape: 128 faces and animals, an epoch for any config."""
    @functools.cache
    def build(resolution, channels):
        data = tmp_path_factory.mktemp("sizes") / str(resolution)
        shared_program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F400-1F47F",
                            "--resolution", resolution, "--channels", "rgb" if channels == 3 else "gray",
                            "--dest", data, "--jobs", "1")
        return data
    return build


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob("configs/*.toml")), ids=lambda path: path.name)
def test_every_config_passes_dry_run_on_shards_of_its_size(program, shards_of, file):
    config = tomllib.loads(file.read_text())
    size, channels = config["model"]["resolution"], config["model"]["channels"]
    without_labels = ["model.labels=0", "model.label_units=false", "objective.fine_tune_epochs=0"]
    result = program.train(None, "--dry-run", f"data.path={shards_of(size, channels)}",
                           *(without_labels if "labels" in config["model"] else []), config=file)
    resolved = tomllib.loads(result.stdout)
    assert resolved["model"]["resolution"] == size
    assert resolved["model"]["name"] == resolved["objective"]["name"] == config["objective"]["name"]
    assert f"data: 128 images of {size}x{size}x{channels}" in result.stdout
