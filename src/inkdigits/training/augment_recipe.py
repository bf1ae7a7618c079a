"""How far a recipe distorts its images."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from inkdigits.training.keys import require


@dataclass(frozen=True)
class AugmentRecipe:
    """How far each image is distorted at random, anew in every epoch; 0 leaves a kind out.

    `rotation` ± degrees; `scale` and `shear` ± shares, height and width scaled apart; `shift` ±
    pixels; `elastic` the standard deviation of a smooth field, in pixels; `pen` ± pixels of stroke
    on either side, 0–1; `blur` 0–1; `contrast` the standard deviation of the logarithm of gamma;
    `noise` the largest standard deviation of grain, as a share of full ink; `clutter` the share of
    images with something in the way: stains, lines, grain, fog, blur.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    pen: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    clutter: float = 0.0

    def __post_init__(self) -> None:
        limits = {
            "rotation": 180,
            "scale": 1,
            "shear": 1,
            "shift": 14,
            "elastic": 14,
            "contrast": 2,
        }
        for name, value in asdict(self).items():
            top = limits.get(name, 1)
            require(f"training.augment.{name}", value, 0 <= value <= top, f"0–{top}")

    @property
    def moves(self) -> bool:
        """Whether pixels change places."""
        return any((self.rotation, self.scale, self.shear, self.shift, self.elastic))

    @property
    def changes_light(self) -> bool:
        """Whether pixels change their values."""
        return any((self.blur, self.contrast, self.noise))
