# make demo   render Bach's cello prelude with the bundled checkpoint into outputs/
# make test   the whole test suite, the notebooks included
# make lab    JupyterLab on the notebooks
# make bench  what each idea of the generator is worth, in seconds
# make bench-render   clicks, loop seams and memory of the render engine, in numbers
# make bench-train    what a tiny training learns in 2,000 images, in numbers
# Each sets up .venv from python3 first, if that has not been done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lab bench bench-render bench-train clean
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/python -m helpers.demo

test: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

lab: $(VENV)/ready
	$(BIN)/jupyter lab notebooks

bench: $(VENV)/ready
	$(BIN)/python benchmarks/speed.py

bench-render: $(VENV)/ready
	$(BIN)/python benchmarks/render.py

bench-train: $(VENV)/ready
	$(BIN)/python benchmarks/train.py

clean:
	rm -rf $(VENV) outputs

$(VENV)/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.10 to 3.13 is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing requirements into $(VENV): about 2.5 GB, a few minutes the first time ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
