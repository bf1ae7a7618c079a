"""Better settings for a recipe, found by existing engines; `inkdigits tune`."""
