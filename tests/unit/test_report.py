import json
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from inkdigits.data.dataset import Examples
from inkdigits.errors import CannotWrite
from inkdigits.evaluation import plots
from inkdigits.evaluation.corruptions import NAMES
from inkdigits.evaluation.gallery import misread_images
from inkdigits.evaluation.measure import evaluation_dict, measure
from inkdigits.evaluation.paired import compare_models
from inkdigits.evaluation.report import mean_confidence, write_report
from inkdigits.evaluation.robustness import Robustness, robustness_dict
from inkdigits.evaluation.robustness_plot import plot_robustness

N = 60
HISTORY = [
    {"epoch": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.4, "val_accuracy": 0.9},
    {"epoch": 2, "loss": 0.3, "accuracy": 0.9, "val_loss": 0.3, "val_accuracy": 0.91},
    {"epoch": 3, "loss": 0.2, "accuracy": 0.95, "val_loss": 0.35, "val_accuracy": 0.9},
]
SAVED = [
    {"file": "model.keras", "format": "Keras", "size_bytes": 1_345_678, "accuracy": 0.9787,
     "max_difference": 0.0, "same": True},
    {"file": "model.onnx", "format": "ONNX", "size_bytes": 438_321, "accuracy": 0.9786,
     "max_difference": 3.2e-7, "same": False},
]  # fmt: skip
VOID = {"img", "meta", "link", "br", "hr", "input"}


@pytest.fixture(scope="module")
def split():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (N, 28, 28), dtype=np.uint8)
    return images, np.arange(N) % 9, random.dirichlet(np.full(10, 0.3), N)


@pytest.fixture(scope="module")
def measurement(split):
    return measure(split[2], split[1])


@pytest.fixture(scope="module")
def evaluation(measurement):
    every = dict.fromkeys(("train", "val", "test"), measurement)
    return json.loads(json.dumps(evaluation_dict(every)))


@pytest.fixture(scope="module")
def figures(split, measurement):
    return plots.plot_report(*split, measurement, HISTORY)


