"""examples/load_in_pytorch.py compared with the program: samples, energies, and the files that it reads."""

import hashlib
import json
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from example_loader import EBGAN, EXAMPLE, LATENT_D, PLAIN, example, images_of, latents
from valley_program import build_faces, stats, train, valley

BUFFERS = ("running_mean", "running_var", ".carry")
STEPS = 3

SHAPES = {
    "skips": ("rgb", 32, []),
    "plain": ("rgb", 32, [PLAIN]),
    "extra": ("rgb", 32, ["model.downsample=extra"]),
    "residuals": ("rgb", 32, ["model.vanishing_residuals=5", "model.output=tanh"]),
    "gray-16": ("gray", 16, ["train.ema_half_life=0"]),
    "gray-28": ("gray", 28, ["model.output=sigmoid"]),
    "ebgan": ("rgb", 32, EBGAN),
    "magan": ("rgb", 32, [PLAIN, "model.name=magan", "model.output=tanh", "optimizer.lr=1e-4"]),
    "magan-28": ("gray", 28, [PLAIN, "model.name=magan", "model.output=sigmoid", "optimizer.lr=1e-4"]),
}


@pytest.fixture(scope="module", params=SHAPES)
def trained(request, tmp_path_factory):
    channels, side, overrides = SHAPES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    build_faces(folder / "data", side, channels)
    shape = [f"model.resolution={side}", f"model.channels={1 if channels == 'gray' else 3}"]
    run = train(folder / "runs", folder / "data", f"train.steps={STEPS}", "train.seed=7", *shape, *overrides)
    return folder, run


@pytest.mark.parametrize("weights", ["averaged", "raw"])
def test_pytorch_loader_samples_match(trained, tmp_path, capsys, weights):
    _, run = trained
    raw = ["--raw"] if weights == "raw" else []
    seeds, drawn = "0-3,77,5000000000", str(tmp_path / "latents.safetensors")
    valley("sample", run, "--seeds", seeds, "-o", tmp_path / "a.png", "--save-latents", drawn, *raw)
    picture = str(tmp_path / "b.png")
    assert example.main([str(run), "--seeds", seeds, "--latents", drawn, "-o", picture, *raw]) == 0
    assert "largest difference of a pixel: " in capsys.readouterr().out
    assert Image.open(picture).width == 3 * load_file(drawn)["pixels"].shape[2]
    # Without seeds the latents of the file are used; a model file works like a run.
    model = example.find_model(run)
    assert model.parent.name == f"step-{STEPS:08}"
    assert example.main([str(model), "--latents", drawn, *raw]) == 0
    # Every difference is found.
    saved = load_file(drawn)
    saved["pixels"][1, 3, 4, 0] ^= 0x10
    save_file(saved, drawn)
    assert example.main([str(run), "--latents", drawn, *raw]) == 1
    assert "largest difference of a pixel: 1" in capsys.readouterr().out
    assert example.main([str(run), "--seeds", "0-5", "--latents", drawn, *raw]) == 1
    assert "other seeds" in capsys.readouterr().out


def test_pytorch_loader_energies_match(trained):
    """The step after a checkpoint states the energies of that checkpoint's networks: of all images
    (an epoch is one batch here) and of the latents of D's phase."""
    folder, run = trained
    for step in range(1, STEPS):
        checkpoint = run / "checkpoints" / f"step-{step:08}"
        networks, options = example.load(checkpoint, raw=True)
        generator, discriminator = networks["generator"].train(), networks["discriminator"].train()
        images = images_of(folder / "data", options)
        with torch.no_grad():
            fakes = generator(latents(options, LATENT_D, step))
            real = (images - discriminator(images)).abs().mean().item()
            fake = (fakes - discriminator(fakes)).abs().mean().item()
        line = stats(run)[step + 1]
        assert line["energy/real"] == pytest.approx(real, rel=1e-5)
        assert line["energy/fake"] == pytest.approx(fake, rel=1e-5)


