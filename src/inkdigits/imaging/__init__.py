"""Imaging: pixels before any model, one definition used by both towers.

`decode` turns untrusted bytes into a grey page, `clean` finds the ink on it, `frame` makes the
28×28 image that a network sees.
"""

IMAGING_VERSION = 1
"""Raised whenever framing changes enough that a model trained on the old one would suffer."""
