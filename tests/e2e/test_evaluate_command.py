"""`valley evaluate`, and evaluations in training: equal results on any number of ranks, and rejected arguments."""

import json

import numpy
import pytest
from PIL import Image
from program import CANNOT_WRITE, DATA, MISSING, USAGE, bits, checkpoint, stats

STEPS = 4
METRICS = {"swd", "swd/32", "swd/16", "ms_ssim", "distance", "distance_ratio", "density", "coverage",
           *(f"{name}/{channel}" for name in ("mean", "deviation") for channel in range(3))}


@pytest.fixture(scope="module")
def run(shared_program):
    return shared_program.trained(None, f"train.steps={STEPS}")


@pytest.fixture(scope="module")
def evaluated(shared_program, run, faces):
    """The JSON result of one rank."""
    return shared_program.call("evaluate", run, "--data", faces, "--json").stdout


def test_json_names_the_compared_sets(evaluated, run, faces):
    answer = json.loads(evaluated)
    assert answer["samples"] == {"images": 52, "model": str(checkpoint(run) / "model.safetensors"), "weights": "averaged"}
    assert answer["data"]["directory"] == str(faces)
    assert answer["data"]["images"] == 105
    assert "105 images, 52" in answer["limit"]
    assert answer["metrics"].keys() == METRICS
    for name, metric in answer["metrics"].items():
        assert metric.keys() == {"value", "floor", "better"} and numpy.isfinite([metric["value"], metric["floor"]]).all(), name
    assert answer["metrics"]["swd"]["value"] > 3 * answer["metrics"]["swd"]["floor"]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_output_is_bitwise_equal_on_any_number_of_ranks(program, evaluated, run, faces, ranks):
    file = program.folder / "answer.json"
    result = program.call("evaluate", run, "--data", faces, "--json", "-o", file, ranks=ranks)
    assert result.stdout == evaluated == file.read_text()


def test_text_has_all_metrics_and_sample_count(program, evaluated, run, faces):
    table = program.call("evaluate", run, "--data", faces).stdout
    assert f"samples  52 of {checkpoint(run) / 'model.safetensors'} (averaged weights)" in table
    rows = {line.split()[0]: line.split()[1:3] for line in table.split("\n\n")[1].splitlines()[1:]}
    assert rows.keys() == METRICS
    for name, metric in json.loads(evaluated)["metrics"].items():
        assert [float(text) for text in rows[name]] == pytest.approx([metric["value"], metric["floor"]], abs=0.006)


def test_weights_are_averaged_raw_or_untrained(program, evaluated, run, faces):
    answers = {"averaged": json.loads(evaluated)}
    for weights in ("raw", "untrained"):
        answers[weights] = json.loads(program.call("evaluate", run, "--data", faces, f"--{weights}", "--json").stdout)
    for weights, answer in answers.items():
        assert answer["samples"]["weights"] == weights
        assert answer["metrics"]["swd"]["floor"] == answers["averaged"]["metrics"]["swd"]["floor"]
    assert len({answer["metrics"]["swd"]["value"] for answer in answers.values()}) == 3


def test_identical_sets_have_distance_zero(program, faces):
    result = program.call("evaluate", "--samples", faces, "--data", faces, "--json")
    metrics = json.loads(result.stdout)["metrics"]
    assert "the same images" in result.stderr
    assert metrics["swd"]["value"] == 0
    assert metrics["coverage"]["value"] == 1


def test_another_seed_selects_other_images(program, faces):
    answers = [json.loads(program.call("evaluate", "--samples", faces, "--data", faces, "--json", "--count", 20, "--seed",
                                       seed).stdout)["metrics"]["mean/0"] for seed in (0, 0, 1)]
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("ranks", [None, 2])
def test_evaluation_during_training_does_not_change_it(program, run, ranks):
    plain = run if ranks is None else program.trained(ranks, f"train.steps={STEPS}")
    watched = program.trained(ranks, f"train.steps={STEPS}", "evaluate.every=3", "evaluate.samples=40")
    lines = [line for line in stats(watched) if line.get("event") == "evaluate"]
    assert [line["step"] for line in lines] == [0, 3, STEPS]
    # The state names the config keys of the run, the network file does not.
    assert bits(checkpoint(watched))["model.safetensors"] == bits(checkpoint(plain))["model.safetensors"]
    for line in lines:
        assert METRICS | {f"{name}/floor" for name in METRICS} <= line.keys()
        assert line["samples"] == 40
    assert len({line["swd/floor"] for line in lines}) == 1
    assert len({line["swd"] for line in lines}) == 3
    assert "evaluated 40 samples: swd" in (watched / "log.txt").read_text()


def test_evaluate_command_equals_evaluation_during_training(program, faces):
    trained = program.trained(None, f"train.steps={STEPS}", f"evaluate.every={STEPS}", "evaluate.samples=40")
    line = [line for line in stats(trained) if line.get("event") == "evaluate"][-1]
    answer = json.loads(program.call("evaluate", trained, "--data", faces, "--count", 40, "--json").stdout)
    for name, metric in answer["metrics"].items():
        assert [line[name], line[f"{name}/floor"]] == [metric["value"], metric["floor"]], name


@pytest.mark.parametrize(("arguments", "expect", "words"), [
    ([], USAGE, "either a RUN"),
    (["RUN", "--samples", "DATA"], USAGE, "either a RUN"),
    (["--samples", "DATA", "--untrained"], USAGE, "--untrained"),
    (["RUN", "--raw", "--untrained"], USAGE, "--raw"),
    (["RUN", "--count", "0"], USAGE, "--count"),
    (["RUN", "--count", "5"], DATA, "at least 10"),
    (["nowhere"], MISSING, "nowhere"),
    (["--samples", "nowhere"], MISSING, "nowhere"),
    (["RUN", "--inception", "nowhere.pt"], MISSING, "nowhere.pt"),
    (["RUN", "--inception", "CONFIG"], DATA, "it is not a TorchScript network"),
    (["RUN", "-o", "nowhere/answer.json"], CANNOT_WRITE, "nowhere"),
])
def test_invalid_options_are_rejected(program, run, faces, config, arguments, expect, words):
    names = {"RUN": run, "DATA": faces, "CONFIG": config}
    result = program.call("evaluate", "--data", faces, *(names.get(a, a) for a in arguments), expect=expect)
    assert words in result.error
    assert result.stdout == ""


def test_images_of_another_size_are_rejected_once_on_two_ranks(program, run):
    small = program.folder / "small"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F617", "--resolution", "16",
                 "--dest", small, "--jobs", "1")
    error = program.call("evaluate", run, "--data", small, ranks=2, expect=USAGE).error
    assert "32x32x3" in error and "16x16x3" in error


def test_too_few_images_to_evaluate_are_rejected_before_first_step(program, faces):
    few = program.folder / "few"
    program.call("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", "1F600-1F60F", "--resolution", "32",
                 "--dest", few, "--jobs", "1")
    result = program.train(None, f"data.path={few}", "evaluate.every=2", expect=DATA)
    assert "at least 10 samples" in result.error


def test_copies_of_one_image_are_in_no_ball(program):
    def build(name, images):
        folder = program.folder / name
        folder.mkdir()
        for i, pixels in enumerate(images):
            Image.fromarray(pixels).save(folder / f"{i:02}.png")
        program.call("shard", "build", "--source", folder, "--dest", program.folder / f"{name}-16", "--resolution", 16)
        return program.folder / f"{name}-16"
    random = numpy.random.default_rng(3)
    noise = [random.integers(0, 256, (16, 16, 3), dtype=numpy.uint8) for _ in range(21)]
    copies = [noise[20]] * 20
    data, samples = build("data", noise[:20] + copies), build("samples", copies)
    for seed in range(3):
        metrics = json.loads(program.call("evaluate", "--samples", samples, "--data", data, "--seed", seed, "--json").stdout)["metrics"]
        assert (metrics["density"]["value"], metrics["coverage"]["value"]) == (0, 0), seed
