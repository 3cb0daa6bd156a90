"""The peers that bench/step.py and bench/objectives.py time do the work of Valley: equal weights, images and random numbers
give equal losses on two ranks in every step."""

import subprocess
import sys
from dataclasses import dataclass

import numpy
import pytest
import rbm_reference
import torch
from dumped_training import dump, part_of, random_images
from safetensors.torch import load_file, save_file
from valley_program import REPOSITORY, build_faces, valley

sys.path.append(str(REPOSITORY / "bench"))
import peer_ddp

STEPS, BATCH, RANKS, SEED = 4, 4, 2, 23
BUFFERS = (".running_mean", ".running_var", ".u", ".v")
GAMMA, LAMBDA_K = 0.7, 0.2  # a k that matters from the second step on
GAN = {"resolution": 32, "width": 6, "latent": 5}


@dataclass
class Case:
    """A training of Valley's: keys of the sections of its config, and the options of the peer that repeats it."""

    shape: dict  # of the networks, as keys of the model and as options of the peer
    objective: str
    losses: tuple
    options: tuple = ()
    model: str = ""
    train: str = ""
    optimizer: str = ""
    rate: float = 1e-3
    channels: int = 3
    epoch_steps: int = 1000
    first: int = 0  # the step from which on the peer repeats the training
    draws: tuple = ("z_d", "z_g")


def began(schedule):
    return Case(GAN | {"hidden": 7}, f"gamma = {GAMMA}\nlambda_k = {LAMBDA_K}", ("energy/real", "energy/fake", "loss/G", "k"),
                ("--gamma", GAMMA, "--lambda-k", LAMBDA_K), train=f'schedule = "{schedule}"')


def rbm(persistent):
    return Case({"resolution": 16}, f'name = "dbn"\npersistent_chains = {str(persistent).lower()}', ("energy/real", "energy/fake"),
                ("--objective", "rbm-pcd" if persistent else "rbm-cd", "--hidden", 12), "layers = [12]\nchannels = 1",
                optimizer="momentum = 0.5", rate=0.1, channels=1, epoch_steps=1, first=1, draws=())


HINGE = ("energy/real", "energy/fake", "loss/D", "loss/G")
CASES = {
    "ebgan": Case(GAN, 'name = "ebgan"', HINGE, ("--objective", "ebgan")),
    "ebgan-pt": Case(GAN, 'name = "ebgan"\npulling_away = "squared"', (*HINGE, "pulling_away"), ("--objective", "ebgan-pt")),
    # One epoch measures the margin; the next is the adversarial stage's first.
    "magan": Case(GAN, 'name = "magan"\npretrain_epochs = 0', HINGE, ("--objective", "magan"), epoch_steps=STEPS, first=STEPS),
    "ebm": Case({"resolution": 32, "width": 6}, 'name = "ebm"\nlangevin_steps = 5\nreplay_restart = 0.05',
                ("energy/real", "energy/fake", "loss/energy"), ("--objective", "ebm", "--langevin-steps", 5),
                draws=("choice", "start", "within", "noise")),
    "rbm-cd": rbm(False),
    "rbm-pcd": rbm(True),
}


def steps_of_valley(folder, case):
    """Losses of the steps that the peer repeats, whose file it writes. A rank's share is one microbatch."""
    steps = case.first + STEPS
    images = random_images(steps, case.shape["resolution"], case.channels, BATCH)
    keys = "\n".join(f"{name} = {value}" for name, value in case.shape.items())
    ours = dump(folder, f"""
[model]
{keys}
{case.model}
[objective]
{case.objective}
[train]
global_batch = {BATCH}
microbatch = {BATCH // RANKS}
seed = {SEED}
report_every = 1
{case.train}
[optimizer]
lr = {case.rate}
lr_schedule = "constant"
{case.optimizer}
""", images, case.epoch_steps * BATCH)
    before = f"{case.first - 1}.value." if case.first > 0 else "start."
    given = {f"start.{name}": value for name, value in part_of(ours, before).items() if ".pixel_" not in name}
    for step in range(STEPS):
        draws = {name: ours[f"{case.first + step}.{name}"] for name in case.draws} or rbm_draws(case, case.first + step)
        given |= {f"{step}.{name}": value for name, value in draws.items()}
    save_file(given | {"images": images[case.first:].contiguous()}, folder / "peer.safetensors")
    losses = {f"{step}.{name}": ours[f"{case.first + step}.{name}"].item() for step in range(STEPS) for name in case.losses}
    return losses, ours


def rbm_draws(case, step):
    """Numbers that Valley compares the probabilities of hidden and of visible units with."""
    values = {"weight": numpy.zeros((12, case.shape["resolution"]**2))}
    draws = rbm_reference.Draws(rbm_reference.Rbm(values), SEED, step * BATCH + numpy.arange(BATCH))
    is_persistent = "rbm-pcd" in case.options
    found = {"hidden": draws._uniform(12, int(is_persistent), 0), "visible": draws._uniform(values["weight"].shape[1], 0, 1)}
    return {name: torch.as_tensor(value).float().contiguous() for name, value in found.items()}


