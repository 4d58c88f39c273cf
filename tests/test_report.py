import base64
import io
import os
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lenet_jax import report
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.errors import UserError
from lenet_jax.inference import calibration
from lenet_jax.report.figures import signed
from lenet_jax.report.galleries import ZOOM
from lenet_jax.report.page import page as draw_page
from lenet_jax.report.reliability import wilson
from lenet_jax.runs.workdir import Record
from lenet_jax.training.result import Result

ROW = {"epoch": 1.0, "train_loss": 0.5, "train_accuracy": 0.8}
HELD = {"holdout_loss": 0.1, "holdout_accuracy": 0.97, "ensemble_accuracy": 0.98}


def a_result(config, rows, *, data_rows=42_000, train_rows=37_800, **fields):
    """What a run has come to; fields of the record, too."""
    record = Record(
        config=config,
        data_source=fields.pop("data_source", "kaggle-train"),
        data_name=fields.pop("data_name", "digit-recognizer.zip"),
        data_fingerprint="0123456789abcdef",
        data_rows=data_rows,
        train_rows=train_rows,
    )
    nothing = dict.fromkeys(("training", "holdout", "probabilities_NxK", "params"))
    return Result(
        **nothing | {"record": record, "rows": rows, "networks": [], "devices": "2 x cpu"} | fields
    )


LAST = {"holdout_accuracy": 0.98765, "ensemble_accuracy": 0.99123, "seconds": 185.0}
MEMBERS = Config(members=4, seed=3, epochs=17)


def a_card(config=MEMBERS, workdir="runs/first", *, last=LAST, **fields):
    return report.model_card(a_result(config, [last], **fields), workdir)


def pixels(figure):
    """RGB, decoded."""
    with Image.open(io.BytesIO(report.png(figure))) as image:
        return np.asarray(image.convert("RGB"))


def size(figure):
    return pixels(figure).shape[1::-1]


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def guesses(labels, seed=0, sharpness=3.0):
    logits = np.random.default_rng(seed).normal(size=(len(labels), 10))
    logits[np.arange(len(labels)), labels] += 1
    unnormalised = np.exp(sharpness * logits)
    return unnormalised / unnormalised.sum(axis=1, keepdims=True)


def digits(count):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.int32)
    return images, labels, guesses(labels)


# Learning curves


@pytest.mark.parametrize(
    "rows",
    [
        [ROW],
        [ROW | {"holdout_loss": None, "holdout_accuracy": None, "ensemble_accuracy": None}],
        [ROW | HELD | {"epoch": float(epoch)} for epoch in range(1, 80)],
        [ROW | HELD, {"epoch": 2.0, "train_loss": 0.0, "train_accuracy": 1.0}],
        [ROW, {"epoch": 2.0, "train_loss": float("inf"), "train_accuracy": float("nan")}],
        [ROW, {"epoch": 2.0, "train_loss": 1e-7, "train_accuracy": 0.999_999}],
        [{"epoch": 1.0, "train_loss": None, "train_accuracy": None}],
    ],
    ids=["one", "no hold-out", "long", "perfect", "diverged", "decades", "nothing"],
)
def test_curves_of_any_rows_are_drawn_in_the_same_size(rows):
    assert size(report.draw_curves(rows)) == (1200, 540)


def test_curves_show_only_what_is_there():
    alone = " ".join(texts(report.draw_curves([ROW | HELD | {"ensemble_accuracy": None}])))
    assert "hold-out: 3.00%" in alone
    assert "training: 20.00%" in alone
    assert "ensemble" not in alone
    four = " ".join(texts(report.draw_curves([ROW | HELD])))
    assert "hold-out, mean of members: 3.00%" in four
    assert "hold-out, ensemble: 2.00%" in four


def test_error_rates_of_several_decades_get_a_log_axis():
    rows = [ROW | {"epoch": 1.0}, ROW | {"epoch": 2.0, "train_accuracy": 0.995}]
    error = report.draw_curves(rows).axes[1]
    assert error.get_yscale() == "log"
    np.testing.assert_allclose(error.lines[0].get_ydata(), [20, 0.5])
    assert report.draw_curves([ROW]).axes[1].get_yscale() == "linear"


