"""Configuration of the build folder."""

import pathlib
import re

from program import BUILD


def cached(name):
    """A variable of the CMake cache."""
    return re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE).group(1)


CMAKE = pathlib.Path(cached("CMAKE_COMMAND"))
TORCH = pathlib.Path(cached("VALLEY_TORCH_ROOT"))
