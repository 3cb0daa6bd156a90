"""Text input and output: configs from pipes, JSON of any depth, bytes that are not UTF-8, option values, terminals."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from program import CANNOT_WRITE, CONFIG, DATA, MISSING, REPOSITORY, USAGE, VALLEY, WAITING

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

DEEP = 150_000


def start(*arguments, **options):
    """Runs the program; the output is bytes."""
    options = {"stdin": subprocess.DEVNULL, "timeout": 60} | options
    return subprocess.run([VALLEY, *arguments], capture_output=True, check=False, env=os.environ | WAITING, **options)


def shell(command, *arguments):
    """Runs a bash command in which $0 is the program."""
    return subprocess.run(["bash", "-c", command, VALLEY, *map(str, arguments)], capture_output=True, check=False, timeout=60,
                          env=os.environ | WAITING)


def write_images(folder, n=3, side=16):
    os.makedirs(folder, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (side, side), np.uint8)
        Image.fromarray(pixels).save(os.path.join(os.fsdecode(folder), f"{i}.png"))
    return folder


def build(source, dest, *arguments):
    return start("shard", "build", "--source", source, "--dest", dest, "--resolution", "16", "--jobs", "1", *arguments)


def deep(n=DEEP):
    return "[" * n + "]" * n


@pytest.mark.parametrize("command", [
    '"$0" train <(cat "$1") train.steps=7 --dry-run',
    'cat "$1" | "$0" train /dev/stdin train.steps=7 --dry-run',
    '"$0" train /dev/stdin train.steps=7 --dry-run < "$1"',
    'mkfifo "$2/pipe"; (cat "$1" > "$2/pipe") & "$0" train "$2/pipe" train.steps=7 --dry-run',
])
def test_config_is_read_from_a_pipe(config, tmp_path, command):
    result = shell(command, config, tmp_path)
    assert result.returncode == 0, result.stderr
    assert b"\nsteps = 7\n" in result.stdout
    assert b"\nwidth = 4\n" in result.stdout and b"\nresolution = 32\n" in result.stdout


def test_config_from_pipe_is_saved_in_the_run(program):
    result = shell('cd "$2"; "$0" train <(sed "s/steps = 10/steps = 1/" "$1") --out runs', program.config, program.folder)
    assert result.returncode == 0, result.stderr
    assert program.newest().name == "00000-run"
    assert "\nsteps = 1\n" in (program.newest() / "config.toml").read_text()
    result = shell('"$0" train <(printf "[train]\\nstepz = 1\\n")')
    assert result.returncode == CONFIG
    assert re.search(rb"/dev/fd/\d+:2: unknown key", result.stderr)


def test_config_pipe_is_rejected_with_several_ranks(program):
    os.mkfifo(program.folder / "pipe")
    error = program.train(2, config=program.folder / "pipe", expect=CONFIG).error
    assert "is a pipe, which only one of the 2 ranks can read" in error


def test_devices_and_huge_files_are_rejected_at_once(program, faces, tmp_path):
    huge = tmp_path / "huge.json"
    with open(huge, "wb") as file:
        file.truncate(3 << 30)
    os.mkfifo(tmp_path / "never-written")
    images = write_images(tmp_path / "images")
    for code, arguments in [
        (MISSING, ["train", "/dev/zero"]),
        (CONFIG, ["train", huge]),
        (MISSING, ["shard", "build", "--source", images, "--dest", tmp_path / "d", "--labels", "json:/dev/zero"]),
        (DATA, ["shard", "build", "--source", images, "--dest", tmp_path / "d", "--labels", f"json:{huge}"]),
    ]:
        result = start(*arguments)
        assert result.returncode == code, (arguments, result.stderr)
        assert b"is a device" in result.stderr or b"more than" in result.stderr
    (images / "dataset.json").symlink_to(tmp_path / "never-written")
    assert build(images, tmp_path / "d").returncode == 0  # not a regular file: passed over


def test_restore_does_not_read_devices(program):
    run = program.trained(None, "train.steps=1")
    for arguments in (["/dev/zero"], [run / "samples", "--mask", "/dev/zero"]):
        result = start("restore", run, *arguments, "--box", "4x4", "-o", program.folder / "o.png")
        assert result.returncode in (MISSING, DATA), result.stderr
        assert result.stderr.count(b"\n") == 1


def test_deep_json_is_rejected_where_data_sets_are_read(tmp_path, faces):
    images = write_images(tmp_path / "images")
    for text in (f'{{"labels": [["0.png", {deep()}]]}}', f'{{"x": {deep()}, "labels": []}}', '{"a":' * DEEP):
        (images / "dataset.json").write_text(text)
        result = build(images, tmp_path / "d", "--labels", f"json:{images / 'dataset.json'}")
        assert result.returncode == DATA, result.returncode
        assert b"dataset.json:1:" in result.stderr and b"more than 200 levels" in result.stderr
    data = shutil.copytree(faces, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    for key in ("format", "parameters", "shards", "class_names"):
        text = json.dumps(manifest | {key: "DEEP"}).replace('"DEEP"', deep())
        (data / "manifest.json").write_text(text)
        result = start("shard", "info", data)
        assert result.returncode == DATA, (key, result.returncode)


def test_deep_json_is_rejected_where_runs_are_read(program):
    run = program.trained(None, "train.steps=1")
    for name, resume, report in (("run.json", DATA, 0), ("exit.json", None, 0), ("stats.jsonl", None, None)):
        kept = (run / name).read_bytes()
        (run / name).write_text(deep() + "\n")
        assert start("report", run, "-o", program.folder / "r.html").returncode in ((0, DATA) if report is None else (report,)), name
        result = start("train", "--resume", run, "train.steps=2", "--out", program.out)
        assert result.returncode == (resume or 0), (name, result.stderr)
        if resume is None:
            run = program.newest()
        (run / name).write_bytes(kept)
    checkpoint = sorted(run.glob("checkpoints/step-*"))[-1]
    (checkpoint / "COMMIT").write_text(deep())
    assert start("sample", checkpoint, "-o", program.folder / "s.png").returncode == DATA
    (run / "config.toml").write_text("x" + ".x" * 40_000 + " = 1\n")
    assert start("report", run, "-o", program.folder / "r.html").returncode == 0
    assert start("train", "--resume", run).returncode == CONFIG


def test_deep_json_in_the_metadata_of_a_model_is_rejected(tmp_path):
    for header in ({"__metadata__": {"data.class_names": deep()}}, None):
        text = json.dumps(header) if header else '{"a":' + deep() + "}"
        (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode())
        result = start("sample", tmp_path / "m.safetensors", "-o", tmp_path / "o.png")
        assert result.returncode == DATA, result.stderr


def test_trailing_comma_is_reported_with_its_place(tmp_path):
    images = write_images(tmp_path / "images")
    (images / "dataset.json").write_text('{"labels": [\n  ["0.png", 1],\n]}')
    result = build(images, tmp_path / "d")
    assert result.returncode == DATA
    assert b"dataset.json:3:1: not valid JSON: unexpected ']'" in result.stderr
    assert b"remove the comma before it" in result.stderr


def test_paths_that_are_not_utf8_in_json(tmp_path):
    root = os.fsencode(tmp_path)
    source = write_images(root + b"/caf\xe9-photos")
    dest = root + b"/caf\xe9"
    for arguments in (["--dry-run", "--json"], ["--json", "--progress", "json"]):
        result = build(source, dest, *arguments)
        assert result.returncode == 0, result.stderr
        json.loads(result.stdout.decode())
    for arguments in (["shard", "info", dest, "--json"], ["shard", "verify", dest, "--json"],
                      ["shard", "peek", dest, "-o", root + b"/p\xe9.png", "--json"]):
        result = start(*arguments)
        assert result.returncode == 0, (arguments, result.stderr)
        json.loads(result.stdout.decode())
    assert build(source, dest, "--resume").returncode == 0  # the same parameters


def test_fonts_whose_names_differ_in_a_byte_that_is_not_utf8_are_different(tmp_path):
    found = [path for path in pathlib.Path("/usr/share/fonts").rglob("*.ttf") if "Emoji" in path.name or "Sans" in path.name]
    if not found:
        pytest.skip("no font is installed")
    dest = tmp_path / "letters"
    for name, code, more in ((b"a\xe9.ttf", 0, ()), (b"a\xe9.ttf", 0, ("--resume",)), (b"a\xe8.ttf", USAGE, ("--resume",))):
        font = os.fsencode(tmp_path) + b"/" + name
        shutil.copy(found[0], font)
        result = build(font, dest, "--codepoints", "2639,1F600,41", "--max-error-rate", "1", "--json", *more)
        assert result.returncode == code, result.stderr
    assert b"was started with other parameters" in result.stderr


def test_control_characters_in_names_are_escaped(tmp_path):
    images = tmp_path / "images"
    for name in ("\x1b[31mred", "\u009b32mgreen\u202e"):
        write_images(images / name)
    dest = tmp_path / "data"
    results = [build(images, dest), start("shard", "info", dest), start("shard", "info", dest, "--json"),
               start("shard", "peek", dest, "-o", tmp_path / "p.png"),
               start("train", tmp_path / "\x1b]0;title\x07.toml"), start("shard", "info", tmp_path / "\u202e\rnone")]
    names = {"class_names": ["a\u001b[2J", "b\u009b2J\nc"], "labels": [[f"{i}.png", i % 2] for i in range(3)]}
    labeled = write_images(tmp_path / "labeled")
    (labeled / "dataset.json").write_text(json.dumps(names))
    results += [build(labeled, tmp_path / "labeled-data"), start("shard", "info", tmp_path / "labeled-data")]
    assert [result.returncode for result in results] == [0, 0, 0, 0, MISSING, MISSING, 0, 0]
    for result in results:
        for text in (result.stdout.decode(), result.stderr.decode()):
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), text
    assert b"class        b\\u009B2J\\x0Ac: 1 images (" in results[-1].stdout
    # The data keep the names as they are.
    assert json.loads(start("shard", "info", tmp_path / "labeled-data", "--json").stdout)["class_names"] == names["class_names"]


BAD = {"integer": ["-1", "nan", "1e3", "0x10", "12x", "", "99999999999999999999", "1.5", " 7"],
       "number": ["nan", "inf", "-inf", "1e999", "0.1x", "", "0x1p3"]}
OPTIONS = [("integer", "--max-images", ["shard", "build", "--source", "s", "--dest", "d"]),
           ("integer", "--seed", ["restore", "r", "-o", "p.png"]),
           ("integer", "--columns", ["sample", "r", "-o", "p.png"]),
           ("integer", "--count", ["evaluate", "r", "--data", "d"]),
           ("integer", "--pairs", ["energy", "r", "--data", "d"]),
           ("integer", "--ranks", ["doctor"]),
           ("integer", "--warmup", ["bench", "step", "c.toml"]),
           ("number", "--noise", ["restore", "r", "-o", "p.png"]),
           ("number", "--max-error-rate", ["shard", "build", "--source", "s", "--dest", "d"]),
           ("number", "--clamp", ["sample", "r", "-o", "p.png"]),
           ("number", "--bus-bandwidth", ["train", "c.toml"])]


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_value_that_is_not_a_number_in_range_names_the_option(tmp_path, kind):
    """All bad values for the first option of a kind, one for each other option."""
    options = [(option, command) for of_kind, option, command in OPTIONS if of_kind == kind]
    for number, (option, command) in enumerate(options):
        for value in BAD[kind] if number == 0 else [BAD[kind][number]]:
            result = start(*command, option, value, cwd=tmp_path)
            assert result.returncode == USAGE, (option, value, result.stderr)
            assert option.encode() in result.stderr
            assert b"is not a" in result.stderr, (option, value, result.stderr)
    assert os.listdir(tmp_path) == []


def test_every_option_for_a_number_is_checked():
    """Searches the source, so that no new option is missed: options with a numeric type name need a check."""
    unchecked = []
    for file in (REPOSITORY / "src" / "app").glob("*.cpp"):
        for statement in re.findall(r"add_option\(.*?;\n", file.read_text(), re.S):
            if re.search(r'type_name\("(N|X|P|SIGMA|GB/S|N FILE.png)"\)', statement) and "number_range<" not in statement:
                unchecked.append(statement)
            if 'FILE.png")' in statement and '"--mask"' not in statement and "png_name()" not in statement:
                unchecked.append(statement)
    assert unchecked == []


def test_number_with_leading_zero_is_decimal(tmp_path):
    images = write_images(tmp_path / "images", 12)
    assert json.loads(build(images, tmp_path / "d", "--max-images", "010", "--json").stdout)["images"] == 10


@pytest.mark.parametrize("arguments", [
    ["sample", "r", "-o", "x.jpg"], ["sample", "r", "-o", "a.png/b.x"], ["sample", "r", "-o", "p.png", "--trajectory", "t.gif"],
    ["restore", "r", "a.png", "-o", "x.webp"], ["restore", "r", "a.png", "-o", "p.png", "--strip", "s.png.jpg"],
    ["shard", "peek", "d", "-o", "p.png."], ["classify", "r", "--data", "d", "--confusion", "c.jpeg"],
    ["classify", "r", "--data", "d", "--reliability", "c.pdf"], ["classify", "r", "--data", "d", "--worst", "3", "w.svg"],
    ["energy", "r", "--data", "d", "--histogram", "h.tiff"], ["energy", "r", "--data", "d", "--ranking", "h.JPG"]])
def test_png_output_with_another_extension_is_rejected(tmp_path, arguments):
    result = start(*arguments, cwd=tmp_path)
    assert result.returncode == USAGE
    assert b"name a file that ends in .png" in result.stderr
    assert os.listdir(tmp_path) == []


def test_configs_with_non_ascii_names_have_separate_runs(program):
    names = []
    for stem in ("実験", "資料", "実験"):
        config = shutil.copy(program.config, program.folder / f"{stem}.toml")
        program.train(None, "train.steps=1", "--resume", "auto", config=config)
        names = [run.name for run in program.runs()]
    assert len(names) == 2  # the third call continued the first run
    assert names[0][5:] != names[1][5:] and all(re.fullmatch(r"\d{5}-[A-Za-z0-9._-]+", name) for name in names)


def test_unexpanded_tilde_gets_a_hint(program):
    for arguments, code in ((["data.path=~/faces"], MISSING), (["--out=~/runs"], CANNOT_WRITE),
                            (["--resume=~/runs/00000-tiny"], MISSING)):
        result = start("train", program.config, "--dry-run", *arguments, cwd=program.folder)
        assert result.returncode == code, result.stderr
        assert b'only a shell replaces "~"' in result.stderr
    images = write_images(program.folder / "images")
    assert build(images, "~/d").returncode == CANNOT_WRITE
    assert not (program.folder / "~").exists()


def test_length_on_command_line_replaces_length_of_file(program):
    config = program.folder / "epochs.toml"
    config.write_text(program.config.read_text().replace("steps = 10", "epochs = 3"))
    text = program.train(None, "train.steps=2", "--dry-run", config=config).stdout
    assert '\nsteps = 2\nepochs = "auto"\nkimg = "auto"\n' in re.sub("#.*\n", "", text)
    error = program.train(None, "train.steps=2", "train.kimg=1", "--dry-run", config=config, expect=CONFIG).error
    assert "only one of train.steps (command line)" in error
    run = program.trained(None, "train.steps=1")
    program.call("train", "--resume", run, "train.epochs=1")
    assert "\nepochs = 1\n" in (run / "config.toml").read_text()


def test_web_manifest_in_a_folder_of_images_is_not_a_data_set(program):
    run = program.trained(None, "train.steps=1")
    images = write_images(program.folder / "images", side=32)
    (images / "manifest.json").write_text('{"name": "app", "icons": [{"src": "0.png"}]}')
    result = json.loads(start("energy", run, "--data", images, "--json").stdout)
    assert result["data"]["images"] == 3, result
    for text in ('{"format": "x"}', "[1, 2]", "not JSON"):
        (images / "manifest.json").write_text(text)
        assert start("energy", run, "--data", images).returncode == 0, text
    result = start("train", program.config, f"data.path={images}", "--out", program.folder / "none")
    assert result.returncode == DATA
    assert b"name the folder that valley shard build made" in result.stderr or b"not valid JSON" in result.stderr


def test_json_is_parsed_and_written_in_one_place_only():
    """Limits of depth and size, and bytes that are not UTF-8, are handled in src/core alone."""
    allowed = {r"\bifstream\b": {"src/doctor/system_text.cpp", "src/report/pictures.cpp", "src/run/watch.cpp", "src/kernels/device.cpp",
                                 "src/bench/loader_bench.cpp", "src/flight/rank_report.cpp", "src/flight/stack_traces.cpp",
                                 "src/record/tfrecord.h", "src/run/time_keeper.cpp", "src/comm/clock_offsets.cpp"},
               r"sax_parse\(": {"src/storage/safetensors_header.cpp"}}
    for pattern in (r"\bifstream\b", r"sax_parse\(", r"\.dump\(", r"[jJ]son::(parse|accept)\(", r"toml::parse", r"CLI::Range"):
        found = {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "src").rglob("*.[ch]*")
                 if "src/core/" not in str(file) and re.search(pattern, file.read_text())}
        assert found <= allowed.get(pattern, set()), pattern
