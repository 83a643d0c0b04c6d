# Two set-up commands on a fresh machine: `make demo` and `make test`. Each makes .venv with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Where a machine keeps Python from writing what it has compiled, every process compiles 4000 files anew: five seconds of its core before any work
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check clean

demo: $(READY)  ## a photograph, a grid of two rooms against the exact answer, a walk, a Gaussian scene: about two minutes on two cores
	$(BIN)/relook demo --out demo

test: $(READY)  ## everything that needs no GPU and no hub, one worker per core
	$(BIN)/python -m pytest -n auto --dist loadfile --durations 5

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check src tests tools
	$(BIN)/ruff format --check src tests tools
	$(BIN)/mypy

# --no-compile: Python compiles the third of 20 000 files that is imported when it is, in every worker at once; pip would compile all, one by one
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf .venv demo build dist
