# Each target does its own set-up; a second run finds it done.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= report

.PHONY: help setup report report-full figures test lint format bench clean

help:
	@echo "make report       derive, compute, train, check, and write $(OUT)/index.html (about two minutes)"
	@echo "make report-full  the same with the full sweep"
	@echo "make figures      every figure of the README and docs, drawn again (some minutes)"
	@echo "make test         linter, formatter, type checker and every test"
	@echo "make lint         linter, formatter and type checker only"
	@echo "make format       rewrite the sources in the project's format"
	@echo "make bench        time against what one would use instead, into docs/benchmarks.md"
	@echo "make clean        remove the environment, caches and outputs"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)

report: $(READY)
	$(BIN)/superposition report --out $(OUT)

report-full: $(READY)
	$(BIN)/superposition report --full --out $(OUT)

figures: report
	cp $(OUT)/figures/loss_per_density.png docs/figures/
	$(BIN)/superposition phase --all --grid 61 --out runs/phase
	cp runs/phase/phase_diagram.png docs/figures/
	$(BIN)/superposition atlas --out runs/atlas
	cp runs/atlas/atlas.png docs/figures/
	$(BIN)/python benchmarks/scaling_figure.py
	$(BIN)/superposition quantisation --full --out runs/quantisation
	cp runs/quantisation/marks_digits_sgd.png docs/figures/quantisation_marks.png
	cp runs/quantisation/marks_sphere_sgd.png docs/figures/quantisation_marks_sphere.png
	cp runs/quantisation/profiles_digits.png docs/figures/quantisation_profiles.png
	cp runs/quantisation/reconstruction.png docs/figures/quantisation_reconstruction.png

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python benchmarks/expected_loss.py --write docs/benchmarks.md

clean:
	rm -rf $(VENV) build dist report runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
