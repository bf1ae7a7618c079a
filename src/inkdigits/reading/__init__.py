"""Reading: an image becomes a reading, by an artefact that ONNX Runtime runs."""
