"""The artefact: one self-describing ONNX file, and what makes it safe to load."""
