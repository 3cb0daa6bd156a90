"""Training steps: BEGAN on faces against recorded CPU statistics, all models in all precisions, reproducible mode."""

import datetime
import json
import math

import place
from data import make_shards
from runs import checkpoint, digest, largest_difference, relative_difference, reports, run_folder
from step import Failed, Skipped, Step

RECORDED_STEPS = 20
# With the learning rate of faces-began.toml rounding differences grow 1e6 times in 20 steps; with this one they do not grow.
RECORDED = ["optimizer.lr=1e-4", "model.width=8", "train.microbatch=4", "train.precision=fp32", "train.reproducible=true",
              "train.report_every=1", "samples.grid=2x2"]
COMPARED = ("loss/D", "loss/G", "energy/real", "energy/fake", "k", "M", "grad_norm/D", "grad_norm/G")
FIRST_TOLERANCE, LAST_TOLERANCE = 1e-4, 1e-2
PRECISION_TOLERANCE = 0.1  # tf32 and bf16 against fp32 at step 1; a value below 1 counts as 1
SWITCH_TOLERANCE = 0.05  # after 12 steps

PRECISIONS = ("fp32", "tf32", "bf16")
STEPS = 12
# Config and keys per model; train.epochs would limit the steps of MAGAN.
MODELS = {
    "began": ("emoji32-began.toml", []),
    "began-shared": ("emoji32-began.toml", ["train.schedule=shared"]),
    "ebgan-pt": ("emoji32-ebgan-pt.toml", ["train.microbatch={half}"]),  # pulling-away term and batch norm
    "magan": ("emoji32-magan.toml", ["objective.pretrain_epochs=1"]),  # pretraining, margin and adversarial steps in 12 steps
    "ebm": ("emoji32-ebm.toml", ["objective.langevin_steps=8", "objective.replay_size=64", "train.microbatch={half}"]),
    "dbn": ("dbn-mnist.toml", ["model.resolution=32", "model.labels=4", "model.layers=[64,64]", "objective.pretrain_epochs=1",
                               "objective.lr_decay_epochs=0", "train.microbatch={half}"]),  # PCD and label units
}
GRAPH = ["performance.cuda_graph=true", "performance.device_cache=on"]
NOT_RECORDED = ("dbn",)  # its steps depend on what the host counts: Valley rejects cuda_graph
CONFIG_ERROR = 64  # docs/exit-codes.md


def batch_of(machine):
    """Small on fake devices, whose kernels run thread by thread; on GPUs so that four steps are an epoch of 128 images."""
    return 8 if machine.quick else 32


