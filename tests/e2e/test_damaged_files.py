"""Damaged files of runs and data sets are rejected, or make no difference. The long version is tests/chaos/bitflips.py."""

import random
import re
import shutil

import pytest
from damage_trials import Commands, make_files, run_driver
from program import CONFIG, DATA, bits, checkpoint, flip

pytestmark = pytest.mark.cores(2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    make_files(folder)
    return folder


def test_random_damage_never_changes_what_is_read_in_silence(files):
    kinds, failures = run_driver(files, 200, 1)
    assert not failures, failures
    assert {"tensors of checkpoints", "COMMIT, state.json", "config.toml", "rescues.json", "stats.jsonl", "flight records", "PNG images",
            "TensorBoard events", "manifest.json", "shards, raw", "shards, jpeg", "shards, keep", "SHA256SUMS", "index.h5",
            "rejects.jsonl"} <= {kind["kind"] for kind in kinds}
    assert sum(kind["rejected"] for kind in kinds) > 100


@pytest.mark.parametrize(("pattern", "seed"), [("runs/*/checkpoints/*/model.safetensors", 0), ("data/raw/manifest.json", 3)])
def test_program_rejects_damage_or_gives_the_same(files, tmp_path, pattern, seed):
    commands, chance = Commands(tmp_path, files), random.Random(seed)
    relative = sorted(files.glob(pattern))[-1].relative_to(files)
    name, damage, verdict, text, _ = commands.trial(relative, chance)
    assert verdict in ("rejected", "harmless"), f"{name} after {damage}: {verdict}: {text}"


def test_edited_config_of_a_run_is_rejected_until_its_digest_is_deleted(program):
    run = program.trained(None, "train.steps=2")
    before = bits(checkpoint(run))
    file = run / "config.toml"
    assert "\nreport_every = 1\n" in file.read_text()
    file.write_text(file.read_text().replace("\nreport_every = 1\n", "\nreport_every = 3\n"))
    for words in (["--resume", run], ["--from", run]):
        error = program.call("train", *words, "--out", program.out, expect=CONFIG).error
        assert str(file) in error and "delete that line" in error
    error = program.train(None, "train.steps=3", "--resume", "auto", expect=CONFIG).error
    assert str(file) in error
    assert "was edited or damaged" in program.call("train", file, "--dry-run").stderr
    assert bits(checkpoint(run)) == before
    file.write_text(re.sub("^# sha256 .*\n", "", file.read_text()))
    program.call("train", "--resume", run, "train.steps=3", "--out", program.out)
    assert "\nreport_every = 3\n" in file.read_text() and file.read_text().startswith("# sha256 ")


def test_model_file_of_a_checkpoint_is_verified_if_it_is_named_itself(program):
    run = program.trained(None, "train.steps=1")
    model = checkpoint(run) / "model.safetensors"
    flip(model, model.stat().st_size - 5)
    out = program.folder / "o.png"
    assert str(model) in program.call("sample", model, "-o", out, expect=DATA).error
    copy = shutil.copy(model, program.folder / "copy.safetensors")
    program.call("sample", copy, "--seeds", "0", "-o", out)
