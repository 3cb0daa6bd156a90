"""The layers of src/: each links the layers that it includes, directly or through them, and no two include each other. Static
libraries hide a missing link until some build, such as one without CUDA, drops the library that brought the symbol."""

import re

import pytest
from valley_program import REPOSITORY

SOURCES = REPOSITORY / "src"
LAYERS = {path.parent.name for path in SOURCES.glob("*/CMakeLists.txt")} - {"gpu"}  # a module that the program loads


def included_by(layer):
    files = [path for path in (SOURCES / layer).rglob("*") if path.suffix in (".h", ".cpp", ".cu")]
    found = {name for path in files for name in re.findall(r'^#include "(\w+)/', path.read_text(), re.MULTILINE)}
    return found & LAYERS - {layer}


def linked_by(layer):
    """With and without CUDA; valley_formatting is the formatting of core."""
    text = (SOURCES / layer / "CMakeLists.txt").read_text()
    named = set(re.findall(r"\bvalley_(\w+)", text))
    return (named | ({"core"} if "formatting" in named else set())) & LAYERS - {layer}


def reached_from(layer, edges):
    found, waiting = set(), [layer]
    while waiting:
        for name in edges(waiting.pop()) - found:
            found.add(name)
            waiting.append(name)
    return found


def test_every_folder_is_found():
    assert {"core", "kernels", "methods", "train", "app"} <= LAYERS


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_layer_links_what_it_includes(layer):
    assert included_by(layer) <= reached_from(layer, linked_by)


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_includes_point_downwards(layer):
    assert layer not in reached_from(layer, included_by)
