"""`valley shard build --label-vectors`, read by h5py."""

import json

import h5py
import numpy as np
import pytest
from image_shards import build, color, run
from valley_program import valley

NAMES = [f"{i:06}.png" for i in range(40)]


@pytest.fixture
def faces(tmp_path):
    """A folder of images and a table in CelebA's format with two more rows."""
    for i, name in enumerate(NAMES):
        color(tmp_path / "in", name, 6 * i)
    draw = np.random.default_rng(5)
    values = {name: draw.choice([-1, 1], 3).tolist() for name in [*NAMES, "none-1.png", "none-2.png"]}
    rows = [f"{name} " + " ".join(f"{value:2}" for value in each) for name, each in values.items()]
    (tmp_path / "list_attr.txt").write_text("\n".join([str(len(rows)), "Bald Male Smiling", *rows]) + "\n")
    return tmp_path, values


def vectors(folder):
    found = {}
    for path in sorted(folder.glob("shard-*.h5")):
        with h5py.File(path) as shard:
            assert shard["label_vectors"].dtype == np.dtype("<f4") and shard["label_vectors"].chunks is None
            found |= dict(zip(shard["names"].asstr()[:], shard["label_vectors"][:].tolist(), strict=True))
            names = [name.decode() for name in shard.attrs["label_vector_names"]]
    return found, names


@pytest.mark.parametrize("storage", ["raw", "keep"])
def test_all_columns_of_celeba_are_stored(faces, storage):
    folder, values = faces
    build(folder / "in", folder / "out", "--resolution", 8, "--shard-images", 32, "--storage", storage, "--label-vectors",
          f"csv:{folder / 'list_attr.txt'}")
    found, names = vectors(folder / "out")
    assert names == ["Bald", "Male", "Smiling"] and found == {name: values[name] for name in NAMES}
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["label_vector_names"] == names
    np.testing.assert_allclose(manifest["label_vector_means"], np.mean([values[name] for name in NAMES], 0))
    assert f"Male: mean {manifest['label_vector_means'][1]:.4g}" in valley("shard", "info", folder / "out")
    with h5py.File(folder / "out" / "index.h5") as index:
        assert dict(zip(index["names"].asstr()[:], index["label_vectors"][:].tolist(), strict=True)) == found
    valley("shard", "verify", folder / "out", "--deep")


def test_chosen_columns_and_labels_of_one_table(faces):
    folder, values = faces
    table = folder / "list_attr.txt"
    build(folder / "in", folder / "out", "--resolution", 8, "--labels", f"csv:{table}:Bald", "--label-vectors",
          f"csv:{table}:Smiling,Bald")
    found, names = vectors(folder / "out")
    assert names == ["Smiling", "Bald"] and found == {name: [values[name][2], values[name][0]] for name in NAMES}
    with h5py.File(folder / "out" / "shard-00000.h5") as shard:
        assert (shard["labels"][:] == (shard["label_vectors"][:, 1] > 0)).all()


def test_copies_keep_label_vectors(faces):
    folder, _ = faces
    build(folder / "in", folder / "out", "--resolution", 8, "--label-vectors", f"csv:{folder / 'list_attr.txt'}")
    valley("shard", "reshard", folder / "out", "--shard-images", 32, "--dest", folder / "small")
    assert vectors(folder / "small") == vectors(folder / "out")
    build(folder / "in", folder / "without", "--resolution", 8)
    result = run("shard", "merge", folder / "out", folder / "without", "--dest", folder / "both")
    assert result.returncode == 2 and "label vectors of out and without" in result.stderr


def test_verify_finds_changed_means_and_vectors(faces):
    folder, _ = faces
    build(folder / "in", folder / "out", "--resolution", 8, "--label-vectors", f"csv:{folder / 'list_attr.txt'}:Male")
    path = folder / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("sha256")  # so that other checks find the changes
    path.write_text(json.dumps(manifest | {"label_vector_means": [0.125]}))
    assert "label_vector_means differ" in valley("shard", "verify", folder / "out", "--deep", expect=65)
    path.write_text(json.dumps(manifest | {"label_vector_names": ["Female"]}))
    result = run("shard", "verify", folder / "out")
    assert result.returncode == 65 and "label vectors is Male, but the manifest says Female" in result.stdout
    path.write_text(json.dumps(manifest))
    with h5py.File(folder / "out" / "shard-00000.h5", "r+") as shard:
        shard["label_vectors"][3, 0] = 7
    assert "SHA-256 of its metadata" in valley("shard", "verify", folder / "out", expect=65)


@pytest.mark.parametrize(("text", "options", "parts"), [
    ("path,a\n" + "".join(f"{name},1\n" for name in NAMES[1:]), "", ["1 of 40 images have no row", NAMES[0]]),
    ("path,a\n" + "".join(f"{name},x\n" for name in NAMES), "", ['"x"', "finite number"]),
    ("path,a\n" + "".join(f"{name},inf\n" for name in NAMES), "", ['"inf"', "finite number"]),
    ("path,a\n" + "".join(f"{name},1\n" for name in NAMES), ":b", ['no column "b"', "a"]),
])
def test_bad_tables_name_what_is_wrong(faces, text, options, parts):
    folder, _ = faces
    (folder / "table.csv").write_text(text)
    result = run("shard", "build", "--source", folder / "in", "--dest", folder / "out", "--resolution", 8, "--label-vectors",
                 f"csv:{folder / 'table.csv'}{options}")
    assert result.returncode == 65 and all(part in result.stderr for part in ["table.csv", *parts]), result.stderr
    assert not (folder / "out").exists()


def test_label_vectors_need_a_table(faces):
    folder, _ = faces
    result = run("shard", "build", "--source", folder / "in", "--dest", folder / "out", "--label-vectors", "dirs")
    assert result.returncode == 2 and "csv:FILE" in result.stderr
