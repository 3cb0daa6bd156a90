"""`valley completion bash`, tested in bash."""

import os
import re
import shutil
import subprocess

import pytest
from program import PATIENCE, VALLEY

# Completes the command line in $1 like readline, which splits words at blanks and at =.
HARNESS = r"""
source "$2"
line=$1
COMP_LINE=$line COMP_POINT=${#line}
spaced=${line//=/ = }
read -ra COMP_WORDS <<<"$spaced"
[[ $line == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_valley
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("completion") / "valley"
    with open(file, "w") as stream:
        subprocess.run([VALLEY, "completion", "bash"], stdout=stream, check=True, timeout=PATIENCE)
    return file


@pytest.fixture
def complete(script, tmp_path):
    def run(line):
        result = subprocess.run(["bash", "--norc", "-c", HARNESS, "bash", line, script], capture_output=True, text=True,
                                check=True, timeout=PATIENCE, cwd=tmp_path)
        assert result.stderr == ""
        return set(result.stdout.split("\n")) - {""}
    return run


def help_of(*command):
    return subprocess.run([VALLEY, *command, "--help"], capture_output=True, text=True, check=True,
                          timeout=PATIENCE).stdout


def options_in(text):
    first_columns = re.findall(r"^  (-\S+)", text.split("Options:")[1], re.MULTILINE)
    return {name for column in first_columns for name in column.split(",")}


def commands_in(text):
    return set(re.findall(r"^  ([a-z]+) ", text.split("Subcommands:")[1], re.MULTILINE))


def test_completion_lists_commands(complete):
    assert complete("valley ") == commands_in(help_of())
    assert complete("valley tr") == {"train"}
    assert complete("valley shard ") == commands_in(help_of("shard"))


@pytest.mark.parametrize("command", [["train"], ["sample"], ["report"], ["shard", "build"], ["shard", "verify"], ["doctor"]])
def test_completion_lists_options_of_help(complete, command):
    assert complete(f"valley {' '.join(command)} -") == options_in(help_of(*command))


def test_completion_omits_hidden_options(complete):
    assert complete("valley doctor --probe") == set()


def test_completion_lists_option_values(complete, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "file.txt").touch()
    assert complete("valley train a.toml --resume a") == {"auto"}
    assert complete("valley train a.toml --resume ") == {"none", "auto", "runs", "file.txt"}
    assert complete("valley train --resume=no") == {"none"}
    assert complete("valley shard build --channels g") == {"gray"}
    assert complete("valley doctor --out ") == {"runs"}  # folders only
    assert complete("valley completion ") == {"bash"}


def test_completion_after_flag_lists_no_values(complete, tmp_path):
    (tmp_path / "began.toml").touch()
    assert "began.toml" in complete("valley train --dry-run ")


def test_completion_lists_config_files_and_keys(complete, tmp_path):
    (tmp_path / "began.toml").touch()
    assert complete("valley train be") == {"began.toml"}
    listed = subprocess.run([VALLEY, "train", "--keys"], capture_output=True, text=True, check=True).stdout
    keys = set(re.findall(r"^([a-z0-9_]+\.[a-z0-9_]+) ", listed, re.MULTILINE))
    assert complete("valley train began.toml optimizer.") == {f"{k}=" for k in keys if k.startswith("optimizer.")}
    assert {k[:-1] for k in complete("valley train began.toml ") if k.endswith("=")} == keys


def test_completion_lists_key_values(complete, tmp_path):
    (tmp_path / "shards").mkdir()
    assert complete("valley train a.toml train.precision=") == {"auto", "fp32", "tf32", "bf16"}
    assert complete("valley train a.toml train.precision=t") == {"tf32"}
    assert complete("valley train a.toml data.mirror=") == {"true", "false"}
    assert complete("valley train a.toml train.microbatch=") == {"auto"}
    assert complete("valley train a.toml data.path=sh") == {"shards"}
    assert complete("valley sample train.precision=") == set()


def test_completion_function_is_registered(script):
    result = subprocess.run(["bash", "--norc", "-c", 'source "$1"; complete -p valley', "bash", script],
                            capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert result.stdout == "complete -o bashdefault -o default -F _valley valley\n"


def test_interactive_bash_completes(script, tmp_path):
    """Readline itself, driven by key presses."""
    leader, follower = os.openpty()
    shell = subprocess.Popen(["bash", "--norc", "-i"], stdin=follower, stdout=follower, stderr=follower, cwd=tmp_path,
                             env={"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "$ ", "HOME": str(tmp_path)},
                             start_new_session=True)
    os.close(follower)
    out = tmp_path / "completed"
    # Writes each completed line to a file, without running valley.
    os.write(leader, f"source {script}; valley() {{ printf '%s|' \"$@\" >>{out}; echo >>{out}; }}\n".encode())
    os.write(leader, b"valley sha\tver\t--de\t\nvalley train a.toml train.prec\ttf\t\nexit\n")
    try:
        while os.read(leader, 65536):
            pass
    except OSError:
        pass  # the shell has gone
    os.close(leader)
    assert shell.wait(timeout=PATIENCE) == 0
    assert out.read_text().splitlines() == ["shard|verify|--deep|", "train|a.toml|train.precision=tf32|"]


def test_shellcheck_accepts_completion_script(script):
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    result = subprocess.run(["shellcheck", "--shell=bash", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_unsupported_shell_is_rejected():
    result = subprocess.run([VALLEY, "completion", "fish"], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "bash" in result.stderr