def test_no_rows_make_no_curves():
    with pytest.raises(ValueError, match="no epochs"):
        report.draw_curves([])


# Confusion matrix


def test_confusion_writes_every_count_where_it_belongs():
    matrix_KxK = np.arange(100).reshape(10, 10)
    figure = report.draw_confusion(matrix_KxK)
    (axes,) = figure.axes
    written = {text.get_position(): text.get_text() for text in axes.texts}
    # Columns, the predicted digits, run along x.
    assert written == {(p, t): str(matrix_KxK[t, p]) for t in range(10) for p in range(10)}
    assert size(figure) == (900, 960)


def test_the_colours_of_a_confusion_are_those_of_its_mistakes():
    matrix_KxK = np.diag(np.full(10, 6_131))
    matrix_KxK[4, 9], matrix_KxK[7, 2] = 12, 3
    figure = report.draw_confusion(matrix_KxK)
    (image,) = figure.axes[0].images
    assert image.get_clim() == (0, 12)
    assert image.get_array().mask.diagonal().all()
    assert any("61,310 of 61,325 digits right (99.98%)" in text for text in texts(figure))


@pytest.mark.parametrize("matrix_KxK", [np.zeros((10, 10), int), np.diag([10**7] * 10), [[3]]])
def test_confusions_without_mistakes_are_drawn_too(matrix_KxK):
    assert size(report.draw_confusion(np.array(matrix_KxK))) == (900, 960)


@pytest.mark.parametrize("matrix_KxK", [np.zeros((10, 9)), np.zeros(10), np.zeros((0, 0)), [[-1]]])
def test_what_is_no_confusion_is_refused(matrix_KxK):
    with pytest.raises(ValueError, match="a confusion matrix"):
        report.draw_confusion(np.array(matrix_KxK))


# Galleries


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 1000))
def test_the_most_confident_mistake_comes_first(labels, seed):
    labels_N = np.array(labels, np.int32)
    probabilities_NxK = guesses(labels_N, seed)
    order = report.worst_mistakes(labels_N, probabilities_NxK)
    predicted_N = probabilities_NxK.argmax(axis=1)
    assert sorted(order) == np.flatnonzero(predicted_N != labels_N).tolist()
    confidence = probabilities_NxK.max(axis=1)[order]
    assert (np.diff(confidence) <= 0).all()


def test_mistakes_of_the_same_confidence_stay_in_order():
    probabilities_NxK = np.tile([0.5, 0.3, 0.2], (4, 1))
    assert report.worst_mistakes(np.array([1, 0, 2, 1]), probabilities_NxK).tolist() == [0, 2, 3]


def test_the_gallery_titles_its_digits():
    images_NxHxW, _, _ = digits(3)
    probabilities_NxK = np.array([[0.6, 0.4], [0.9995, 0.0005], [0.0, 1.0]])
    figure = report.draw_mistakes(images_NxHxW, np.array([1, 1, 1]), probabilities_NxK)
    titles = [text for text in texts(figure) if text.startswith("1")]
    assert titles == ["1 \u2192 0, >99.9%", "1 \u2192 0, 60.0%"]
    for cell, digit in enumerate((1, 0)):
        np.testing.assert_array_equal(drawn(figure, cell), 255 - images_NxHxW[digit])


def drawn(figure, cell):
    """A digit in the first row of the gallery of mistakes, as it is drawn."""
    left = 24 + cell * (28 * ZOOM + 24)
    return pixels(figure)[106:, left:][: 28 * ZOOM, : 28 * ZOOM][::ZOOM, ::ZOOM, 0]


@pytest.mark.parametrize(("limit", "height"), [(1, 214), (8, 214), (9, 336), (48, 824)])
def test_the_gallery_shows_as_many_as_asked(limit, height):
    images_NxHxW, labels_N, probabilities_NxK = digits(200)
    figure = report.draw_mistakes(images_NxHxW, labels_N, probabilities_NxK, limit)
    assert len(figure.texts) == limit + 2
    assert size(figure) == (888, height)


