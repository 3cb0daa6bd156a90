"""Output on a terminal: messages are printed above the progress line, each on its own line."""

import os
import pty
import re
import subprocess
import time

import pytest
from program import PATIENCE, VALLEY

CLEAR_TO_END = "\x1b[K"
COLUMNS = 200


def screen(text):
    """The lines on a terminal after `text`, of which the program uses \\r, \\n and 'clear to the end of the line'."""
    lines, column = [""], 0
    for piece in re.findall(r"\r|\n|\x1b\[K|[^\r\n\x1b]+", text):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            lines.append("")
        elif piece == CLEAR_TO_END:
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column].ljust(column) + piece + lines[-1][column + len(piece):]
            column += len(piece)
    return [line for line in lines if line]


def on_terminal(command, folder, kind="xterm"):
    """Output of `command` to a terminal on its stderr."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": kind}
    subprocess.run(["stty", "cols", str(COLUMNS)], stdin=terminal, check=True)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal, cwd=folder,
                          env=environment, start_new_session=True) as process:
        os.close(terminal)
        pieces = []
        try:
            while piece := os.read(controller, 65536):
                pieces.append(piece)
        except OSError:
            pass  # the terminal's last user has gone
        assert process.wait(timeout=PATIENCE) == 0, b"".join(pieces)
    os.close(controller)
    return b"".join(pieces).decode()


def test_messages_are_printed_above_the_progress_line(program):
    command = [VALLEY, "train", program.config, "--out", program.out]
    text = on_terminal(command, program.folder)
    assert text.count("\rstep ") >= 10, "it is redrawn in place"
    lines = screen(text)
    progress = [i for i, line in enumerate(lines) if "step 10 |" in line]
    messages = [line for line in lines if "step 10 |" not in line]
    assert len(progress) == 1 and lines[progress[0]].startswith("step 10 |"), lines
    # Logged while the progress line was shown, and now above it.
    assert lines[progress[0] - 1] == "forwarded 160 real images in this launch", lines
    log = (program.newest() / "log.txt").read_text().splitlines()
    # log.txt begins with the run; its lines start with the time.
    assert messages[-len(log):] == [line.split(" ", 1)[1] for line in log]


def test_remaining_time_includes_work_between_steps(program):
    # Most time of this run is spent on grids.
    steps, middle = 12, 6
    command = [VALLEY, "train", program.config, "--out", program.out, f"train.steps={steps}", "samples.every=1",
               "samples.grid=24x24"]
    begin = time.monotonic()
    text = on_terminal(command, program.folder)
    seconds = time.monotonic() - begin
    [left] = re.findall(rf"\rstep {middle} \|[^\r]* ETA (\d+)s", text)
    assert int(left) + 1 > 0.2 * seconds, text


@pytest.mark.parametrize(("kind", "redraws"), [("xterm", True), ("dumb", False)])
def test_verify_redraws_progress_line_on_capable_terminal(faces, tmp_path, kind, redraws):
    text = on_terminal([VALLEY, "shard", "verify", faces], tmp_path, kind)
    assert (CLEAR_TO_END in text) == redraws
