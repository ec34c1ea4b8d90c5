# make demo   render Bach's cello prelude with the bundled checkpoint into outputs/
# make test   the whole test suite, including the notebooks, in as many processes as suit the machine; JOBS=1 for one
# make quick  the tests except the slow ones and those with a browser: three minutes on two cores
# make lab    JupyterLab with the notebooks
# make app    the quickstart as an app in the browser, without code; APP="--no-browser --port=8866" for Voilà's options;
#             GANSYNTH_APP_DOWNLOADS=1 lets its users download scores from the web, through this machine
# make class  the same for a whole class: warm kernels, and as many visitors as fit in memory (docs/teaching.md);
#             CLASS="--ip 0.0.0.0 --places 12" accepts visitors from the network
# make html   all notebooks, executed, as web pages: outputs/site
# make docs   the same with the reference of all modules; the docs workflow publishes this
# make web    the bundled model in a static page that plays, for GitHub Pages: outputs/web (docs/web.md)
# make look   screenshots of every page at three widths, light and dark: outputs/look; needs Chromium
# make bench  the speed-up from each optimisation of the generator
# make bench-render   clicks, loop seams and memory of the render engine
# make bench-balance  loudness of each track, compared with a soundfont's rendering; SCORES="FILE FILE" for other scores
# make bench-spectra  time and memory for the spectrograms
# make bench-widgets  response times of the controls
# make bench-explore  how well instruments are steered and found, and how long it takes
# make bench-web      loading time, speed and accuracy of the page of `make web` in Chromium
# make bench-train    what a tiny model learns from 2,000 images
# make bench-match    how near the matched instruments are to their recordings
# make bench-class    ten browsers at once in the app for a class; needs 10 GB of free memory and Chromium
# make bench-many     sixty scores in one process and with two workers: compares files and times
# make fuzz   renders all MIDI files of other packages, and feeds damaged files to every reader, ten minutes each;
#             FUZZ="--seconds 60 zip" for a shorter run of one reader
# make test-colab     the notebooks with Colab's package versions; COLAB_PYTHON=... is the path of a Python 3.13
# make repository   after a fork: writes the address of the git remote "origin" into all notebooks; URL=... sets another
# make clean  removes .venv, caches, site and screenshots; keeps your own results in outputs/
# Each target first sets up .venv with python3 if it does not exist.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COLAB_PYTHON ?= python3.13
COLAB := .venv-colab
APP ?=
CLASS ?=
JOBS ?= auto
FUZZ ?=

.PHONY: demo test quick docs fuzz test-colab lab app class html web look repository clean
.PHONY: bench bench-render bench-balance bench-spectra bench-widgets bench-explore bench-web bench-train bench-match
.PHONY: bench-class bench-many
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/python -m helpers.demo

test: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder

quick: $(VENV)/ready-dev
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder -m "not slow and not browser"

fuzz: $(VENV)/ready-dev
	$(if $(FUZZ),,GANSYNTH_CORPUS=all $(BIN)/python -m pytest tests/test_corpus.py)
	PYTHONPATH=tests $(BIN)/python tests/fuzz/run.py $(FUZZ)

test-colab: $(COLAB)/ready
	PYTHONPATH=tools:. $(COLAB)/bin/python tests/colab/run.py

lab: $(VENV)/ready
	$(BIN)/jupyter lab notebooks

app: $(VENV)/ready-app
	$(BIN)/voila notebooks/00_quickstart.ipynb --MappingKernelManager.cull_interval=60 \
		--MappingKernelManager.cull_idle_timeout=1200 $(APP) # otherwise, Voilà keeps the kernels of closed pages

class: $(VENV)/ready-app
	$(BIN)/python -m helpers.classroom $(CLASS)

docs: $(VENV)/ready-dev
	@# pdoc shows the types of a NamedTuple's fields as written, but warns that it cannot resolve them; mypy can.
	PYTHONWARNINGS="ignore:Error parsing type annotation,ignore:Failed to run TYPE_CHECKING code" \
		$(BIN)/pdoc --docformat google --no-show-source --template-directory docs/reference --output-directory outputs/site/reference \
		$$($(BIN)/python tools/modules.py)
	$(BIN)/python tools/make_site.py

html: $(VENV)/ready
	$(BIN)/python tools/make_site.py

web: $(VENV)/ready-onnx
	$(BIN)/python -m helpers.export --checkpoint demo --web --output outputs/web

look: $(VENV)/ready-dev
	$(BIN)/python tools/look.py

repository:
	@PYTHONPATH=. $(PYTHON) tools/stamp_notebooks.py --repository $(if $(URL),"$(URL)")

bench: $(VENV)/ready
	$(BIN)/python benchmarks/speed.py

bench-render: $(VENV)/ready
	$(BIN)/python benchmarks/render.py

bench-balance: $(VENV)/ready
	$(BIN)/python benchmarks/balance.py $(SCORES)

bench-spectra: $(VENV)/ready
	$(BIN)/python benchmarks/spectra.py

bench-widgets: $(VENV)/ready
	$(BIN)/python benchmarks/widgets.py

bench-explore: $(VENV)/ready
	$(BIN)/python benchmarks/explore.py

bench-web: $(VENV)/ready-dev
	$(BIN)/python benchmarks/web.py

bench-train: $(VENV)/ready
	$(BIN)/python benchmarks/train.py

bench-match: $(VENV)/ready
	$(BIN)/python benchmarks/match.py

bench-class: $(VENV)/ready-dev
	$(BIN)/python benchmarks/classroom.py

bench-many: $(VENV)/ready-dev
	$(BIN)/python benchmarks/many.py

clean:
	rm -rf $(VENV) $(COLAB) build gansynth_suite.egg-info outputs/cache outputs/site outputs/web outputs/look

$(VENV)/ready: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.10 to 3.13 is needed; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about 2.5 GB, a few minutes the first time ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/python -c "from helpers import compiled; compiled.librosa()" # half a minute, or the first picture takes it
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt requirements-app.txt requirements-cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

$(VENV)/ready-onnx: $(VENV)/ready requirements-onnx.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[onnx]"
	@touch $@

$(VENV)/ready-app: $(VENV)/ready requirements-app.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[app]"
	@touch $@

$(COLAB)/ready: tests/colab/pins.txt tests/colab/pip-freeze.txt
	@$(COLAB_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || \
		{ echo "Colab uses Python 3.13; choose one with: make test-colab COLAB_PYTHON=/path/to/python3.13"; exit 1; }
	rm -rf $(COLAB)
	$(COLAB_PYTHON) -m venv $(COLAB)
	@echo "Installing Colab's versions into $(COLAB): about 3 GB, a few minutes the first time ..."
	$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/colab/pins.txt -c tests/colab/pip-freeze.txt
	@touch $@
