"""A recipe: everything a training needs, as strict TOML.

Named recipes live in `inkdigits/recipes`. A key that is not known is an error, because a misspelt
key that is silently ignored costs a whole training.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from inkdigits.errors import UsageError
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.keys import assign, build, nearest, require
from inkdigits.training.search_table import Axis, axes_of, with_values

KINDS = ("ann", "cnn", "ensemble", "line")
LINE_WIDTHS = 5
MADE_HINT = "another, unless data.numbers and data.val_numbers are above 0"
MOST_VIEWS = 5
BUNDLED = "bundled"
"""So a recipe calls the model that ships."""
OTHER_PRECISIONS = {"bfloat16": ("cnn", "line"), "float64": ("ann", "cnn")}
OPTIMIZERS = ("adam", "muon")
SCHEDULES = ("constant", "cosine")
LOSSES = ("sparse_categorical_crossentropy", "categorical_crossentropy")
FORMATS = ("keras", "h5", "onnx")
WEIGHTS = ("float32", "float16")


@dataclass(frozen=True)
class DataRecipe:
    """Which data: a name or folder, and the last fraction of train that becomes val (0–0.5).

    Train gains Semeion and optdigits, each `open_sets` times, `synthetic_digits` made digits and
    `negatives`, made images of no digit; with these the network tells an eleventh class apart.
    A `line` network learns from `numbers` made of train's digits and those of the open sets alone,
    and is measured on `val_numbers` made of val's, and as many of test's.
    """

    source: str = "auto"
    val_fraction: float = 0.1
    open_sets: int = 0
    synthetic_digits: int = 0
    negatives: int = 0
    numbers: int = 0
    val_numbers: int = 0

    def __post_init__(self) -> None:
        require("data.val_fraction", self.val_fraction, 0 < self.val_fraction <= 0.5, "0–0.5")
        counts = "open_sets", "synthetic_digits", "negatives", "numbers", "val_numbers"
        for name in counts:
            count = getattr(self, name)
            require(f"data.{name}", count, 0 <= count <= 10_000_000, "0 or more")


@dataclass(frozen=True)
class ModelRecipe:
    """Which network.

    `ann`: dense ReLU layers of `hidden` units, each followed by dropout. `cnn`: stages of
    convolutions, `filters` wide and `depth` layers deep, each at half the resolution of the one
    before, averaged over the image when `pooled`, then dropout; trained in `precision`, saved in
    float32. `ensemble`: the members of the `[ensemble]` table. Both say the mean of what they see
    in `views` (1–5) of an image, moved by one pixel; where the best member of an ensemble is so
    `sure` (0–1) at first sight, it answers alone. `line`: reads a whole number; five `filters`,
    from the first convolution to the steps of the output.

    With `start`, a model file, a run folder or "bundled", a cnn or line begins with that model's
    weights. It is built without batch normalisation then, which an artefact holds folded. In the
    end `start_share` (0–1) of its weights are the old ones again (Wortsman et al., 2022).
    """

    kind: str = "ann"
    hidden: tuple[int, ...] = (128, 64)
    filters: tuple[int, ...] = (32, 64)
    depth: tuple[int, ...] = (3, 2)
    pooled: bool = True
    views: int = 1
    sure: float = 1.0
    dropout: float = 0.0
    precision: str = "float32"
    start: str = ""
    start_share: float = 0.0

    def __post_init__(self) -> None:
        require("model.dropout", self.dropout, 0 <= self.dropout < 1, "0 up to 1")
        convolves = self.kind in ("cnn", "line")
        known = self.precision == "float32" or self.kind in OTHER_PRECISIONS.get(self.precision, ())
        told = "float32, bfloat16 for a cnn or line, or float64 for an ann or cnn"
        require("model.precision", self.precision, known, told)
        require(
            "model.start", self.start, convolves or not self.start, "empty but for a cnn or line"
        )
        require("model.kind", self.kind, self.kind in KINDS, " or ".join(KINDS))
        most = MOST_VIEWS if self.kind in ("cnn", "ensemble") else 1
        told = f"1–{MOST_VIEWS}, above 1 for a cnn or ensemble"
        require("model.views", self.views, 1 <= self.views <= most, told)
        alone = 0 < self.sure <= 1 and (self.kind == "ensemble" or self.sure == 1)
        require("model.sure", self.sure, alone, "above 0 up to 1, below 1 for an ensemble")
        for key, sizes in (("hidden", self.hidden), ("filters", self.filters)):
            sizes_fit = all(1 <= units <= 65_536 for units in sizes)
            require(f"model.{key}", list(sizes), sizes_fit, "a list of layer widths of 1–65536")
        if self.kind == "line":
            five = len(self.filters) == LINE_WIDTHS
            require("model.filters", list(self.filters), five, "five widths for a line")
            return
        stages_fit = len(self.depth) == len(self.filters) <= 3 and all(
            1 <= layers <= 100 for layers in self.depth
        )
        require("model.depth", list(self.depth), stages_fit, "one count of layers for each filter")


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` epochs without a better val loss; 0 = never stop early."""

    patience: int = 0
    restore_best_weights: bool = True

    def __post_init__(self) -> None:
        require("training.early_stopping.patience", self.patience, self.patience >= 0, "0 or more")


