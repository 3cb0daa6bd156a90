"""Training of an energy by chains: independent of the number of ranks and of interruptions, with the replay buffer in
checkpoints, and samples afterwards."""

import json

import numpy
import pytest
from PIL import Image
from program import CONFIG, DATA, DIVERGED, USAGE, bits, checkpoint, reports
from safetensors.numpy import load_file, save_file

STEPS = 4
EBM = ("objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=4", "objective.replay_size=48",
       "objective.replay_restart=0.25", "train.reproducible=true", "train.ema_half_life=32")
SIDE = 32


@pytest.fixture(scope="module")
def straight(shared_program):
    return shared_program.trained(None, *EBM, f"train.steps={STEPS}", "checkpoint.every=2")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_chains_on_two_ranks_equal_one_rank_bitwise(shared_program, straight, ranks):
    run = shared_program.trained(ranks, *EBM, f"train.steps={STEPS}")
    assert bits(checkpoint(run, STEPS)) == bits(checkpoint(straight, STEPS))


def test_resume_on_more_ranks_is_bitwise_equal(program, straight):
    program.train(2, *EBM, f"train.steps={STEPS}", "--resume", checkpoint(straight, 2))
    assert bits(checkpoint(program.newest(), STEPS)) == bits(checkpoint(straight, STEPS))


def test_checkpoint_contains_replay_buffer(straight):
    state = load_file(checkpoint(straight, STEPS) / "state.safetensors")
    assert state["objective.replay"].shape == (4, 12, SIDE, SIDE, 3)
    assert state["objective.replay"].dtype == numpy.uint8
    assert state["objective.replay"].std() > 10
    assert state["objective.replay_taken"] == 4 * STEPS


def test_report_has_energies_and_chains(straight):
    first, last = reports(straight)[0], reports(straight)[-1]
    assert first["chain/restarted"] == 1 and 0 < last["chain/restarted"] < 1
    for name in ("loss/energy", "energy/real", "energy/fake/q50", "chain/gradient_norm", "grad_norm/energy"):
        assert name in last
    assert last["energy/gap"] == pytest.approx(last["energy/fake"] - last["energy/real"], abs=1e-6)


def test_dry_run_reports_chain_steps_and_replay_buffer(program):
    plan = program.train(None, *EBM, "objective.replay_size=4800", "--dry-run").stdout
    assert "4 Langevin steps" in plan
    assert "replay buffer per rank: 14.1 MiB, in checkpoints 14.1 MiB" in plan


def test_loss_beyond_its_bound_ends_training(program):
    ended = program.train(None, *EBM, "objective.energy_decay=1e13", expect=DIVERGED)
    assert "the loss is beyond 1e8, in step 1" in ended.error


def test_replay_buffer_larger_than_memory_is_rejected(program):
    refused = program.train(None, *EBM, "objective.replay_size=15", expect=CONFIG)
    assert "objective.replay_size = 16" in refused.error


def picture(program, run, *arguments):
    file = program.folder / "picture.png"
    answer = program.call("sample", run, *arguments, "--json", "-o", file)
    with Image.open(file) as image:
        return numpy.asarray(image), json.loads(answer.stdout), answer.stderr


def test_samples_depend_on_seeds_only(program, straight):
    three, answer, said = picture(program, straight, "--seeds", "5,7,8", "--steps", "3", "--grid", "3x1")
    assert answer["averaged"] and "3 chains of 3 steps" in said
    one, *_ = picture(program, straight, "--seeds", "8", "--steps", "3")
    tiles = [three[2:2 + SIDE, 2 + i * (SIDE + 2):2 + i * (SIDE + 2) + SIDE].astype(int) for i in range(3)]
    assert abs(one[2:-2, 2:-2].astype(int) - tiles[2]).max() <= 1  # convs of other batches may round differently
    assert abs(tiles[0] - tiles[1]).mean() > 10
    longer, _, said = picture(program, straight, "--seeds", "8")
    assert "1 chains of 16 steps" in said  # 4 steps, a quarter of the chains begun again
    assert not numpy.array_equal(longer, one)


def test_generator_options_are_rejected_for_energies(program, straight):
    for option in (("--interpolate", "3"), ("--save-latents", program.folder / "z.safetensors")):
        refused = program.call("sample", straight, "--seeds", "0-1", *option, "-o", program.folder / "a.png", expect=USAGE)
        assert "chains" in refused.error


def test_steps_option_is_rejected_for_generators(program):
    run = program.trained(None, "train.steps=1")
    refused = program.call("sample", run, "--steps", "3", "-o", program.folder / "a.png", expect=USAGE)
    assert "--steps is the length of chains" in refused.error


def test_model_without_chain_metadata_is_rejected(program, straight):
    file = checkpoint(straight, STEPS) / "model.safetensors"
    raw = file.read_bytes()
    header = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    metadata = {k: v for k, v in header["__metadata__"].items() if k != "objective.langevin_noise"}
    lone = program.folder / "lone.safetensors"
    save_file(load_file(file), lone, metadata=metadata)
    refused = program.call("sample", lone, "-o", program.folder / "a.png", expect=DATA)
    assert "objective.langevin_noise" in refused.error


def test_evaluate_samples_energies_by_chains(program, straight, faces):
    command = ("evaluate", straight, "--data", faces, "--count", "32", "--steps", "2", "--json")
    answers = [program.call(*command, ranks=ranks).stdout for ranks in (None, 2)]
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["metrics"]