def test_no_mistakes_are_told_so():
    images_NxHxW, labels_N, _ = digits(20)
    figure = report.draw_mistakes(images_NxHxW, labels_N, np.eye(10)[labels_N])
    assert texts(figure) == ["None of 20 digits is wrong"]
    nothing = report.draw_mistakes(images_NxHxW[:0], labels_N[:0], np.zeros((0, 10)))
    assert texts(nothing) == ["There are no digits"]
    assert pixels(figure).min() < 128


def test_mistaken_use_of_the_gallery_is_refused():
    images_NxHxW, labels_N, probabilities_NxK = digits(4)
    with pytest.raises(ValueError, match="same digits"):
        report.draw_mistakes(images_NxHxW[:3], labels_N, probabilities_NxK)
    with pytest.raises(ValueError, match="limit"):
        report.draw_mistakes(images_NxHxW, labels_N, probabilities_NxK, 0)


def test_every_pixel_of_an_augmented_digit_is_a_square():
    images_NxHxW, _, _ = digits(100)
    picture = pixels(report.draw_augmented(images_NxHxW.astype(np.float32)))
    assert picture.shape == (1020, 960, 3)
    side, left, top = 28 * ZOOM, 24, 84
    last = 9 * (side + 8)
    for index, (row, column) in {0: (0, 0), 9: (0, last), 99: (last, last)}.items():
        cell = picture[top + row :, left + column :][:side, :side, 0]
        squares = cell.reshape(28, ZOOM, 28, ZOOM)
        assert (squares == squares[:, :1, :, :1]).all()
        expected = 255 - images_NxHxW[index].astype(int)
        np.testing.assert_allclose(squares[:, 0, :, 0].astype(int), expected, atol=1)


@pytest.mark.parametrize(("count", "height"), [(1, 192), (37, 468), (101, 1020)])
def test_a_grid_takes_at_most_a_hundred_digits(count, height):
    assert size(report.draw_augmented(digits(count)[0])) == (960, height)
    with pytest.raises(ValueError, match="no digits"):
        report.draw_augmented(digits(0)[0])


# Reliability


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 1000))
def test_calibration_is_that_of_its_definition(labels, seed):
    labels_N = np.array(labels, np.int32)
    probabilities_NxK = guesses(labels_N, seed)
    bins = calibration.sort_into_bins(probabilities_NxK, labels_N)
    assert bins.count_Q.sum() == len(labels)
    sure_N = probabilities_NxK.max(axis=1)
    right_N = probabilities_NxK.argmax(axis=1) == labels_N
    error = 0.0
    for index in range(10):
        inside = (sure_N > index / 10) & (sure_N <= (index + 1) / 10)
        assert bins.count_Q[index] == inside.sum()
        if inside.any():
            np.testing.assert_allclose(bins.confidence_Q[index], sure_N[inside].mean())
            np.testing.assert_allclose(bins.accuracy_Q[index], right_N[inside].mean())
            error += inside.mean() * abs(right_N[inside].mean() - sure_N[inside].mean())
        else:
            assert np.isnan(bins.confidence_Q[index])
    np.testing.assert_allclose(bins.error, error, atol=1e-12)


def test_who_is_as_sure_as_right_has_no_calibration_error():
    probabilities_NxK = np.tile([0.75, 0.25], (4, 1))
    assert calibration.expected_error(probabilities_NxK, np.array([0, 0, 0, 1])) == 0
    certain = np.eye(10)[[1, 2]]
    assert calibration.sort_into_bins(certain, np.array([1, 2])).count_Q.tolist() == [0] * 9 + [2]
    assert calibration.expected_error(certain, np.array([3, 4])) == 1


def test_intervals_hold_the_share_and_narrow_with_more_digits():
    share = np.array([0.0, 0.3, 1.0])
    low, high = wilson(share, np.array([10, 10, 10]))
    assert (low <= share + 1e-12).all()
    assert (share <= high + 1e-12).all()
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263, 20]))
    np.testing.assert_allclose([low, high], [[0.2553, 0.0], [0.3662, 0.1611]], atol=5e-5)