class Page(HTMLParser):
    """What the tests ask of a page: its tags, its text, and that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += " ".join(data.split()) + " "

    def every(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def report(folder, evaluation, **changes):
    parts = {
        "title": "early-stopping, seed 1",
        "recipe_text": "[training]\nepochs = 3\n",
        "environment": {"seed": 1, "comparable": True},
        "evaluation": evaluation,
        "history": [],
        "plots": {},
        "saved": [],
    }
    write_report(folder / "report.html", **(parts | changes))
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory, evaluation, figures):
    folder = tmp_path_factory.mktemp("report")
    pngs = {name: plots.png_bytes(figure) for name, figure in figures.items()}
    plots.save_png(figures["digits"], folder / "plots" / "digits.png")
    pngs["digits"] = folder / "plots" / "digits.png"
    environment = {
        "data": "mnist",
        "data_sha256": "ab" * 32,
        "command": ["inkdigits", "train", "early-stopping"],
        "versions": {"keras": "3.15.1", "jax": "0.10.0"},
        "training_seconds": 83.4,
        "comparable": True,
    }
    return report(
        folder, evaluation, environment=environment, history=HISTORY, plots=pngs, saved=SAVED
    )


def test_report_is_self_contained(page):
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "action"):
            assert attrs.get(name, "data:").startswith(("data:", "#")), (tag, attrs[name])
    assert not page.every("script")


def test_every_picture_is_inlined_with_alt_text_and_size(page, figures):
    pictures = page.every("img")
    assert len(pictures) == len(figures) == 7
    assert len({picture["alt"] for picture in pictures}) == 7
    for picture in pictures:
        assert picture["src"].startswith("data:image/png;base64,iVBORw0KGgo")
        assert int(picture["width"]) > 300
        assert int(picture["height"]) > 200


def test_headings_tables_and_links_are_accessible(page):
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert len(page.every("caption")) == len(page.every("table"))
    assert all(cell["scope"] in ("row", "col") for cell in page.every("th"))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {link["href"][1:] for link in page.every("a")} <= ids


def test_report_tells_the_score_in_plain_words(page, measurement):
    assert f"{100 * measurement.accuracy:.2f} %" in page.text
    assert f"{measurement.wrong} of {N} wrong." in page.text
    low, high = measurement.accuracy_interval
    assert f"{100 * low:.2f} % to {100 * high:.2f} %" in page.text
    assert "Gap, train − test: +0.00 percentage points" in page.text
    worst = measurement.confused_pairs[0]
    assert f"{worst['true']} read as {worst['predicted']}, {worst['count']} times" in page.text


def test_report_tells_how_it_was_made(page):
    for words in (
        "inkdigits train early-stopping", "keras 3.15.1, jax 0.10.0", "Data SHA-256", "1 min 23 s",
        "1.35 MB", "438.3 kB", "97.86 %", "3.2e-07", "epochs = 3", "The 3 epochs in figures",
    ):  # fmt: skip
        assert words in page.text
    assert [attrs["class"] for attrs in page.every("span")] == ["good", "bad"]


def test_report_of_a_bare_model(tmp_path, evaluation):
    bare = {key: value for key, value in evaluation.items() if key.split("_")[0] != "train"}
    page = report(tmp_path, {key: bare[key] for key in bare if key != "gap"}, recipe_text="")
    assert not page.every("img")
    assert not page.every("pre")
    assert "Training" not in page.text
    assert "Gap" not in page.text


def test_recipe_title_and_facts_are_escaped(tmp_path, evaluation):
    hostile = '<script>alert("1")</script>'
    page = report(
        tmp_path, evaluation, title=hostile, recipe_text=hostile, notice=hostile,
        environment={hostile: {hostile: hostile}}, saved=[{"file": hostile}],
        history=[{"epoch": 1, hostile: 2}],
    )  # fmt: skip
    assert not page.every("script")
    assert page.text.count(hostile) >= 7


def test_notice_when_the_score_does_not_compare(tmp_path, evaluation):
    page = report(tmp_path, evaluation, environment={"comparable": False})
    assert "does not compare with published MNIST figures" in page.text
    page = report(tmp_path, evaluation, environment={"comparable": False}, notice="Other words.")
    assert "Other words." in page.text
    assert "does not compare" not in page.text
    assert "does not compare" not in report(tmp_path, evaluation).text


def test_extra_plots_come_with_their_name_as_alt_text(tmp_path, evaluation, figures):
    extra = {"my own plot": plots.png_bytes(figures["digits"])}
    assert [p["alt"] for p in report(tmp_path, evaluation, plots=extra).every("img")] == [
        "my own plot"
    ]


def test_report_of_a_comparison_and_of_corrupted_digits(tmp_path, evaluation, split):
    labels, probabilities = split[1], split[2]
    paired = compare_models(probabilities.argmax(axis=1), labels, labels).to_dict()
    own = Robustness("own.onnx", N, 0, 0.5, dict.fromkeys(NAMES, 0.25))
    other = Robustness("other.onnx", N, 0, 0.4, dict.fromkeys(NAMES, 0.5))
    more = {
        "against": {"model": "other.onnx", "accuracy": 1.0, **paired},
        "robustness": robustness_dict(own, other),
    }
    picture = plots.png_bytes(plot_robustness(own, other, split[0]))
    page = report(tmp_path, evaluation | more, plots={"robustness": picture})
    for words in (
        "differs by −", "exact McNemar test", "the mean error is 25.00 %",
        "beside 50.00 % of other.onnx", "0.50 times", "our own", "dotted line 25.00 % 50.00 %",
    ):  # fmt: skip
        assert words in page.text
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {link["href"][1:] for link in page.every("a")} <= ids
    alone = report(tmp_path, evaluation | {"robustness": robustness_dict(own, None)})
    assert "the mean error is 25.00 % ." in alone.text


def test_report_tells_what_declining_brings(page, evaluation):
    share = evaluation["selective_error_at_99"]
    assert f"{100 * share:.2f} % of its answers are wrong" in page.text
    assert "99.5 %" in page.text


def test_gallery_shows_the_pixels_most_confident_first(tmp_path, evaluation, split, figures):
    images, labels, probabilities = split
    gallery = misread_images(Examples(images, labels.astype(np.uint8)), probabilities)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    assert gallery.total == len(gallery.shown) == len(wrong)
    confidences = [one.confidence for one in gallery.shown]
    assert confidences == sorted(confidences, reverse=True)
    first = gallery.shown[0]
    pixels = np.asarray(Image.open(BytesIO(first.png)))
    assert (pixels == 255 - images[first.place]).all()
    mistakes = {"mistakes": plots.png_bytes(figures["mistakes"])}
    page = report(tmp_path, evaluation, gallery=gallery, plots=mistakes)
    digits = [image for image in page.every("img") if image.get("class") == "digit"]
    assert len(page.every("img")) == len(digits) == len(wrong)
    assert digits[0]["alt"] == (
        f"test image {first.place}, labelled {first.label}, read {first.prediction}"
    )
    assert f"All {len(wrong)} mistakes" in page.text


def test_gallery_stops_at_a_hundred_and_says_so(tmp_path, evaluation):
    examples = Examples(np.zeros((130, 28, 28), np.uint8), np.zeros(130, np.uint8))
    gallery = misread_images(examples, np.tile(np.eye(10, dtype=np.float32)[1], (130, 1)))
    assert (len(gallery.shown), gallery.total) == (100, 130)
    assert [one.place for one in gallery.shown] == list(range(100))
    page = report(tmp_path, evaluation, gallery=gallery)
    assert "The 100 most confident of 130 mistakes" in page.text


def test_an_empty_gallery_is_said(tmp_path, evaluation):
    examples = Examples(np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8))
    gallery = misread_images(examples, np.eye(10, dtype=np.float32))
    assert "No image was misread." in report(tmp_path, evaluation, gallery=gallery).text


@pytest.mark.mnist
def test_wrong_labels_are_marked_in_report_and_plot(tmp_path, mnist):
    test = mnist.test
    rows = np.full((len(test), 10), 0.01)
    rows[np.arange(len(test)), test.labels] = 0.91
    rows[[0, 947, 2654]] = 0
    rows[[0, 947, 2654], [1, 9, 1]] = 1
    evaluation = evaluation_dict({"test": measure(rows, test.labels)})
    gallery = misread_images(test, rows)
    assert [one.label_is_wrong for one in gallery.shown] == [False, True, True]
    page = report(tmp_path, evaluation, gallery=gallery)
    assert "wrong label (9)" in page.text
    assert page.text.count("wrong label (") == 1
    assert [item.get("class") for item in page.every("li")][-3:] == [None, "odd", "odd"]
    assert "reads 2 of the 15 otherwise than they are labelled, 1 of them as most" in page.text
    assert "Test images 947, 1621," in page.text
    heads = texts(plots.plot_mistakes(test.images, test.labels, rows))
    assert [text.split("\n")[0] for text in heads[:3]] == [
        "test 0", "test 947, wrong label", "test 2654, wrong label",
    ]  # fmt: skip


def test_robustness_plot_has_a_row_for_each_corruption(split):
    own = Robustness("runs/" + "x" * 80, N, 0, 0.0, dict.fromkeys(NAMES, 0.0004))
    figure = plot_robustness(own, None, split[0])
    strip, bars = figure.axes
    names = [label.get_text() for label in strip.get_yticklabels()]
    assert names == ["not corrupted", *(name.replace("_", " ") for name in NAMES)]
    assert len(bars.patches) == 16
    assert bars.texts[1].get_text() == " 0.04"
    (legend,) = bars.get_legend().get_texts()
    assert len(legend.get_text()) == 44
    other = Robustness("other", N, 0, 0.1, dict.fromkeys(NAMES, 1.0))
    assert len(plot_robustness(own, other, split[0][:2]).axes[1].patches) == 32


def test_report_that_cannot_be_written_is_named(tmp_path, evaluation):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(CannotWrite, match=r"report\.html"):
        report(tmp_path, evaluation)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_mean_confidence_weighs_bins_by_count(measurement, split):
    assert mean_confidence(measurement.reliability) == pytest.approx(split[2].max(axis=1).mean())


def texts(figure):
    axes = figure.axes[0]
    return [text.get_text() for text in [*axes.texts, *figure.texts]]


def test_confusion_plot_shows_true_by_predicted(figures, measurement):
    axes = figures["confusion"].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted", "True")
    flat = [str(count) for row in measurement.confusion_matrix for count in row]
    assert texts(figures["confusion"]) == flat
    # True digits from top to bottom, predicted ones from left to right.
    places = [text.get_position() for text in axes.texts]
    assert places == [(column + 0.5, row + 0.5) for row in range(10) for column in range(10)]
    assert axes.yaxis_inverted() and not axes.xaxis_inverted()
    cells = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.ravel(cells), np.ravel(measurement.confusion_matrix))


def test_curves_mark_the_epoch_of_the_lowest_val_loss(figures):
    loss, accuracy = figures["curves"].axes
    _, labels = loss.get_legend_handles_labels()
    assert labels == ["train", "val", "best epoch (2)"]
    assert list(accuracy.lines[1].get_ydata()) == [0.9, 0.91, 0.9]


def test_curves_without_val_have_train_only():
    history = [
        {"epoch": "1", "loss": "0.5", "accuracy": "0.8", "val_loss": "", "val_accuracy": None}
    ]
    loss, _ = plots.plot_curves(history).axes
    assert loss.get_legend_handles_labels()[1] == ["train"]


def test_mistakes_come_most_confident_first(split, figures):
    _, labels, probabilities = split
    wrong = probabilities.argmax(axis=1) != labels
    shown = texts(figures["mistakes"])
    assert shown[-1] == f"The most confident mistakes: 25 of {wrong.sum()}"
    confidences = [float(text.split("\n")[-1].removesuffix(" %")) for text in shown[:-1]]
    expected = np.sort(probabilities[wrong].max(axis=1))[::-1][:25]
    assert confidences == pytest.approx(100 * expected, abs=0.051)
    places = [int(text.split("\n")[0].removeprefix("test ")) for text in shown[:-1]]
    assert len(set(places)) == 25
    assert wrong[places].all()


def test_no_mistake_is_said_honestly(split):
    images, _, probabilities = split
    figure = plots.plot_mistakes(images, probabilities.argmax(axis=1), probabilities)
    assert [text.get_text() for text in figure.texts] == ["No mistake among 60 images."]


def test_wrong_predictions_are_framed_not_only_coloured(split, figures):
    _, labels, probabilities = split
    wrong = probabilities.argmax(axis=1)[:25] != labels[:25]
    assert len(figures["predictions"].axes[0].patches) == wrong.sum()
    captions = figures["predictions"].axes[0].texts
    colours = np.array([caption.get_color() for caption in captions])
    assert not set(colours[wrong]) & set(colours[~wrong])


def test_digits_plot_leaves_out_the_absent_digit(figures):
    assert len(figures["digits"].axes[0].patches) == 9


@pytest.mark.parametrize("count", [0, 1, 4, 9, 30])
def test_grid_takes_any_number_of_images(split, count):
    figure = plots.plot_grid(split[0][:count], split[1][:count])
    assert texts(figure) == [str(label) for label in split[1][: min(count, 9)]]


def test_balance_shows_the_share_of_every_digit(split):
    figure = plots.plot_balance({"train": split[1], "test": split[1][:9]})
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) == 20
    assert sum(heights) == pytest.approx(2)


def test_png_is_saved_whole_at_hundred_dots_an_inch(tmp_path, figures):
    plots.save_png(figures["curves"], tmp_path / "new" / "curves.png")
    content = (tmp_path / "new" / "curves.png").read_bytes()
    assert Image.open(BytesIO(content)).size == (960, 390)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.png"]
