#!/usr/bin/env bash
# Compiles every file alone, without precompiled headers and without writing objects: it fails where a file includes too little,
# which a unity build hides. About 12 minutes on two cores for all files.
#
#   tests/includes.sh [FILE ...]     default: all C++ files; names relative to the checkout, such as those that
#                                    `git diff --name-only main -- '*.cpp'` prints
set -euo pipefail
# Variables that change what cd prints, what grep does and which syntax bash takes.
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT
builtin cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly kVenv="${VALLEY_VENV:-$PWD/.venv}"
readonly kBuild=build-includes
export PATH="$kVenv/bin:$PATH"
# Configured in any case: files may be new. What CMake and the commit header generate is built.
cmake -S . -B "$kBuild" -G Ninja -DVALLEY_VENV="$kVenv" -DVALLEY_UNITY=OFF -DVALLEY_PRECOMPILE=OFF >/dev/null
cmake --build "$kBuild" --target valley_commit >/dev/null
exec python3 - "$kBuild/compile_commands.json" "$@" <<'END'
import concurrent.futures, json, os, pathlib, shlex, subprocess, sys

wanted = {str(pathlib.Path(name).resolve()) for name in sys.argv[2:]}
commands = {}
for entry in json.load(open(sys.argv[1])):
    words = shlex.split(entry["command"])
    is_ours = entry["file"].endswith(".cpp") and (not wanted or entry["file"] in wanted)
    if is_ours and "-c" in words:
        commands.setdefault(entry["file"], (words[:words.index("-o")] + ["-fsyntax-only", entry["file"]], entry["directory"]))

def check(item):
    file, (command, folder) = item
    return file, subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True)

failed = 0
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for file, done in pool.map(check, commands.items()):
        if done.returncode != 0:
            failed += 1
            print(done.stderr, file=sys.stderr)
print(f"includes: {len(commands) - failed} files compile alone, {failed} do not")
sys.exit(failed > 0 or not commands)
END
