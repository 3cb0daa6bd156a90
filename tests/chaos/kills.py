"""Kills ranks while a checkpoint is being written: is every committed checkpoint kept, and does the run end with the bits of an undisturbed one?

    tests/chaos/kills.py --count 200        # about ten minutes; a line of Markdown on standard output
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from hang_trials import KILLED, LOST, make_data  # noqa: E402
from program import Program, bits, checkpoint, checkpoints, step_of, steps_reported  # noqa: E402

# Large enough that writing takes some milliseconds, and often enough that each launch has several.
SETTINGS = ("train.reproducible=true", "checkpoint.every=3", "checkpoint.every_seconds=0", "checkpoint.keep=2", "model.width=16")


def is_being_written(folder):
    return any(path.name.startswith(".") or not (path / "COMMIT").exists() for path in folder.iterdir()) if folder.exists() else False


def kill_during_save(program, call, victim, delay, chance):
    """Kills a rank `delay` seconds after the start of a save; the committed checkpoints just before."""
    # What an earlier kill left is removed before the first step of this launch.
    launched = time.time()

    def has_stepped():
        file = program.newest() / "stats.jsonl" if program.runs() else None
        return file and file.exists() and file.stat().st_mtime > launched

    call.until(has_stepped)
    folder = None
    skipped = chance.randrange(3)  # saves of this launch to let pass
    while call.process.poll() is None:
        if folder is None:
            runs = program.runs()
            folder = runs[-1] / "checkpoints" if runs else None
        elif is_being_written(folder):
            if skipped:
                skipped -= 1
                while is_being_written(folder) and call.process.poll() is None:
                    pass
                continue
            time.sleep(delay)
            before = [step_of(path) for path in checkpoints(folder.parent)]
            os.kill(call.rank(victim), signal.SIGKILL)
            return before
    raise AssertionError("the job ended before it was killed: " + call.files[1].read_text()[-500:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    place = pathlib.Path(tempfile.mkdtemp(prefix="valley-kills-"))
    program = Program(place, make_data(place)["config"])
    lost, inside, seconds = [], 0, []
    for i in range(options.count):
        victim, delay = chance.randrange(2), chance.uniform(0, 0.03)
        launched = time.monotonic()
        with program.start_training(2, "train.steps=1000000", *SETTINGS, "--resume", "auto") as call:
            before = kill_during_save(program, call, victim, delay, chance)
            inside += is_being_written(program.newest() / "checkpoints")
            code = call.wait(60).code
        after = [step_of(path) for path in checkpoints(program.newest())]
        # An older one may have been removed by rule after a newer one was committed.
        if code not in (LOST, KILLED) or (before and (not after or after[-1] < before[-1])):
            lost.append({"trial": i, "code": code, "before": before, "after": after})
        seconds.append(time.monotonic() - launched)
        print(json.dumps({"trial": i, "victim": victim, "before": before, "after": after}), file=sys.stderr, flush=True)
    steps = step_of(checkpoint(program.newest())) + 5
    program.train(2, f"train.steps={steps}", *SETTINGS, "--resume", "auto")
    run = program.newest()
    equal = bits(checkpoint(run))["model.safetensors"] == program.undisturbed_bits(steps, *SETTINGS)
    complete = len(program.runs()) == 1 and steps_reported(run)[-1] == steps
    print(f"| SIGKILL while a checkpoint is written | {options.count - len(lost)} of {options.count} resumed with all committed checkpoints, {inside} "
          f"of them between two states of the folder; {steps} steps, bits of an undisturbed run: {'equal' if equal else 'NOT EQUAL'} |")
    for entry in lost:
        print(json.dumps(entry))
    shutil.rmtree(place)
    sys.exit(not (equal and complete and not lost))


if __name__ == "__main__":
    main()