def test_the_diagram_shows_only_bins_that_hold_digits():
    labels_N = np.array([0, 0, 0, 1], np.int32)
    figure = report.draw_reliability(labels_N, np.tile([0.75, 0.25], (4, 1)))
    assert size(figure) == (900, 900)
    accuracy, counts = figure.axes
    np.testing.assert_allclose(accuracy.lines[1].get_xydata(), [[0.75, 0.75]])
    assert [bar.get_height() for bar in counts.patches] == [4]
    assert "Expected calibration error 0.00%" in texts(figure)
    with pytest.raises(ValueError, match="no digits"):
        report.draw_reliability(labels_N[:0], np.zeros((0, 10)))


# Layers


def test_maps_keep_their_signs_and_their_scale():
    image_HxW = digits(1)[0][0]
    rising = np.linspace(-2, 1, 6 * 25).reshape(6, 5, 5)
    maps = {"C1": np.zeros((6, 28, 28)), "S4": np.ones((16, 5, 5))}
    figure = report.draw_layers(rising, image_HxW, maps)
    picture = pixels(figure)
    assert picture.shape[1] == 908
    labels = texts(figure)
    for text in ("digit", "C1, filters", "6 x 5 x 5", "\u00b12.00", "16 x 5 x 5", "\u00b11.00"):
        assert text in labels
    left, top, step = 156, 192, 92
    assert (picture[top, left] == signed(np.array([[-2.0]]), 2)[0, 0]).all()
    last = picture[top + 79, left + 5 * step + 79]
    assert (last == signed(np.array([[1.0]]), 2)[0, 0]).all()
    # Zeros are paper.
    assert (picture[292:376, left : left + 84] == 255).all()


def test_colours_of_numbers():
    colours = signed(np.array([[-1.0, 0.0, 1.0, 5.0]]), 1.0)[0]
    assert colours.tolist() == [[0, 114, 178], [255, 255, 255], [213, 94, 0], [213, 94, 0]]


# The page


def some_run(held=True, config=Config(), **fields):  # noqa: B008
    images_NxHxW, labels_N, probabilities_NxK = digits(40)
    rows = [ROW | {"seconds": 1.5} | (HELD if held else dict.fromkeys(HELD))]
    holdout = Dataset(images_NxHxW=images_NxHxW, labels_N=labels_N, source="csv", name="")
    seen = {"holdout": holdout, "probabilities_NxK": probabilities_NxK} if held else {}
    name = {"data_name": "<digits>/digits & co.zip", "train_rows": 360}
    return a_result(**{"config": config, "rows": rows} | seen | name | fields)


FILTERS = np.ones((6, 5, 5))
MAPS = {"C1": np.ones((6, 28, 28)), "S2": np.ones((6, 14, 14))}


def inside():
    images_NxHxW = digits(40)[0]
    return report.layers(FILTERS, images_NxHxW[0], MAPS), report.augmented(images_NxHxW[:10])


