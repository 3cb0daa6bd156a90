"""Validates Valley on the GPUs of this machine: tests/gpu.sh is the command, docs/gpu.md describes the steps."""

import argparse
import datetime
import pathlib
import shutil
import signal
import sys
import time

import failures
import inference
import machine as machine_steps
import table
import timing
import training
from place import Missing
from process import OverLimit
from step import Failed, Machine, Skipped, Step, Work

USAGE, TOTAL_LIMIT = 2, 570
PARTS = (machine_steps, training, failures, inference, timing)


def arguments():
    parser = argparse.ArgumentParser(prog="tests/gpu.sh", description="Validates Valley on the GPUs of this machine.")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(f"gpu-{datetime.datetime.now():%Y%m%d-%H%M%S}"))
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--time-limit-scale", type=float, default=1.0)
    parser.add_argument("--total-limit", type=float)
    return parser.parse_args()


def all_steps(machine):
    return [step for part in PARTS for step in part.steps(machine)]


def chosen(steps, options):
    """The steps of --only and --quick. A step named by --only runs in quick mode too."""
    words = [word for word in options.only.split(",") if word]
    return [step for step in steps
            if (step.name in words) or ((not words or step.group in words) and (step.quick or not options.quick))]


def check_words(options):
    """Knows the steps of up to 16 GPUs, as the GPUs of this machine are not counted yet."""
    machine, known = Machine(options.out, options.quick, 1), {"doctor"}
    for machine.gpus in range(17):
        known |= {name for step in all_steps(machine) for name in (step.name, step.group)}
    unknown = [word for word in options.only.split(",") if word and word not in known]
    if unknown:
        print(f"error: unknown step {', '.join(unknown)}; see tests/gpu.sh --list", file=sys.stderr)
        sys.exit(USAGE)


def run_step(machine, step):
    began = time.monotonic()
    work = Work(machine, step)
    try:
        status, detail = "pass", step.run(work)
    except Failed as failure:
        status, detail = "fail", str(failure)
    except (Skipped, Missing) as reason:
        status, detail = "skip", f"skipped: {reason}"
    except OverLimit:
        status, detail = "timeout", f"stopped after {work.limit:.0f} s"
    except (OSError, ValueError, KeyError, IndexError) as error:  # an output that is not what the step expects
        status, detail = "fail", f"{type(error).__name__}: {error}"
    machine.shared[step.name] = status
    with open(work.log, "a") as log:
        log.write(f"{status}: {detail}\n")
    return {"name": step.name, "group": step.group, "status": status, "seconds": round(time.monotonic() - began, 2),
            "limit": work.limit, "detail": " ".join(detail.split()), "commands": work.commands}


class Validation:
    """Runs steps one after the other and keeps the report."""

    def __init__(self, options):
        self.options = options
        self.machine = Machine(options.out, options.quick, options.time_limit_scale)
        total = TOTAL_LIMIT * options.time_limit_scale if options.total_limit is None else options.total_limit
        self.total, self.deadline = total, time.monotonic() + total if total else float("inf")
        self.rows = []
        options.out.mkdir(parents=True, exist_ok=True)
        if any(options.out.iterdir()):
            raise Missing(f"{options.out} is not empty; choose another folder with --out")

    def report(self):
        machine = self.machine
        lines = machine.versions.splitlines()
        return {"date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC", "mode": "quick" if machine.quick else "full",
                "gpu": machine.gpu_name, "gpus": machine.gpus, "driver": machine.driver, "program": f"{lines[0]}, commit {machine.commit}" if lines else "",
                "versions": lines, "launch": " ".join(machine.launch), "rows": self.rows}

    def add(self, row):
        self.rows.append(row)
        print(f"{row['name']}: {row['status']} ({row['seconds']:.1f} s) {row['detail']}", flush=True)
        table.write_report(self.options.out, self.report())

    def run(self, step):
        if not self.machine.gpus and step.group != "doctor":
            self.add(unrun(step, "no GPU was found"))
        elif time.monotonic() > self.deadline:
            self.add(unrun(step, f"the total limit of {self.total:.0f} s is reached"))
        else:
            self.add(run_step(self.machine, step))

    def run_all(self):
        self.run(machine_steps.first_step())
        for step in chosen(all_steps(self.machine), self.options):
            self.run(step)

    def remove_work(self):
        """What failed steps wrote stays."""
        failed = {row["name"] for row in self.rows if row["status"] not in table.GOOD}
        work = self.options.out / "work"
        for folder in work.glob("*") if failed else ():
            if folder.name not in failed and not folder.name.startswith(("data-", "images-")):
                shutil.rmtree(folder)
        if not failed:
            shutil.rmtree(work, ignore_errors=True)

    def finish(self):
        self.remove_work()
        print("\n" + table.text_table(self.rows))
        print(f"\n{table.counts(self.rows)}; {self.options.out / 'gpu.json'}, {self.options.out / 'table.md'}, a log per step", flush=True)
        return 0 if all(row["status"] in table.GOOD for row in self.rows) else 1


def unrun(step, reason):
    return {"name": step.name, "group": step.group, "status": "skip", "seconds": 0.0, "limit": step.limit,
            "detail": f"skipped: {reason}", "commands": []}


def interrupt(*_):
    raise KeyboardInterrupt


def list_steps(options):
    machine = Machine(options.out, options.quick, options.time_limit_scale)
    for step in [machine_steps.first_step(), *chosen(all_steps(machine), options)]:
        print(f"{step.name:<34} {step.limit * machine.scale:>4.0f} s  {step.checks}")
    print("With several GPUs rows of 2 ranks are of as many ranks, and rows of step times are added.")


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        check_words(options)
        if options.list:
            list_steps(options)
            return 0
        validation = Validation(options)
    except Missing as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 66
    try:
        if options.record:
            validation.add(run_step(validation.machine, Step("record", "record", 120, "", training.record_statistics)))
        else:
            validation.run_all()
    except KeyboardInterrupt:
        validation.finish()
        print("error: interrupted", file=sys.stderr)
        return 130
    return validation.finish()


if __name__ == "__main__":
    sys.exit(main())
