"""Images that the project makes, ahead of training: pens, hands, paper, and what is no digit.

`digit_shapes` and `symbol_shapes` hold shapes as data, `strokes` draws them, `hand` gives each
writer a style; `pen` redraws real digits with another pen; `negatives` and `marks` make what is
not a digit; `wear` and `paper` do what light, lens and paper do; `batch` mixes all of it by seed.
"""

NOT_A_DIGIT = 10
"""The label of an image that holds no digit, beside 0–9."""
