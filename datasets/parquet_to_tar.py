#!/usr/bin/env python3
"""Writes the images of parquet files, as Hugging Face data sets have them, into one tar file for `valley shard build`.

    pip install pyarrow
    datasets/parquet_to_tar.py data/cats.tar cats/train-*.parquet
    valley shard build --source data/cats.tar --dest data/cats-256

The files are read a row group at a time, and images are copied as they are: nothing is decoded and memory stays small. A row's
image is in the column --image: encoded bytes, or a struct with "bytes" and "path". Its name in the tar is its path, or else its
number and the extension of its format. The column --label (whole numbers), if there is one, and the names of the classes in the
metadata of Hugging Face become the "labels" and "class_names" of a dataset.json in the tar.
"""

import argparse
import io
import json
import sys
import tarfile

SIGNATURES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}
ROWS = 256  # per batch


def extension_of(content):
    return next((extension for begin, extension in SIGNATURES.items() if content.startswith(begin)), None)


def class_names_of(schema, column):
    """Names of the classes in Hugging Face's description of the columns, or None."""
    description = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = description.get("info", {}).get("features", {}).get(column, {})
    return feature.get("names") if feature.get("_type") == "ClassLabel" else None


def images_of(files, image, label):
    """Yields (encoded bytes, path or None, class or None) of each row."""
    import pyarrow.parquet

    for path in files:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if image not in names:
            sys.exit(f"parquet_to_tar.py: {path} has no column {image}; name one of {', '.join(names)} with --image")
        columns = [image] + ([label] if label in names else [])
        for batch in file.iter_batches(ROWS, columns=columns):
            for row in batch.to_pylist():
                value = row[image]
                is_struct = isinstance(value, dict)
                content = value["bytes"] if is_struct else value
                if content is None:
                    sys.exit(f"parquet_to_tar.py: a row of {path} has a path without bytes; the images have to be in the file")
                yield content, value.get("path") if is_struct else None, row.get(label)


class Writer:
    def __init__(self, archive):
        self.archive, self.names, self.labels = archive, set(), []

    def add(self, name, content):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self.archive.addfile(info, io.BytesIO(content))

    def add_image(self, content, path, label):
        extension = extension_of(content)
        if extension is None:
            sys.exit(f"parquet_to_tar.py: row {len(self.names)} ({path}) is not a PNG, JPEG or WebP image")
        name = path if path and path not in self.names else f"{len(self.names):08}{extension}"
        self.names.add(name)
        self.add(name, content)
        if label is not None:
            self.labels.append([name, int(label)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tar", help="the file to write")
    parser.add_argument("parquet", nargs="+", help="parquet files, in this order")
    parser.add_argument("--image", default="image", help="column of the images [image]")
    parser.add_argument("--label", default="label", help="column of the classes [label]")
    options = parser.parse_args()
    try:
        import pyarrow.parquet
    except ImportError as error:
        sys.exit(f"parquet_to_tar.py: {error}; pip install pyarrow")
    with tarfile.open(options.tar, "w") as archive:
        writer = Writer(archive)
        for content, path, label in images_of(options.parquet, options.image, options.label):
            writer.add_image(content, path, label)
        if writer.labels:
            described = {"labels": writer.labels}
            names = class_names_of(pyarrow.parquet.read_schema(options.parquet[0]), options.label)
            if names:
                described["class_names"] = names
            writer.add("dataset.json", json.dumps(described).encode())
    print(f"{options.tar}: {len(writer.names)} images, {len(writer.labels)} with a label")


if __name__ == "__main__":
    main()