class Reader(HTMLParser):
    """What a browser would be given: text, pictures, and anything that it would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.text, self.fetched = [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if tag == "img":
            self.images.append(attributes)
        self.fetched += [attributes[name] for name in ("src", "href") if name in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_needs_nothing_beside_itself(tmp_path):
    run = some_run()
    report.write_report(run, inside(), tmp_path / "report")
    files = {path.name: path for path in (tmp_path / "report").iterdir()}
    names = ["curves", "confusion", "mistakes", "reliability", "layers", "augmented"]
    assert set(files) == {"report.html", *(f"{name}.png" for name in names)}
    page = read(files["report.html"].read_text())
    assert len(page.images) == 6
    for name, image in zip(names, page.images, strict=True):
        kind, _, content = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        png = base64.b64decode(content, validate=True)
        assert png == files[f"{name}.png"].read_bytes()
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size == (int(image["width"]), int(image["height"]))
        assert len(image["alt"]) > 20
    assert all(address.startswith("data:") for address in page.fetched)


def test_the_numbers_of_the_page_are_text():
    run = some_run()
    labels_N, probabilities_NxK = run.held
    right = int((probabilities_NxK.argmax(1) == labels_N).sum())
    sections = report.list_sections(run, inside())
    text = "\n".join(read(draw_page(report.title(run), report.facts(run), sections)).text)
    assert f"{right / 40:.2%} ({right} of 40 digits)" in text
    assert "LeNet-5 on <digits>" in text
    assert "digits & co.zip" in text
    assert "360 digits" in text
    chosen_N = probabilities_NxK[np.arange(40), labels_N]
    assert f"{-np.log(chosen_N).mean():.4f}" in text
    for name, value in run.record.config.as_dict().items():
        assert name in text
        assert str(value) in text


def test_a_run_without_a_holdout_or_an_epoch_has_a_report_too():
    run = some_run(held=False, rows=[])
    names = [section.name for section in report.list_sections(run, inside())]
    assert names == ["layers", "augmented", ""]
    facts = dict(report.facts(some_run(held=False)).rows)
    assert facts["hold-out"] == "none, so no accuracy is claimed"
    assert not any("accuracy" in name for name in facts)


# Files


def test_pictures_are_written_whole_with_their_folder(tmp_path):
    path = tmp_path / "run" / "report" / "curves.png"
    report.write(report.draw_curves([ROW | HELD]), path)
    assert list(path.parent.iterdir()) == [path]
    with Image.open(path) as image:
        assert image.format == "PNG"
        image.load()


def test_a_picture_is_the_same_twice():
    assert report.png(report.draw_curves([ROW])) == report.png(report.draw_curves([ROW]))


def test_a_file_in_the_way_is_the_users_mistake(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(UserError, match="cannot be made a folder"):
        report.write(report.draw_curves([ROW]), tmp_path / "report" / "curves.png")
    assert (tmp_path / "report").read_text() == "mine"


def test_matplotlib_is_imported_late_and_pyplot_and_jax_never():
    code = """
