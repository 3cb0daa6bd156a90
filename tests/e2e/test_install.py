"""`cmake --install` into a prefix, and the installed program in an empty environment."""

import re
import subprocess

import pytest
from cmake_cache import CMAKE
from elsewhere import clean
from program import BUILD, REPOSITORY, VALLEY


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    place = tmp_path_factory.mktemp("install") / "prefix"
    subprocess.run([CMAKE, "--install", BUILD, "--prefix", place], check=True, capture_output=True, timeout=120)
    return place


def call(prefix, home, *arguments, **variables):
    command = [*clean(home, **variables), prefix / "bin" / "valley", *map(str, arguments)]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_installed_program_prints_version_and_trains(prefix, config, tmp_path):
    assert re.match(r"valley \d+\.\d+\.\d+ ", call(prefix, tmp_path, "--version").stdout)
    call(prefix, tmp_path, "train", config, "train.steps=2", "--out", tmp_path / "runs")
    assert (tmp_path / "runs" / "00000-tiny" / "checkpoints" / "step-00000002" / "COMMIT").is_file()


def test_install_contains_documents_and_scripts(prefix):
    share = prefix / "share"
    for folder, kept in (("configs", "*.toml"), ("examples", "*.py")):
        theirs, ours = ({path.name for path in place.glob(kept)} for place in (share / "valley" / folder, REPOSITORY / folder))
        assert theirs == ours != set()
    documents = share / "doc" / "valley"
    assert {path.name for path in documents.iterdir()} == {"README.md", "LICENSE", "CHANGELOG.md", "docs"}
    assert (documents / "docs" / "config.md").read_bytes() == (REPOSITORY / "docs" / "config.md").read_bytes()
    completion = share / "bash-completion" / "completions" / "valley"
    written = subprocess.run([VALLEY, "completion", "bash"], capture_output=True, text=True, timeout=60, check=False)
    assert completion.read_text() == written.stdout
    assert subprocess.run(["bash", "-n", completion], timeout=60, check=False).returncode == 0
    for script in (share / "valley" / "launch").glob("*.sh"):
        # These read the others.
        assert bool(script.stat().st_mode & 0o111) == script.read_text().startswith("#!"), script


def test_scripts_that_need_the_checkout_are_not_installed(prefix):
    there = {path.name for path in (prefix / "share" / "valley" / "launch").rglob("*")}
    assert there.isdisjoint({"setup.sh", "build.sh", "bundle.sh", "bundle", "quickstart.sh", "requirements.txt"})


def test_installed_program_does_not_search_the_build_folder(prefix):
    dynamic = subprocess.run(["readelf", "-d", prefix / "bin" / "valley"], capture_output=True, text=True, check=True,
                             timeout=60).stdout
    folders = re.search(r"RUNPATH.*\[(.*)\]", dynamic).group(1).split(":")
    assert folders[0].startswith("$ORIGIN/../lib")
    assert str(BUILD) not in folders


def test_install_manifest_removes_all_files(tmp_path):
    place = tmp_path / "prefix"
    subprocess.run([CMAKE, "--install", BUILD, "--prefix", place], check=True, capture_output=True, timeout=120)
    # The command of docs/building.md.
    subprocess.run(["xargs", "-d", r"\n", "-a", BUILD / "install_manifest.txt", "rm"], check=True, timeout=60)
    assert [path for path in place.rglob("*") if not path.is_dir()] == []
