# Two commands matter: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo
# Python compiles what is imported, once; pip would compile all packages, which takes a minute.
INSTALL := pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: demo test lint vendor test-wheel test-tensorflow check-results clean

demo: $(VENV)/.train-installed
	@rm -rf $(RUN)
	$(BIN)/inkdigits train early-stopping --out $(RUN)
	@echo
	$(BIN)/python examples/draw_samples.py $(RUN)
	$(BIN)/inkdigits read --model $(RUN)/model.onnx $(RUN)/samples/*.png
	$(BIN)/inkdigits inspect --model $(RUN)/model.onnx $(RUN)/samples/sample-1.png --out $(RUN)/inspect.png
	@echo
	@echo "The report:         $(RUN)/report.html"
	@echo "How one was read:   $(RUN)/inspect.png"
	@echo "Model and history:  $(RUN)/model.onnx, $(RUN)/history.csv"
	@echo "TensorBoard:        $(BIN)/tensorboard --logdir $(RUN)/tensorboard"

test: $(VENV)/.dev-installed
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What the page needs to read without a server; a wheel built after it has it inside.
vendor:
	$(PYTHON) tools/vendor_page.py

# The wheel, alone in a fresh environment, must read with a trained artefact.
test-wheel: $(VENV)/.dev-installed
	$(BIN)/python tests/wheel.py

# The TensorFlow backend has its own environment: nobody needs TensorFlow to use inkdigits.
test-tensorflow: .venv-tensorflow/.installed
	KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 .venv-tensorflow/bin/pytest tests/tensorflow_backend

check-results: $(VENV)/.dev-installed
	$(BIN)/python benchmarks/results_table.py --check

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/$(INSTALL) -e ".[train]"
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/$(INSTALL) -e ".[train,serve,dev]"
	@touch $@ $(VENV)/.train-installed

.venv-tensorflow/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/$(INSTALL) -e ".[train]" hypothesis pytest tensorflow-cpu
	@touch $@

clean:
	rm -rf build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