def test_commit_contains_documented_checksums(trained):
    _, run = trained
    checkpoint = run / "checkpoints" / "step-00000002"
    commit = json.loads((checkpoint / "COMMIT").read_text())
    own = commit.pop("sha256")
    compact = json.dumps(commit, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(compact.encode()).hexdigest() == own
    assert commit["format"] == "valley-checkpoint" and commit["version"] == 1 and commit["step"] == 2
    assert commit["files"].keys() == {"model.safetensors", "state.safetensors", "state.json"}
    for name, record in commit["files"].items():
        content = (checkpoint / name).read_bytes()
        assert len(content) == record["bytes"]
        assert hashlib.sha256(content).hexdigest() == record["sha256"]


def test_state_contains_documented_tensors(trained):
    _, run = trained
    checkpoint = run / "checkpoints" / "step-00000002"
    model = load_file(checkpoint / "model.safetensors")
    state = load_file(checkpoint / "state.safetensors")
    expected = {"objective.k": (torch.float64, ()), "position.step": (torch.int64, ())}
    expected |= {"position.images": (torch.int64, ()), "schedule.counts": (torch.int64, (2,))}
    expected |= {f"schedule.{name}": (torch.float64, ()) for name in ("rate", "window_sum", "best")}
    for network in ("generator", "discriminator"):
        expected[f"optimizer.{network}.updates"] = (torch.int64, ())
        for name, tensor in model.items():
            if name.startswith(network + ".") and not name.endswith(BUFFERS):
                for moment in ("first", "second"):
                    key = f"optimizer.{network}.{moment}.{name.removeprefix(network + '.')}"
                    expected[key] = (torch.float32, tuple(tensor.shape))
    assert {name: (t.dtype, tuple(t.shape)) for name, t in state.items()} == expected
    assert state["position.step"] == 2 and state["position.images"] == 32
    assert 0 <= state["objective.k"] <= 1


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers of the Random123 library
        ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([2**32 - 1] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ],
)
def test_philox_gives_the_known_answers(counter, key, words):
    position = counter[0] | counter[1] << 32
    assert example.philox(key, counter[2], position, counter[3]) == words


def model_file(folder, tensors=None, **changes):
    """A lone file whose metadata are those of a small model, changed."""
    metadata = {"format": "valley-model", "format_version": "1", "model.name": "began", "model.resolution": "16",
                "model.channels": "3", "model.width": "4", "model.latent": "8", "model.hidden": "8",
                "model.skip_connections": "false", "model.downsample": "strided"}
    file = folder / "model.safetensors"
    save_file(tensors or {"a": torch.zeros(1)}, file, metadata | changes)
    return file


def refused(capsys, code, *arguments):
    """The one line that it says."""
    assert example.main(list(map(str, arguments))) == code
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_file_that_is_not_a_model_is_rejected(tmp_path, capsys):
    (tmp_path / "checkpoints" / "step-00000001").mkdir(parents=True)  # without COMMIT
    assert "is not a model.safetensors" in refused(capsys, 66, tmp_path, "--seeds", "0")
    assert "is not a model.safetensors" in refused(capsys, 66, tmp_path / "nothing", "--seeds", "0")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    assert "is not a model that this example supports" in refused(capsys, 65, tmp_path / "a.safetensors", "--seeds", "0")
    (tmp_path / "text.safetensors").write_text("a text")
    assert "not a valid safetensors" in refused(capsys, 65, tmp_path / "text.safetensors", "--seeds", "0")


@pytest.mark.parametrize(("changes", "says"), [
    ({"format_version": "2"}, "format_version"),
    ({"model.width": "many"}, "model.width"),
    ({"model.latent": "0"}, "model.latent"),
    ({"model.hidden": "99999999999999999999"}, "model.hidden"),
    ({"model.resolution": "17"}, "model.resolution"),
    ({"model.name": "ebm", "model.resolution": "16"}, "model.resolution"),
    ({"model.name": "ebgan", "model.resolution": "64", "model.output": "relu"}, "model.output"),
    ({"model.name": "ebgan", "model.resolution": "32"}, "does not have the tensors"),
    ({"model.width": "20000"}, "does not have the tensors"),
    ({}, "does not have the tensors"),
])
def test_metadata_that_do_not_match_are_rejected(tmp_path, capsys, changes, says):
    file = model_file(tmp_path, **changes)
    line = refused(capsys, 65, file, "--seeds", "0")
    assert str(file) in line and says in line


def test_files_beside_the_model_are_checked(trained, tmp_path, capsys):
    _, run = trained
    assert "none.safetensors" in refused(capsys, 66, run, "--latents", tmp_path / "none.safetensors")
    save_file({"latents": torch.zeros(2, 3), "pixels": torch.zeros(2, 4, 4, 3)}, tmp_path / "other.safetensors")
    assert "has 3 latent dimensions" in refused(capsys, 65, run, "--latents", tmp_path / "other.safetensors")
    save_file({"other": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    assert "has no latents" in refused(capsys, 65, run, "--latents", tmp_path / "foreign.safetensors")
    assert "cannot be written" in refused(capsys, 73, run, "--seeds", "0", "-o", tmp_path / "none" / "a.png")
    assert "cannot be written" in refused(capsys, 73, run, "--seeds", "0", "-o", tmp_path / "no-ending")


@pytest.mark.parametrize("seeds", ["three", "", "5-3", "1,,2", "-", "0-", "0-99999999999", "18446744073709551616"])
def test_invalid_seeds_are_a_usage_error(tmp_path, capsys, seeds):
    with pytest.raises(SystemExit) as end:
        example.main([str(tmp_path), f"--seeds={seeds}"])
    assert end.value.code == 2
    assert "--seeds" in capsys.readouterr().err


def test_loader_example_runs_as_a_script():
    result = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2 and "usage: load_in_pytorch.py" in result.stderr