def steps_of_peer(folder, case, *options):
    command = [sys.executable, REPOSITORY / "bench" / "peer_ddp.py", "--batch", BATCH, "--ranks", RANKS, "--rate", case.rate,
               *(word for name, value in case.shape.items() for word in (f"--{name}", value)), *case.options,
               "--replay", folder / "peer.safetensors", "--out", folder / "losses.safetensors", *options]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return load_file(folder / "losses.safetensors")


def worst(ours, theirs):
    """The largest relative difference of any loss or k in any step."""
    return max(abs(theirs[name].item() - value) / max(abs(value), 1e-3) for name, value in ours.items())


@pytest.mark.parametrize(("schedule", "options"), [
    ("alternating", ["--passes", "split"]),
    ("alternating", ["--passes", "together", "--unfrozen"]),
    ("alternating", ["--passes", "concat", "--contiguous"]),
    ("shared", []),
])
def test_losses_of_peer_equal_valley(tmp_path, schedule, options):
    case = began(schedule)
    ours, _ = steps_of_valley(tmp_path, case)
    theirs = steps_of_peer(tmp_path, case, "--schedule", schedule, *options)
    assert worst(ours, theirs) < 2e-5
    assert ours[f"{STEPS - 1}.k"] > 0.1, "with k at 0 its place in the loss would not show"


def test_bf16_losses_are_near_and_another_schedule_differs(tmp_path):
    case = began("alternating")
    ours, _ = steps_of_valley(tmp_path, case)
    assert 1e-6 < worst(ours, steps_of_peer(tmp_path, case, "--precision", "bf16")) < 2e-2
    assert worst(ours, steps_of_peer(tmp_path, case, "--schedule", "shared")) > 1e-3


def replay_options(name, dumped):
    if name != "magan":
        return []
    return ["--margin", repr(dumped[f"{CASES[name].first - 1}.epoch.margin_next"].item())]


@pytest.mark.parametrize("name", CASES)
def test_losses_of_other_objectives_peers_equal_valley(tmp_path, name):
    ours, dumped = steps_of_valley(tmp_path, CASES[name])
    assert worst(ours, steps_of_peer(tmp_path, CASES[name], *replay_options(name, dumped))) < 2e-5


@pytest.mark.parametrize(("name", "wrong"), [
    ("ebgan-pt", ["--pulling-away-weight", 0.2]),
    ("magan", ["--margin", 1]),
    ("ebm", ["--langevin-steps", 4]),
    ("rbm-cd", ["--objective", "rbm-pcd"]),
])
def test_modified_peer_has_other_losses(tmp_path, name, wrong):
    ours, _ = steps_of_valley(tmp_path, CASES[name])
    assert worst(ours, steps_of_peer(tmp_path, CASES[name], *wrong)) > 1e-3


# Config of an objective, and keys of a short training.
SHORT = {
    "ebgan-pt": ("ebgan-pt-64", ["model.width=16", "train.microbatch=16", "train.steps=1"]),
    "magan": ("magan-64", ["model.width=16", "objective.pretrain_epochs=0", "train.epochs=1"]),
    "ebm": ("ebm-64", ["model.width=16", "objective.langevin_steps=1", "train.steps=1"]),
    "rbm-pcd": ("rbm-mnist", ["objective.pretrain_epochs=1", "objective.lr_decay_epochs=0"]),
}


@pytest.mark.parametrize("name", SHORT)
def test_peer_networks_load_a_checkpoint(tmp_path, name):
    config, keys = SHORT[name]
    is_rbm = name.startswith("rbm")
    build_faces(tmp_path / "data", *((28, "gray") if is_rbm else (64,)))
    valley("train", REPOSITORY / "configs" / f"{config}.toml", f"data.path={tmp_path / 'data'}", "--out", tmp_path / "runs", *keys,
           "train.global_batch=16", "train.threads=1", "train.device=cpu", "samples.grid=2x1")
    [saved] = (tmp_path / "runs").glob("*/checkpoints/*/model.safetensors")
    theirs = {n: v.shape for n, v in load_file(saved).items() if ".pixel_" not in n and "_ema." not in n}
    shape = ["--resolution", "28", "--hidden", "500"] if is_rbm else ["--resolution", "64", "--width", "16"]
    networks = networks_of_peer(tmp_path, "--objective", name, *shape, "--batch", "16", "--ranks", "1").items()
    own = {f"{n}.{t}": value.shape for n, network in networks for t, value in network.state_dict().items()}
    assert {n: shape for n, shape in own.items() if not n.endswith("num_batches_tracked")} == theirs
    parameters = sum(p.numel() for _, network in networks for p in network.parameters())
    assert parameters == sum(shape.numel() for n, shape in theirs.items() if not n.endswith(BUFFERS))


def networks_of_peer(folder, *words):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=0, world_size=1)
    try:
        return peer_ddp.make_peer(peer_ddp.arguments(words), torch.device("cpu")).networks
    finally:
        torch.distributed.destroy_process_group()