import sys
from lenet_jax import report
from lenet_jax.inference import calibration
assert "matplotlib" not in sys.modules
report.png(report.draw_curves([{"epoch": 1.0, "train_loss": 0.5, "train_accuracy": 0.8}]))
assert "matplotlib.figure" in sys.modules
assert not {"jax", "matplotlib.pyplot", "tkinter"} & set(sys.modules)
"""
    environment = {**os.environ, "MPLBACKEND": "TkAgg"}
    environment.pop("DISPLAY", None)
    subprocess.run(
        [sys.executable, "-W", "error", "-W", "default::DeprecationWarning", "-c", code],
        check=True,
        env=environment,
    )


# Model card


def test_the_card_tells_the_numbers():
    text = a_card()
    for part in (
        "# 4 x LeNet-5",
        "61,706",
        "246,824",
        "| one network, mean of the members | 98.77% | 4,200 | 17 |",
        "| ensemble of 4 | 99.12% | 4,200 | 17 |",
        "0.14 points",
        "42,000, of which 37,800",
        "`digit-recognizer.zip`",
        "`0123456789abcdef`",
        "seeds 3 to 6",
        "17 epochs in 3 min 5 s",
        "2 x cpu",
        "python run_predict.py --workdir=runs/first --data=digit-recognizer.zip "
        "--output=submission.csv",
    ):
        assert part in text
    for name, value in MEMBERS.as_dict().items():
        assert f"| `{name}` | `{value}` |" in text
    for name in ("python", "jax", "jaxlib", "flax", "optax", "numpy"):
        assert f"| {name} | {report.versions()[name]} |" in text
    assert f"{np.__version__} |" in text


def head_of(card):
    start, head, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(head)


def test_the_head_of_the_card_is_what_hugging_face_reads():
    fields = head_of(a_card(data_name='my "digits": #1'))
    assert fields["license"] == "apache-2.0"
    assert fields["library_name"] == "flax"
    assert fields["metrics"] == ["accuracy"]
    assert fields["datasets"] == ["ylecun/mnist"]
    assert fields["pipeline_tag"] == "image-classification"
    # Required of model-index: huggingface/hub-docs, modelcard.md.
    (model,) = fields["model-index"]
    (result,) = model["results"]
    assert model["name"] == "4 x LeNet-5"
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"]["type"] == "ylecun/mnist"
    assert result["dataset"]["name"] == 'my "digits": #1'
    assert result["metrics"] == [
        {"type": "accuracy", "value": 0.99123, "name": "Hold-out accuracy"}
    ]


def test_the_head_claims_no_more_than_the_card():
    fields = head_of(a_card(train_rows=42_000, data_source="idx"))
    assert "model-index" not in fields
    assert "datasets" not in fields
    assert head_of(a_card(last=LAST | {"ensemble_accuracy": None}))["model-index"][0]["results"][0][
        "metrics"
    ][0]["value"] == pytest.approx(0.98765)


def test_the_card_has_the_sections_of_hugging_faces_template():
    text = a_card()
    template = [
        "## Model Details",
        "## Uses",
        "### Direct Use",
        "### Out-of-Scope Use",
        "## Bias, Risks, and Limitations",
        "## How to Get Started with the Model",
        "## Training Details",
        "### Training Data",
        "### Training Procedure",
        "#### Training Hyperparameters",
        "## Evaluation",
        "## Technical Specifications",
    ]
    found = [line for line in text.splitlines() if line in template]
    assert found == template


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("kaggle-train", None),
        ("sample-train", "include digits of Kaggle's test set"),
        ("mnist-train", "include digits of Kaggle's test set"),
        ("idx", "origin of these digits is not known"),
        ("csv", "origin of these digits is not known"),
    ],
)
def test_the_card_owns_up_to_having_seen_the_test_set(source, line):
    text = a_card(data_source=source)
    assert ("Kaggle's test set" in text) == (line is not None)
    assert line is None or line in text


def test_a_card_without_a_holdout_claims_nothing():
    none = dict.fromkeys(("holdout_accuracy", "ensemble_accuracy"))
    text = a_card(Config(), train_rows=42_000, last=LAST | none)
    assert "claims no accuracy" in text
    assert "%" not in text
    assert "ensemble" not in text.lower()


def test_a_single_network_is_no_ensemble():
    alone = Config(model="lecun1998", seed=5)
    text = a_card(alone, last=LAST | {"ensemble_accuracy": None})
    assert "# LeNet-5 of 1998\n" in text
    assert "| one network | 98.77% |" in text
    assert "- seed 5\n" in text
    assert "nsemble of" not in text


def test_foreign_text_cannot_break_the_card():
    text = a_card(workdir="my `runs`; ls", data_name="a`b\n# c|d")
    assert "--workdir='my `runs`; ls' " in text
    assert "\n# c" not in text
    assert text.endswith("|\n")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (7265, "2 h 1 min"),
    ],
)
def test_durations_round_as_people_do(seconds, told):
    assert f"in {told}\n" in a_card(last=LAST | {"seconds": seconds})


def test_a_sweep_has_a_panel_for_each_field():
    networks = [
        {"learning_rate": rate, "elastic": field, "holdout_accuracy": 0.9 + 0.01 * field}
        for rate in (1e-3, 2e-3)
        for field in (0.0, 0.5, 1.0)
    ]
    figure = report.draw_sweep(networks, ["learning_rate", "elastic"])
    assert {"learning_rate", "elastic", "0.001", "0.002", "0.5"} <= set(texts(figure))
    means = figure.axes[1].lines[-1].get_ydata()
    np.testing.assert_allclose(means, [90, 90.5, 91])


def test_a_sweep_is_on_the_page(tmp_path):
    rows = [
        {"network": k, "seed": k, "fold": 0, "shift": k // 2, "holdout_accuracy": 0.9 + 0.01 * k}
        for k in range(4)
    ]
    config = Config(sweep="shift=0,1", members=2)
    without = report.list_sections(some_run(config=config), inside())
    assert "sweep" not in {section.name for section in without}
    report.write_report(some_run(networks=rows, config=config), inside(), tmp_path)
    assert (tmp_path / "sweep.png").exists()
    text = (tmp_path / report.PAGE).read_text()
    assert "Hold-out accuracy against what was swept; best on average is shift=1." in text
    # Two networks each, and no column for what tells only which network it is.
    assert "92.500%" in text
    assert "<th>fold</th>" not in text


@pytest.mark.parametrize(
    ("networks", "folds", "told"),
    [
        (1, 0, "1"),
        (4, 0, "4, their probabilities averaged"),
        (5, 5, "5, 1 that has not seen each of 5 folds"),
        (10, 5, "10, 2 that have not seen each of 5 folds, their probabilities averaged"),
    ],
)
def test_what_is_averaged_is_said(networks, folds, told):
    run = some_run(config=Config(folds=folds, members=networks // max(1, folds)))
    assert dict(report.facts(run).rows)["networks"] == told
    texts = [section.text for section in report.list_sections(run, inside())]
    assert any("calibration.json" in text for text in texts) != bool(folds)


def test_a_card_says_what_the_networks_are():
    config = Config(width=2, folds=5, sweep="shift=1,2", teacher="runs/wise")
    text = a_card(config)
    assert "# 10 x LeNet-5, 2 times as wide\n" in text
    assert "Taught by the networks of the run in `runs/wise`" in text
    assert "seeds and folds that they were not trained on and hyperparameters (`shift=1,2`)" in text


def test_a_card_of_folds_says_what_was_held_out():
    folds, alone = Config(folds=5, epochs=17), LAST | {"ensemble_accuracy": None}
    text = a_card(folds, train_rows=33_600, last=alone)
    assert "trained without one of 5 folds, 33,600 digits" in text
    assert "| one network, mean of the members | 98.77% | 42,000 | 17 |" in text


# Read by everybody, on everything


def test_a_logarithmic_axis_says_so():
    rows = [ROW | {"epoch": 1.0}, ROW | {"epoch": 2.0, "train_accuracy": 0.995}]
    loss, error = report.draw_curves(rows).axes
    assert error.get_title() == "Error rate, % of digits (logarithmic scale)"
    assert loss.get_title() == "Loss"
    zero = [*rows, ROW | {"epoch": 3.0, "train_accuracy": 1.0}]
    assert "logarithmic" in report.draw_curves(zero).axes[1].get_title()


def test_curves_stand_one_below_the_other_on_a_phone():
    wide, narrow = report.draw_curves([ROW | HELD]), report.draw_narrow_curves([ROW | HELD])
    assert size(narrow) == (600, 1080)
    loss, error = narrow.axes
    assert loss.get_position().y0 > error.get_position().y1
    assert [axes.get_title() for axes in narrow.axes] == [axes.get_title() for axes in wide.axes]
    # All text lies inside, which nothing but its extent tells.
    for figure in (wide, narrow):
        report.png(figure)
        legends = [text for axes in figure.axes for text in axes.get_legend().get_texts()]
        for text in (*figure.texts, *legends, *(axes.title for axes in figure.axes)):
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text


def test_no_heading_stands_twice():
    run = some_run()
    sections = report.list_sections(run, inside())
    headings = [section.heading for section in sections]
    assert len(set(headings)) == len(headings)
    drawn = [
        *texts(report.draw_augmented(digits(10)[0])),
        *texts(report.draw_layers(FILTERS, digits(1)[0][0], MAPS)),
        *texts(report.draw_curves(run.rows)),
    ]
    assert not set(headings) & set(drawn)


def test_the_page_has_pictures_for_a_phone_and_for_the_night():
    run = some_run()
    sections = report.list_sections(run, inside())
    narrow = {section.name: section.narrow_png for section in sections if section.narrow_png}
    assert set(narrow) == {"curves", "mistakes", "layers"}
    for png in narrow.values():
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.width <= 640
    page = draw_page(report.title(run), report.facts(run), sections)
    assert read(page)
    assert page.count("<source media=") == 3
    assert "color-scheme: light dark" in page
