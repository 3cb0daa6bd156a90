"""Inference on the GPU against the CPU, with models that the CPU trained."""

import json

from data import make_shards
from runs import largest_difference, numbers, relative_difference, tensors
from step import Failed, Skipped, Step
from training import batch_of, train, train_words

ENERGY_TOLERANCE = 1e-4
MEASURE_TOLERANCE = 1e-3
PIXEL_TOLERANCE = 1  # of 255: images are rounded to bytes


def trained(work, model):
    """A run of 12 steps on the CPU, made once."""
    runs = work.machine.shared.setdefault("cpu runs", {})
    if model not in runs:
        runs[model] = train(work, train_words(work, model, "train.reproducible=true"), "model", device="cpu")
    return runs[model]


def data_of(work, model):
    return make_shards(work, 4 * batch_of(work.machine), "gray" if model == "dbn" else "rgb")


def require_device_option(work, command):
    if not work.has_option(command, "--device"):
        raise Skipped(f"valley {command} has no --device")


def on_both(work, words):
    """Output of a command on the CPU and on the GPU. `{device}` in a word becomes cpu or cuda."""
    return [work.valley(*(str(word).format(device=device) for word in words), "--device", device, on_gpu=device == "cuda").stdout
            for device in ("cpu", "cuda")]


def check_energy(work, model):
    on_both(work, ["energy", trained(work, model), "--data", data_of(work, model), "-o", work.folder / "{device}.jsonl"])
    cpu, cuda = ([json.loads(line)["energy"] for line in (work.folder / f"{device}.jsonl").read_text().splitlines()]
                 for device in ("cpu", "cuda"))
    if len(cpu) != len(cuda) or not cpu:
        raise Failed(f"{len(cuda)} energies on the GPU, {len(cpu)} on the CPU")
    # A difference of energies is what counts: an energy near 0 may be off by as much as the others.
    scale = max(map(abs, cpu))
    worst = max(relative_difference(a, b, scale) for a, b in zip(cuda, cpu))
    if worst > ENERGY_TOLERANCE:
        raise Failed(f"energies differ by {worst:.1e}, allowed {ENERGY_TOLERANCE:.0e}")
    return f"{len(cpu)} energies, largest relative difference {worst:.1e}"


def check_measures(work, command, model):
    require_device_option(work, command)
    words = [command, trained(work, model), "--data", data_of(work, model), "--json"]
    cpu, cuda = (numbers(json.loads(text)) for text in on_both(work, words))
    name, worst = largest_difference(cuda, cpu, 1e-3)
    if worst > MEASURE_TOLERANCE:
        raise Failed(f"{name} is {cuda[name]:.6g} on the GPU, {cpu[name]:.6g} on the CPU (relative difference {worst:.1e})")
    return f"{len(cpu)} values, largest relative difference {worst:.1e}"


def compare_bytes(work, names):
    """Of safetensors files cpu.safetensors and cuda.safetensors: the largest difference of two bytes."""
    cpu, cuda = (tensors(work.folder / f"{device}.safetensors") for device in ("cpu", "cuda"))
    worst = 0
    for name in names:
        if cpu[name][:2] != cuda[name][:2] or cpu[name][0] != "U8":
            raise Failed(f"{name} is {cuda[name][:2]} on the GPU, {cpu[name][:2]} on the CPU")
        worst = max(worst, max(abs(a - b) for a, b in zip(cpu[name][2], cuda[name][2])))
    if worst > PIXEL_TOLERANCE:
        raise Failed(f"pixels differ by {worst} of 255, allowed {PIXEL_TOLERANCE}")
    return f"largest difference of pixels {worst} of 255"


def check_sample(work):
    require_device_option(work, "sample")
    on_both(work, ["sample", trained(work, "began"), "--seeds", "0-15", "-o", work.folder / "{device}.png", "--save-latents",
                   work.folder / "{device}.safetensors"])
    return compare_bytes(work, ["pixels"])


def check_restore(work):
    require_device_option(work, "restore")
    on_both(work, ["restore", trained(work, "began"), "--data", data_of(work, "began"), "--index", "0-3", "--box", "8x8", "--steps", "5",
                   "-o", work.folder / "{device}.png", "--save", work.folder / "{device}.safetensors"])
    return compare_bytes(work, ["truth", "restored"])


def steps(machine):
    for model in ("began", "ebm", "dbn"):
        yield Step(f"inference-energy-{model}", "inference", 60, f"valley energy of {model}, cuda against cpu: 1e-4",
                   lambda work, m=model: check_energy(work, m))
    yield Step("inference-evaluate", "inference", 60, "valley evaluate of BEGAN, cuda against cpu: 1e-3",
               lambda work: check_measures(work, "evaluate", "began"))
    yield Step("inference-classify", "inference", 60, "valley classify of the DBN, cuda against cpu: 1e-3",
               lambda work: check_measures(work, "classify", "dbn"))
    yield Step("inference-sample", "inference", 60, "valley sample of BEGAN, cuda against cpu: 1 of 255 per pixel", check_sample)
    yield Step("inference-restore", "inference", 60, "valley restore with BEGAN, cuda against cpu: 1 of 255 per pixel", check_restore)
