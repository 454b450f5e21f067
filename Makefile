# Needs Python 3.11 and make, nothing else. Every target sets up what it lacks and skips what is up to date.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
OUT ?= runs/study
# Also pins what pip installs for itself while it builds the package.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.PHONY: help install study study-all test lab tidy clean

help:
	@echo "make study      run notebooks 00-05 and write executed copies, pages and an index into $(OUT)"
	@echo "make study-all  the same with all notebooks"
	@echo "make test       style, unit tests, every notebook at the smoke profile"
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make tidy       format the code, strip and renumber the notebooks"
	@echo "make clean      remove the installation (.venv); results in runs/ stay"

install: $(STAMP)

# The stamp comes last, so that an interrupted installation is taken up again. It holds the seconds that the installation took.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11, or name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@began=$$(date +%s); \
	$(PYTHON) -m venv .venv && \
	$(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off -q -c constraints.txt -e '.[notebooks,test]' && \
	took=$$(( $$(date +%s) - began )) && echo "$$took" > $(STAMP) && echo "installed in $$took s"

study: $(STAMP)
	$(BIN)/python -m vireidkit.reproduce --profile study --out $(OUT)

study-all: $(STAMP)
	$(BIN)/python -m vireidkit.reproduce --profile study --out $(OUT) --all

test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lab: $(STAMP)
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks

tidy: $(STAMP)
	$(BIN)/python tests/notebook_source.py notebooks/*.ipynb
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv
