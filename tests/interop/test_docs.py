"""The documents agree with the program: keys, exit codes, commands, flags, files, fields."""

import functools
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from valley_program import REPOSITORY, build_faces, train, valley

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
NAMES = [str(path.relative_to(REPOSITORY)) for path in DOCUMENTS]
COMMANDS = {"train", "sample", "evaluate", "energy", "restore", "classify", "infer", "report", "doctor", "completion",
            *("shard " + name for name in ("build", "verify", "info", "peek", "subset", "split", "merge", "reshard", "export", "dedupe", "diff")),
            *("bench " + name for name in ("step", "loader", "allreduce"))}
# A command up to the end of the line, a comment, a quote or a shell operator.
CALL = re.compile(r"(?:^|[\s/`(])valley +((?:(?:shard|bench) +)?(?:[a-z]+))\b([^`#|;&>\n]*)")
NO_KEYS = {"model.safetensors", "objective.k", "objective.s_g_previous", "objective.replay",
           "objective.replay_taken", "data.fingerprint", "data.class_names", "objective.cooling_epochs",
           "samples.json"}  # files, tensors, metadata, an earlier name
FLAG = re.compile(r"(?<!\S)(-{1,2}[a-zA-Z][\w-]*)")


def code_of(text):
    """Fenced blocks and inline code, with continued lines joined."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*fenced, *inline]).replace("\\\n", " ")


@functools.cache
def help_of(command):
    text = valley(*command.split(), "--help")
    # CLI11 answers `valley shard nonsense --help` with the help of `valley shard`.
    assert f"Usage: valley {command} " in text, f"there is no command `valley {command}`"
    return text


@functools.cache
def keys():
    return set(re.findall(r"^([a-z]+\.[a-z0-9_]+)", valley("train", "--keys"), re.MULTILINE))


def calls():
    for path, name in zip(DOCUMENTS, NAMES, strict=True):
        for command, rest in CALL.findall(code_of(path.read_text())):
            yield name, " ".join(command.split()), rest


def test_document_scan_finds_commands():
    found = {command for _, command, _ in calls()}
    assert COMMANDS <= found
    assert CALL.findall("mpirun -n 2 build/valley train a.toml --out x # --no") == [("train", " a.toml --out x ")]


@pytest.mark.parametrize(("document", "command", "rest"), list(calls()))
def test_commands_flags_keys_and_files_exist(document, command, rest):
    if command in ("shard", "bench"):
        return
    text = help_of(command)
    for flag in FLAG.findall(rest):
        assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), f"{document}: {command} {flag}"
    for key in re.findall(r"(?<!\S)([a-z]+\.[a-z0-9_]+)=", rest):
        assert key in keys(), f"{document}: {key}"
    for config in re.findall(r"(?<!\S)(configs/\S+)", rest):
        assert (REPOSITORY / config).is_file(), f"{document}: {config}"


@pytest.mark.parametrize("command", [*sorted(COMMANDS), "bench", "shard", ""])
def test_configs_that_the_help_names_exist(command):
    for config in re.findall(r"configs/[\w.-]+", valley(*command.split(), "--help")):
        assert (REPOSITORY / config).is_file(), config


@pytest.mark.parametrize("name", NAMES)
def test_keys_in_documents_exist(name):
    sections = {key.split(".")[0] for key in keys()}
    text = code_of((REPOSITORY / name).read_text())
    for key in re.findall(rf"(?<![\w./])((?:{'|'.join(sections)})\.[a-z_]+)(?= *=|$)", text, re.MULTILINE):
        assert key in keys() | NO_KEYS, f"{name}: {key}"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("docs/config.md", "CHANGELOG.md")])
def test_documents_are_short(name):
    assert len((REPOSITORY / name).read_text().split()) <= 1500


@pytest.mark.parametrize("name", [*NAMES, "bench/RESULTS.md", "bench/RESULTS-parts.md", "bench/RESULTS-data.md", "bench/RESULTS-gpu.md", "datasets/README.md"])
def test_links_lead_somewhere(name):
    path = REPOSITORY / name
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), f"{name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_scripts_and_sources_in_documents_exist(name):
    pattern = r"(?<![\w/.-])((?:launch|tests|src|examples|configs)/[\w./-]+\.(?:sh|py|h|cpp|txt|toml))\b"
    for file in re.findall(pattern, (REPOSITORY / name).read_text()):
        assert (REPOSITORY / file).is_file(), f"{name}: {file}"


def test_documents_that_sources_name_exist():
    named = set()
    for folder in ("src", "launch", "tests", "cmake", "configs", "bench", "examples"):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.suffix in (".h", ".cpp", ".cu", ".py", ".sh", ".toml", ".cmake", ".sbatch") and path != pathlib.Path(__file__):
                named |= {(path.name, name) for name in re.findall(r"\bdocs/[\w-]+\.md\b", path.read_text())}
    assert len(named) > 20
    assert {(path, name) for path, name in named if not (REPOSITORY / name).is_file()} == set()


def test_config_md_is_current():
    expected = valley("train", "--keys", "--markdown")
    assert (REPOSITORY / "docs" / "config.md").read_text() == expected, (
        "generate it again: build/valley train --keys --markdown > docs/config.md"
    )


def test_every_exit_code_is_documented():
    source = (REPOSITORY / "src" / "core" / "error.h").read_text()
    enum = re.search(r"enum class ExitCode[^{]*\{(.*?)\};", source, re.DOTALL).group(1)
    codes = {int(value) for value in re.findall(r"k\w+ = (\d+)", enum)}
    assert len(codes) >= 10
    text = (REPOSITORY / "docs" / "exit-codes.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


def test_documented_exit_codes_match_the_program(tmp_path):
    config = REPOSITORY / "configs" / "quickstart.toml"
    valley("train", expect=2)
    valley("train", config, "train.stepz=1", expect=64)
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 64)
    valley("sample", tmp_path / "bad.safetensors", "-o", tmp_path / "x.png", expect=65)
    valley("sample", tmp_path / "none", "-o", tmp_path / "x.png", expect=66)


@pytest.mark.parametrize("settings", [
    (),
    ("objective.name=ebgan", "model.batch_norm=false", "objective.pulling_away=squared", "train.microbatch=4"),
    ("objective.name=magan", "objective.pretrain_epochs=0", "train.steps=2"),
])
def test_fields_of_a_run_are_documented(tmp_path, settings):
    build_faces(tmp_path / "data")
    run = train(tmp_path / "runs", tmp_path / "data", "train.steps=1", *settings)
    text = "".join((REPOSITORY / "docs" / name).read_text() for name in ("run-directory.md", "objectives.md"))
    fields = set()
    for line in (run / "stats.jsonl").read_text().splitlines():
        fields |= json.loads(line).keys()
    assert {field for field in fields if f"`{field}`" not in text} == set()
    for path in run.iterdir():
        if path.name != ".lock" and not path.name.startswith("fakes-0"):
            name = "events.out.tfevents." if path.name.startswith("events.") else path.name  # a time and a host follow
            assert name in text, path.name


def test_setup_script_prints_help():
    script = REPOSITORY / "launch" / "setup.sh"
    result = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0 and "launch/setup.sh --check" in result.stdout


def test_quick_selection_names_existing_tests():
    folder = REPOSITORY / "tests"
    selection = re.search(r"^QUICK = \{(.*?)^\}", (folder / "conftest.py").read_text(), re.MULTILINE | re.DOTALL).group(1)
    named = re.findall(r'"(test_\w+\.py)": \[(.*?)\]', selection, re.DOTALL)
    assert len(named) > 15
    for file, tests in named:
        [path] = folder.glob(f"*/{file}")
        for test in re.findall(r'"(\w+)"', tests):
            assert f"def {test}(" in path.read_text(), f"{file}: {test}"


HEADER = """\
// Opens `the file`; a <tag>, 50 % and \\commands are text.
#pragma once

// A type.
struct Documented {
  int first = 0;   // explained behind the member,
                   // over two lines
  // Explained above the member.
  int second = 0;  // and behind it
};
"""


def doxygen(settings):
    text = (REPOSITORY / "docs" / "Doxyfile").read_text() + "\n".join(settings)
    return subprocess.run(["doxygen", "-"], input=text, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.skipif(shutil.which("doxygen") is None, reason="doxygen is not installed")
def test_api_reference_has_no_warnings(tmp_path):
    result = doxygen([f"OUTPUT_DIRECTORY = {tmp_path}"])
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "api" / "classvalley_1_1Communicator.html").is_file()


@pytest.mark.skipif(shutil.which("doxygen") is None, reason="doxygen is not installed")
def test_api_reference_shows_plain_comments(tmp_path):
    (tmp_path / "tiny.h").write_text(HEADER)
    # Without EXTRACT_ALL a member whose comment is not recognized is a warning, and so an error.
    result = doxygen([f"OUTPUT_DIRECTORY = {tmp_path}", f"INPUT = {tmp_path}", "EXTRACT_ALL = NO"])
    assert (result.returncode, result.stderr) == (0, "")
    page = (tmp_path / "api" / "structDocumented.html").read_text()
    assert "explained behind the member, over two lines" in page and "Explained above the member." in page
    (tmp_path / "tiny.h").write_text(HEADER.replace("};", "  int bare = 0;\n};"))
    assert doxygen([f"OUTPUT_DIRECTORY = {tmp_path}", f"INPUT = {tmp_path}", "EXTRACT_ALL = NO"]).returncode != 0