def train_words(work, model, *keys, steps=STEPS):
    """Arguments of `valley train` for one of MODELS, without --out."""
    config, own = MODELS[model]
    batch = batch_of(work.machine)
    data = make_shards(work, 4 * batch, "gray" if model == "dbn" else "rgb")
    width = [] if model == "dbn" else [f"model.width={8 if work.machine.quick else 32}"]
    own = [key.format(half=batch // 2) for key in own]
    settings = ["performance.cuda_graph=off", "performance.device_cache=off", f"data.path={data}", f"train.steps={steps}",
                "train.epochs=auto", f"train.global_batch={batch}", "train.report_every=4",
                "checkpoint.every=6", "samples.every=6", "samples.grid=2x2", *width, *own, *keys]
    # The last value of each key.
    return ["train", place.find_config(config), *dict((setting.split("=")[0], setting) for setting in settings).values()]


def train(work, words, name="runs", ranks=None, device="cuda", **options):
    """The folder of the run of a training that ended well."""
    out = work.folder / name
    work.valley(*words, f"train.device={device}", "--out", out, ranks=ranks, on_gpu=device == "cuda", **options)
    return run_folder(out)


def recorded_statistics(work, device, steps, ranks=None):
    words = ["train", place.find_config("faces-began.toml"), f"data.path={make_shards(work, 128)}", f"train.steps={steps}", *RECORDED]
    run = train(work, words, ranks=ranks, device=device)
    lines = [{name: line[name] for name in ("step", *COMPARED)} for line in reports(run)]
    return lines, json.loads((run / "run.json").read_text())[-1]["data_fingerprint"]


def record_statistics(work):
    """Writes began_cpu.json: statistics of one rank on the CPU in fp32."""
    lines, fingerprint = recorded_statistics(work, "cpu", RECORDED_STEPS)
    content = {"keys": RECORDED, "data_fingerprint": fingerprint, "recorded": datetime.date.today().isoformat()}
    text = json.dumps(content, indent=1)[:-2] + ',\n "steps": [\n  ' + ",\n  ".join(json.dumps(line) for line in lines) + "\n ]\n}\n"
    place.RECORD.write_text(text)
    return f"{len(lines)} steps, written to {place.RECORD}"


def tolerance(step):
    """From 1e-4 at step 1 to 1e-2 at step 20, by equal factors."""
    return FIRST_TOLERANCE * (LAST_TOLERANCE / FIRST_TOLERANCE) ** ((step - 1) / (RECORDED_STEPS - 1))


def check_recorded(work, ranks=None):
    if not place.RECORD.exists():
        raise Skipped(f"no {place.RECORD.name}; write it with --record")
    recorded = json.loads(place.RECORD.read_text())
    if recorded["keys"] != RECORDED:
        raise Failed("began_cpu.json was recorded with other keys; write it again with --record")
    steps = 6 if work.machine.quick else RECORDED_STEPS
    lines, fingerprint = recorded_statistics(work, "cuda", steps, ranks)
    if fingerprint != recorded["data_fingerprint"]:
        raise Failed("the data set differs from the recorded one: the images or `valley shard build` changed")
    if [line["step"] for line in lines] != list(range(1, steps + 1)):
        raise Failed(f"{len(lines)} of {steps} steps were reported")
    worst = (0.0, "", 0)
    for line, expected in zip(lines, recorded["steps"]):
        for name in COMPARED:
            difference = relative_difference(line[name], expected[name], 1e-6)
            if difference > tolerance(line["step"]):
                raise Failed(f"{name} of step {line['step']} is {line[name]:.8g}, on the CPU {expected[name]:.8g}: relative "
                             f"difference {difference:.1e}, allowed {tolerance(line['step']):.1e}")
            worst = max(worst, (difference, name, line["step"]))
    return f"{steps} steps, largest relative difference {worst[0]:.1e} ({worst[1]} of step {worst[2]})"


def statistics_of(line, *kinds):
    return {name: value for name, value in line.items() if name.split("/")[0] in kinds}


def check_training(work, model, precision, *keys, ranks=None):
    run = train(work, train_words(work, model, f"train.precision={precision}", *keys), ranks=ranks)
    lines = reports(run)
    if lines[-1]["step"] != STEPS:
        raise Failed(f"the last report is of step {lines[-1]['step']}, not {STEPS}")
    bad = [f"{name} of step {line['step']}" for line in lines for name, value in line.items()
           if isinstance(value, float) and not math.isfinite(value)]
    if bad:
        raise Failed(f"not finite: {', '.join(bad[:3])}")
    for step in (6, STEPS):
        checkpoint(run, step)
    if not (run / f"fakes-{STEPS:08}.png").exists():
        raise Failed("no grid of samples of the last step")
    work.valley("report", run, "-o", work.folder / "report.html", on_gpu=False)
    return lines


def describe_training(lines):
    last = lines[-1]
    loss = next(f"{name} {last[name]:.4g}" for name in ("loss/D", "loss/energy", "reconstruction_error") if name in last)
    return f"{loss}, {last['peak_memory_mb']} MB"


def check_rejected(work, model, precision):
    """RBMs compute in fp32 only."""
    words = train_words(work, model, f"train.precision={precision}")
    result = work.valley(*words, "train.device=cuda", "--out", work.folder / "runs", expect=CONFIG_ERROR)
    if "train.precision" not in result.last_line():
        raise Failed(f"the message does not name train.precision: {result.last_line()}")
    return f"rejected with exit code {CONFIG_ERROR}, the message names train.precision"


def check_model(work, model, precision):
    """The first report is that of fp32, up to the rounding of the precision, where this run of the script has fp32."""
    lines = check_training(work, model, precision)
    first = statistics_of(lines[0], "loss", "energy")
    plain = work.machine.shared.setdefault("first reports", {}).setdefault(model, first if precision == "fp32" else {})
    if precision == "fp32" or not plain:
        return describe_training(lines)
    name, worst = largest_difference(first, plain, 1.0)
    if worst > PRECISION_TOLERANCE:
        raise Failed(f"{name} of step 1 is {first[name]:.6g}, {plain[name]:.6g} in fp32")
    return f"step 1 differs from fp32 by {worst:.1e} ({name}); {describe_training(lines)}"


def check_model_with(work, model, *keys, ranks=None, expected=()):
    """The same training with other ways of computing: the last losses are those of the plain one up to rounding."""
    lines = check_training(work, model, "fp32", *keys, ranks=ranks)
    plain = train(work, train_words(work, model, *expected), "plain")
    ours, theirs = (statistics_of(line, "loss", "energy", "grad_norm") for line in (lines[-1], reports(plain)[-1]))
    name, worst = largest_difference(ours, theirs, 1e-3)
    if worst > SWITCH_TOLERANCE:
        raise Failed(f"{name} of step {STEPS} is {ours[name]:.6g}, {theirs[name]:.6g} on one rank without {' '.join(keys)}")
    return f"step {STEPS} differs from one rank without them by {worst:.1e} ({name}); {describe_training(lines)}"


def check_reproducible(work, model, precision, *keys, ranks=None):
    """SHA-256 of all tensors after 12 steps, against one rank without keys."""
    options = [f"train.precision={precision}", "train.reproducible=true", f"train.microbatch={batch_of(work.machine) // max(4, work.machine.ranks)}"]
    shared = work.machine.shared.setdefault("digests", {})
    if (model, precision) not in shared:
        shared[model, precision] = digest(checkpoint(train(work, train_words(work, model, *options), "reference"), STEPS))
    found = digest(checkpoint(train(work, train_words(work, model, *options, *keys), ranks=ranks), STEPS))
    if found != shared[model, precision]:
        raise Failed(f"SHA-256 {found[:16]} instead of {shared[model, precision][:16]} of one rank without these keys")
    return f"SHA-256 {found[:16]} of all tensors, as on one rank without these keys"


def steps(machine):
    ranks = machine.ranks
    yield Step("recorded", "recorded", 60, "20 steps in fp32 against the statistics of a CPU: 1e-4 at step 1, 1e-2 at step 20",
               check_recorded)
    few = min(4, ranks)  # the microbatches of the recorded training
    yield Step(f"recorded-{few}-ranks", "recorded", 60, f"the same on {few} ranks",
               lambda work: check_recorded(work, few), quick=False)
    for model in MODELS:
        for precision in PRECISIONS:
            if (model, precision) == ("dbn", "bf16"):
                yield Step("train-dbn-bf16", "train", 60, "bf16 of a DBN is rejected: exit code 64, a message that names train.precision",
                           lambda work: check_rejected(work, "dbn", "bf16"))
                continue
            yield Step(f"train-{model}-{precision}", "train", 60, f"12 steps of {model} in {precision}: finite losses, reports, "
                       "checkpoints, samples, an HTML report", lambda work, m=model, p=precision: check_model(work, m, p),
                       quick=precision == "fp32" or model == "began")
    for model in MODELS:
        keys = GRAPH[1:] if model in NOT_RECORDED else GRAPH
        yield Step(f"train-{model}-" + ("graph" if len(keys) == 2 else "cache"), "train", 90,
                   f"12 steps of {model} with {' and '.join(keys)}: the losses without",
                   lambda work, m=model, k=tuple(keys): check_model_with(work, m, *k), quick=model == "magan")
    for model in ("began", "magan"):
        yield Step(f"train-{model}-{ranks}-ranks", "train", 90, f"12 steps of {model} on {ranks} ranks with overlapped reductions: the "
                   "losses of one rank", lambda work, m=model: check_model_with(
                       work, m, f"train.microbatch={batch_of(machine) // ranks}", "performance.overlap=on", ranks=ranks,
                       expected=[f"train.microbatch={batch_of(machine) // ranks}"]), quick=model == "began")
    rows = [("graph", GRAPH[:1], None), ("cache", GRAPH[1:], None), ("graph-cache", GRAPH, None),
            (f"{ranks}-ranks", [], ranks), (f"{ranks}-ranks-graph-cache", GRAPH, ranks)]
    for precision in ("fp32", "bf16"):
        for name, keys, count in rows:
            yield Step(f"reproducible-{precision}-{name}", "reproducible", 90,
                       f"BEGAN in {precision}: SHA-256 of all tensors, {name} against one rank without graph and cache",
                       lambda work, p=precision, k=tuple(keys), c=count: check_reproducible(work, "began", p, *k, ranks=c),
                       quick=precision == "fp32")