@dataclass(frozen=True)
class TrainingRecipe:
    """How to train: `optimizer` at `learning_rate`, `batch_size` examples a step, for `epochs`.

    `muon` is for the kernels of convolutions, with Adam for the rest. With the schedule `cosine`
    the rate rises over the `warmup` share of all steps and then falls to 0 along half a cosine;
    `weight_decay` is decoupled (AdamW).
    """

    loss: str = LOSSES[0]
    optimizer: str = OPTIMIZERS[0]
    learning_rate: float = 0.001
    schedule: str = SCHEDULES[0]
    warmup: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    epochs: int = 10
    seed: int = 0
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        require("training.loss", self.loss, self.loss in LOSSES, " or ".join(LOSSES))
        known = self.optimizer in OPTIMIZERS
        require("training.optimizer", self.optimizer, known, " or ".join(OPTIMIZERS))
        rate_fits = 0 < self.learning_rate < math.inf
        require("training.learning_rate", self.learning_rate, rate_fits, "above 0")
        schedules = " or ".join(SCHEDULES)
        require("training.schedule", self.schedule, self.schedule in SCHEDULES, schedules)
        require("training.warmup", self.warmup, 0 <= self.warmup < 1, "0 up to 1")
        decay_fits = 0 <= self.weight_decay < 1
        require("training.weight_decay", self.weight_decay, decay_fits, "0 up to 1")
        require("training.batch_size", self.batch_size, self.batch_size >= 1, "1 or more")
        require("training.epochs", self.epochs, self.epochs >= 1, "1 or more")
        require("training.seed", self.seed, 0 <= self.seed < 2**31, "0 up to 2^31")


@dataclass(frozen=True)
class EnsembleRecipe:
    """Which candidates an ensemble chooses its members from.

    `runs`: folders of finished runs, and artefacts, of which each network is a candidate, or
    "bundled", the one that ships; and each of `recipes`, trained with `seeds` seeds from
    `first_seed` on.
    """

    runs: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    seeds: int = 0
    first_seed: int = 0

    def __post_init__(self) -> None:
        require("ensemble.seeds", self.seeds, 0 <= self.seeds <= 1000, "0–1000")
        first_fits = 0 <= self.first_seed < 2**31 - 1000
        require("ensemble.first_seed", self.first_seed, first_fits, "0 up to 2^31")


@dataclass(frozen=True)
class DistillationRecipe:
    """Learning from another model: `copies` of train, distorted by `augment`, as it labels them.

    `teacher` is a run folder or model file. Open sets and made images keep their own labels.
    """

    teacher: str = ""
    copies: int = 1
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        require("distillation.copies", self.copies, 1 <= self.copies <= 1000, "1–1000")


