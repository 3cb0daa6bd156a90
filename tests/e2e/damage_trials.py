"""Real runs and data sets, and the program on copies of them in which one file is damaged. Used by test_damaged_files.py and by
tests/chaos/bitflips.py."""

import csv
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess

from conftest import CONFIG
from PIL import Image
from program import BUILD, DATA, FACES, MISSING, VALLEY, Program, bits, checkpoint, checkpoints, measured, stats
from program import CONFIG as BAD_CONFIG

DRIVER = BUILD / "tests" / "chaos" / "damaged_files"
REJECTED = (BAD_CONFIG, DATA, MISSING)
MAX_SECONDS, MAX_BYTES = 2, 512 << 20
TRAINED = ("train.reproducible=true", "train.report_every=10", "checkpoint.every=20", "checkpoint.keep=2", "samples.every=40")
# Collapses and is rescued, as in test_rescue.py.
RESCUED = ("optimizer.lr=0.05", "train.ema_half_life=16", "samples.every=2", "samples.grid=4x4", "checkpoint.every=4", "checkpoint.keep=2",
           "train.reproducible=true", "train.rescue_lr_factor=0.1", "train.steps=20", "train.on_divergence=rescue")


def build(dest, *options):
    subprocess.run([VALLEY, "shard", "build", "--dest", dest, "--jobs", "1", *map(str, options)], check=True, timeout=300, capture_output=True)


def make_pictures(folder):
    """Photos of two classes, some as JPEG, and a table of two values each."""
    chance = random.Random(5)
    with open(folder / "values.csv", "w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["path", "smile", "glasses"])
        for i in range(40):
            name = f"{('cat', 'dog')[i % 2]}/{i:03}.{'jpg' if i % 3 else 'png'}"
            (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            image = Image.frombytes("RGB", (5, 5), chance.randbytes(75)).resize((36, 32), Image.Resampling.BICUBIC)
            image.save(folder / "photos" / name)
            rows.writerow([name, chance.choice([-1, 1]), chance.random()])


def hang(program, steps):
    """Trains on two ranks until one is stopped: a run with flight records, exit.json and several checkpoints."""
    with program.start_training(2, *TRAINED, "train.steps=1000000", "train.hang_timeout=2") as call:
        # Between two checkpoints.
        call.until(lambda: program.runs() and any(line.get("step", 0) >= steps for line in stats(program.newest()))
                   and len(checkpoints(program.newest())) == 2)
        os.kill(call.rank(1), signal.SIGSTOP)
        call.wait()


def make_files(folder):
    """FOLDER/data with raw, JPEG and kept images, labels and label vectors; FOLDER/runs with a run that hung and a rescued one."""
    folder = pathlib.Path(folder)
    data = folder / "data"
    data.mkdir()
    # U+E000 has no glyph, so that rejects.jsonl has a line.
    emoji = ("--source", "NotoColorEmoji.ttf", "--codepoints", f"{FACES},E000", "--resolution", 32)
    build(data / "raw", *emoji, "--shard-images", 32)
    build(data / "jpeg", *emoji, "--storage", "jpeg:90")
    make_pictures(folder)
    build(data / "keep", "--source", folder / "photos", "--storage", "keep", "--resolution", 32, "--label-vectors", f"csv:{folder / 'values.csv'}")
    config = folder / "tiny.toml"
    config.write_text(CONFIG.format(data=data / "raw"))
    program = Program(folder, config)
    hang(program, 50)
    program.train(None, *RESCUED)
    return program


def run_driver(folder, count, seed, *, truncate=False, driver=DRIVER, log=None, timeout=None):
    """(summaries by kind of file, failures) of the readers in one process."""
    words = [driver, folder, str(count), str(seed), *(["truncate"] if truncate else [])]
    log = log or pathlib.Path(folder) / "driver.log"
    with open(log, "w") as stderr:
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace", timeout=timeout, check=False,
                                env=os.environ | {"OMP_NUM_THREADS": "1"})
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    kinds, failures = ([line for line in lines if key in line] for key in ("kind", "failure"))
    if result.returncode not in (0, 1) or (result.returncode == 1) != bool(failures):
        failures.append({"failure": f"the driver ended with {result.returncode}", "text": log.read_text(errors="replace")[-3000:]})
    return kinds, failures


def damaged(file, chance):
    """Flips bits, zeroes a sector or changes some bytes of a file; what was done."""
    content = bytearray(file.read_bytes())
    before = bytes(content)
    while bytes(content) == before:
        ends = [chance.randrange(min(4096, len(content))), len(content) - 1 - chance.randrange(min(4096, len(content)))]
        at = chance.choice([*ends, chance.randrange(len(content)), chance.randrange(len(content))])
        kind = chance.choice(["bit", "bit", "bit", "bits", "burst", "sector"])
        if kind == "sector":
            at -= at % 512
            content[at:at + 512] = bytes(len(content[at:at + 512]))
        elif kind == "burst":
            for i in range(at, min(at + 16, len(content))):
                content[i] ^= chance.randrange(256)
        else:
            for _ in range(1 if kind == "bit" else chance.randrange(2, 9)):
                i = min(at + chance.randrange(16), len(content) - 1)
                content[i] ^= 1 << chance.randrange(8)
    file.write_bytes(content)
    return f"{kind} at byte {at}"


class Commands:
    """The commands that read a file, on a fresh copy of all files per trial; what they give without damage."""

    def __init__(self, place, files):
        self.place, self.files = place, files
        self.undamaged = {}

    def of(self, relative):
        """Names of the commands that read a file of `files`."""
        if relative.parts[0] == "data":
            return ["verify", "verify-deep", "info", "train", "energy"] if relative.parts[1] == "raw" else ["verify", "verify-deep", "info"]
        if "flight" in relative.parts:
            return ["flight"]
        if "checkpoints" in relative.parts:
            return ["resume", "sample", "sample-file", "energy", "evaluate"]
        if relative.suffix == ".png":
            return ["report"]
        return ["resume", "report", "runs"]

    def words(self, name, run):
        data, out = self.place / "files" / "data", self.place / "out"
        model = checkpoint(run) / "model.safetensors"
        return {
            "verify": ["shard", "verify", data / self.dataset], "verify-deep": ["shard", "verify", "--deep", data / self.dataset],
            "info": ["shard", "info", data / self.dataset], "flight": ["doctor", "--flight", run], "runs": ["runs", run.parent],
            "train": ["train", self.place / "files" / "tiny.toml", f"data.path={data / self.dataset}", "train.steps=8",
                      "train.reproducible=true", "--out", out / "runs"],
            "resume": ["train", "--resume", run, f"train.steps={self.steps}", "train.on_divergence=stop"],
            "sample": ["sample", run, "--seeds", "0-3", "-o", out / "o.png"], "sample-file": ["sample", model, "--seeds", "0-3", "-o", out / "o.png"],
            "energy": ["energy", run, "--data", data / "raw", "-o", out / "o.csv"],
            "evaluate": ["evaluate", run, "--data", data / "raw", "--count", "32", "--json"], "report": ["report", run, "-o", out / "o.html"]}[name]

    def refresh(self):
        for folder in ("files", "out"):
            shutil.rmtree(self.place / folder, ignore_errors=True)
        shutil.copytree(self.files, self.place / "files", symlinks=True)
        (self.place / "out").mkdir()

    def outcome(self, name, run):
        """(cost, what the command made): the bits of checkpoints, its output files, its standard output."""
        cost = measured([VALLEY, *map(str, self.words(name, run))], self.place)
        made = {}
        if cost.code == 0:
            out = self.place / "out"
            trained = run if name == "resume" else Program(out, None).newest() if name == "train" else None
            made = bits(checkpoint(trained)) if trained else {file.name: file.read_bytes() for file in out.iterdir()} or {"": stable(cost.stdout)}
        return cost, made

    def trial(self, relative, chance):
        """Damages one file and runs a command: (command, damage, verdict, text, cost)."""
        name = chance.choice(self.of(relative))
        self.refresh()
        file = self.place / "files" / relative
        self.dataset = relative.parts[1] if relative.parts[0] == "data" else "raw"
        run = self.place / "files" / "runs" / (relative.parts[1] if relative.parts[0] == "runs" else sorted(os.listdir(self.files / "runs"))[0])
        # Two steps more than the newest checkpoint has.
        self.steps = int(checkpoints(run)[-1].name.removeprefix("step-")) + 2
        key = (name, run.name, self.dataset)
        if key not in self.undamaged:
            self.undamaged[key] = self.outcome(name, run)
            assert self.undamaged[key][0].code == 0, self.undamaged[key][0].stderr
            self.refresh()
        damage = damaged(file, chance)
        cost, made = self.outcome(name, run)
        return name, damage, *judge(name, cost, made, *self.undamaged[key], relative), cost


def stable(text):
    """Standard output without times."""
    return re.sub(r"[\d.]+ (s|ms|[GM]B/s)\b|\"seconds\": [\d.]+", "", text)


PLAIN_TEXT = re.compile(r"/(run\.json|exit\.json|stats\.jsonl|time\.jsonl|log\.txt|rank-\d+\.json)$")


def is_told(name, cost, made, normal, file):
    """True if an error, a warning, a problem of verify or a notice in a report names the damaged file."""
    if name == "report" and "o.html" in made:
        return bool(re.search(rf"{re.escape(file)}[^<\"]{{0,60}}(damaged|not a PNG)", made["o.html"].decode(errors="replace")))
    lines = cost.stderr.splitlines() + (cost.stdout.splitlines() if name.startswith("verify") else [])
    return any(file in line for line in lines if line not in normal.stderr.splitlines())


def judge(name, cost, made, normal, expected, relative):
    """(verdict, text) of a command after damage."""
    tail = cost.stderr[-600:]
    errors = [line for line in cost.stderr.splitlines() if line.startswith("error: ")]
    told = is_told(name, cost, made, normal, relative.name)
    if cost.seconds > normal.seconds + MAX_SECONDS:
        return "failed", f"{cost.seconds:.2f} s instead of {normal.seconds:.2f} s"
    if cost.memory > MAX_BYTES:
        return "failed", f"{cost.memory >> 20} MiB"
    if cost.code in REJECTED:
        return ("rejected", tail) if len(errors) <= 1 and told else ("failed", "unclear: " + tail)
    if cost.code != 0:
        return "failed", f"exit code {cost.code}: {tail}"
    if told:
        return "rejected", tail
    if made == expected:
        return ("silent", "not found") if name.startswith("verify") else ("harmless", "")
    return ("shown", "") if PLAIN_TEXT.search(str(relative)) else ("silent", f"another result: {tail}")
