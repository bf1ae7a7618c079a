"""Serving: the reader behind HTTP, with limits, metrics and a page."""