@dataclass(frozen=True)
class SaveRecipe:
    """What to keep: model formats, a checkpoint after every epoch, TensorBoard logs.

    With `calibrate` the artefact carries a temperature fitted on val, and what val says about
    confidence and about digits taken for none. With the `weights` float16 those of a cnn are
    rounded to what a float16 holds, and its artefact has half the size; it computes in float32.
    """

    formats: tuple[str, ...] = FORMATS
    weights: str = "float32"
    calibrate: bool = False
    checkpoints: bool = False
    tensorboard: bool = True

    def __post_init__(self) -> None:
        known = bool(self.formats) and set(self.formats) <= set(FORMATS)
        require("save.formats", list(self.formats), known, f"some of {', '.join(FORMATS)}")
        require("save.weights", self.weights, self.weights in WEIGHTS, " or ".join(WEIGHTS))


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; UsageError for an unknown key, a wrong type or a value out of range.

    `search` is the nested table of what `inkdigits tune` varies.
    """

    name: str
    title: str = ""
    data: DataRecipe = field(default_factory=DataRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    save: SaveRecipe = field(default_factory=SaveRecipe)
    ensemble: EnsembleRecipe = field(default_factory=EnsembleRecipe)
    distillation: DistillationRecipe = field(default_factory=DistillationRecipe)
    search: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        soft = self.training.loss == LOSSES[1]
        fits = soft or not self.distillation.teacher
        require("training.loss", self.training.loss, fits, f"{LOSSES[1]} to learn from a teacher")
        made = min(self.data.numbers, self.data.val_numbers) > 0
        require("model.kind", self.model.kind, made or self.model.kind != "line", MADE_HINT)
        halves = self.save.weights == WEIGHTS[0] or self.model.kind == "cnn"
        require("save.weights", self.save.weights, halves, "float32 but for a cnn")
        for axis in self.axes():
            for value in axis.ends():
                self.try_out(axis.key, value)

    def axes(self) -> tuple[Axis, ...]:
        """Return what the search varies, sorted by key."""
        return axes_of(self.search, asdict(self) | {"search": {}})

    def try_out(self, key: str, value: Any) -> None:
        """Raise UsageError where the search may give `key` a `value` that a recipe refuses."""
        try:
            self.at({key: value})
        except UsageError as error:
            raise UsageError(f"search.{key} goes too far: {error.message}", error.hint) from error

    def at(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe at these values of its axes, by key, with no search left in it."""
        return recipe_of(with_values(asdict(self), values))

    @classmethod
    def from_toml(cls, text: str, origin: str = "the recipe") -> Recipe:
        """Parse TOML text; `origin` names it in errors."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{origin} is not valid TOML: {error}.") from error
        return recipe_of(table)

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML that `from_toml` reads back to an equal one."""
        import tomli_w

        table = asdict(self)
        return tomli_w.dumps({name: part for name, part in table.items() if part != {}})

    def override(self, assignments: Sequence[str]) -> Recipe:
        """Return the recipe with each `key=value` applied, as in `training.epochs=3`.

        A search no longer varies what is given a value.
        """
        table = asdict(self)
        for assignment in assignments:
            settle(table["search"], assign(table, assignment))
        return recipe_of(table)

    def with_source(self, source: str) -> Recipe:
        """Return the recipe on other data: a name or a folder."""
        return replace(self, data=replace(self.data, source=source))

    def with_seed(self, seed: int | None) -> Recipe:
        """Return the recipe with another seed; None keeps its own."""
        if seed is None:
            return self
        return replace(self, training=replace(self.training, seed=seed))


def settle(search: dict[str, Any], key: Sequence[str]) -> None:
    """Take the axis `key` off a nested search table, where there is one."""
    name, *rest = key
    if not rest:
        search.pop(name, None)
    elif isinstance(search.get(name), dict):
        settle(search[name], rest)
        if not search[name]:
            del search[name]


def recipe_of(table: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a nested table describes."""
    if "name" not in table:
        raise UsageError("a recipe needs a name.", 'Add `name = "…"` as its first line.')
    recipe: Recipe = build(Recipe, table)
    return recipe


def load_recipe(name: str) -> Recipe:
    """Return the recipe called `name`, or the one in the TOML file at that path."""
    if name.endswith(".toml"):
        return Recipe.from_toml(read_recipe_file(Path(name)), repr(name))
    if name not in recipe_names():
        raise UsageError(
            f"no recipe is named {name!r}.", f"{nearest(name, recipe_names())}Or give a .toml file."
        )
    text = (files("inkdigits") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return Recipe.from_toml(text, f"recipe {name!r}")


def read_recipe_file(path: Path) -> str:
    """Return the text of the recipe file `path`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {str(path)!r}: {error}.") from error


def recipe_names() -> list[str]:
    """Return the names of the recipes that the package carries, sorted."""
    folder = files("inkdigits") / "recipes"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )
