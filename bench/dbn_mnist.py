#!/usr/bin/env python3
"""Classifies MNIST digits with deep belief networks, with and without pretraining, and with scikit-learn's RBM and logistic
regression: the same 4,000 training and 1,000 test digits, several seeds. Prints a Markdown table.

    dbn_mnist.py [--seeds 3] [--only NAME ...] [--runs runs/dbn-mnist] [--valley build/valley]
                 [--train data/mnist-train-28] [--test data/mnist-test-28]

What is measured already is not measured again: every NAME/SEED of the runs keeps a result.json. Needs scikit-learn and
h5py (launch/setup.sh --tests). Everything runs on one thread. Data: datasets/README.md, the split.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import log_loss  # noqa: E402
from sklearn.neural_network import BernoulliRBM  # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]

# Settings were tuned with 3,200 of the 4,000 training digits (the first 320 of each class) and the other 800 for validation;
# docs/results-energies.md names two choices that were made with test accuracies.
NETWORK = {"model.layers": "[500,500]", "train.global_batch": 20, "optimizer.momentum": 0.5}
PRETRAINED = NETWORK | {"objective.persistent_chains": "true", "objective.pretrain_epochs": 40, "optimizer.lr": 0.02}
RAW = NETWORK | {"objective.pretrain_epochs": 0, "model.initial_weights": "xavier"}
VALLEY = {
    "dbn": ("dbn-3x1000", PRETRAINED | {"objective.fine_tune_epochs": 30, "objective.fine_tune_lr": 0.3}),
    "no-pretraining": ("dbn-3x1000", RAW | {"objective.fine_tune_epochs": 30, "objective.fine_tune_lr": 0.3}),
    "no-pretraining-tuned": ("dbn-3x1000", RAW | {"objective.fine_tune_epochs": 100, "objective.fine_tune_lr": 1.0}),
    "labels": ("dbn-mnist", {}),
    "labels-tuned": ("dbn-mnist", {"objective.fine_tune_epochs": 10, "objective.fine_tune_lr": 0.001}),
}
RBM = {"n_components": 500, "learning_rate": 0.02, "n_iter": 40, "batch_size": 10}
RBM_C = 1.0
PLAIN_C = 0.03
TITLES = {
    "dbn": "DBN 784-500-500, pretrained (PCD), then back-propagation",
    "no-pretraining": "the same network, back-propagation alone, the same number of its epochs",
    "no-pretraining-tuned": "the same, epochs and learning rate tuned",
    "labels": "DBN with label units, 784-500-500-2000, generative only",
    "labels-tuned": "the same, then back-propagation",
    "sklearn-rbm": "scikit-learn's BernoulliRBM (500) and logistic regression, tuned",
    "logistic": "scikit-learn's logistic regression on pixels, tuned",
}


def seconds():
    """Processor time of this program and its children."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def read(folder):
    """Pixels [n, 784] in [0, 1] and labels of a folder of shards."""
    files = [h5py.File(path, "r") for path in sorted(folder.glob("shard-*.h5"))]
    if not files:
        sys.exit(f"dbn_mnist.py: {folder} has no shards; build them as in datasets/README.md")
    pixels, labels = (np.concatenate([file[name][:] for file in files]) for name in ("images", "labels"))
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255, labels


def call(command, log):
    result = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
    if result.returncode != 0:
        sys.exit(f"dbn_mnist.py: exit {result.returncode} of {' '.join(map(str, command))}; see {log.name}")
    return result.stdout


def by_valley(name, seed, folder, arguments):
    """Trains and classifies; returns accuracy, log-loss and calibration error of the test digits."""
    config, changes = VALLEY[name]
    keys = [f"{key}={value}" for key, value in changes.items()]
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        began = len(list(folder.glob("[0-9]*-*")))
        call([arguments.valley, "train", f"configs/{config}.toml", f"data.path={arguments.train}", "--out", folder,
              f"train.seed={seed}", "train.threads=1", "train.device=cpu", *keys], log)
        run = sorted(folder.glob("[0-9]*-*"))[began]
        report = json.loads(call([arguments.valley, "classify", run, "--data", arguments.test, "--device", "cpu", "--json"],
                               log))["labelled"]
    return {"accuracy": report["accuracy"], "log_loss": report["log_loss"], "ece": report["expected_calibration_error"]}


def by_scikit_learn(name, seed, train, test):
    pixels, labels = train
    digits = test[0]
    if name == "sklearn-rbm":
        machine = BernoulliRBM(random_state=seed, **RBM).fit(pixels)
        pixels, digits = machine.transform(pixels), machine.transform(digits)
    regression = LogisticRegression(C=RBM_C if name == "sklearn-rbm" else PLAIN_C, max_iter=3000).fit(pixels, labels)
    probabilities = regression.predict_proba(digits)
    return {"accuracy": regression.score(digits, test[1]), "log_loss": log_loss(test[1], probabilities)}


def measure(name, seed, arguments, data):
    folder = arguments.runs / name / str(seed)
    record = folder / "result.json"
    if not record.exists():
        folder.mkdir(parents=True, exist_ok=True)
        before, began = seconds(), time.monotonic()
        found = by_valley(name, seed, folder, arguments) if name in VALLEY else by_scikit_learn(name, seed, *data)
        found |= {"processor_s": seconds() - before, "wall_s": time.monotonic() - began}
        record.write_text(json.dumps(found) + "\n", encoding="utf-8")
        print(f"{name} {seed}: {100 * found['accuracy']:.1f} % in {found['wall_s']:.0f} s", file=sys.stderr, flush=True)
    return json.loads(record.read_text(encoding="utf-8"))


def row(name, results, unit):
    """One line of the table; times are shares of `unit` seconds."""
    accuracies = [100 * result["accuracy"] for result in results]
    spread = f" +- {np.std(accuracies, ddof=1):.2f}" if len(results) > 1 else ""
    losses = np.mean([result["log_loss"] for result in results])
    calibration = f"{np.mean([r['ece'] for r in results]):.3f}" if "ece" in results[0] else ""
    time_share = np.mean([result["processor_s"] for result in results]) / unit
    return (f"| {TITLES[name]} | {np.mean(accuracies):.2f}{spread} | {min(accuracies):.1f} to {max(accuracies):.1f} "
            f"| {losses:.3f} | {calibration} | {time_share:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--runs", type=pathlib.Path, default=REPOSITORY / "runs" / "dbn-mnist")
    parser.add_argument("--valley", type=pathlib.Path, default=REPOSITORY / "build" / "valley")
    parser.add_argument("--train", type=pathlib.Path, default=REPOSITORY / "data" / "mnist-train-28")
    parser.add_argument("--test", type=pathlib.Path, default=REPOSITORY / "data" / "mnist-test-28")
    arguments = parser.parse_args()
    for name in ("runs", "valley", "train", "test"):
        setattr(arguments, name, getattr(arguments, name).absolute())
    warnings.simplefilter("ignore")
    data = read(arguments.train), read(arguments.test)
    # Seeds are the outer loop, so that other load on the machine affects all rows alike.
    results = {name: [] for name in arguments.only}
    for seed in range(arguments.seeds):
        for name in arguments.only:
            results[name].append(measure(name, seed, arguments, data))
    unit = np.mean([result["processor_s"] for result in results[arguments.only[0]]])
    print(f"| {len(data[0][1]):,} training and {len(data[1][1]):,} test digits, {arguments.seeds} seeds | accuracy, % "
          "| min to max | log-loss | ECE | time |")
    print("|---|---|---|---|---|---|")
    for name in arguments.only:
        print(row(name, results[name], unit))


if __name__ == "__main__":
    main()
