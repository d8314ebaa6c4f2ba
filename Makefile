# `make demo` and `make test` set up everything they need on a fresh Debian or Ubuntu with python3, venv and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PROJECT := pyproject.toml constraints.txt
# The report's page in a browser, and windows on a display of their own.
SYSTEM_PACKAGES := chromium xvfb libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 \
	libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-randr0 libxcb-shape0 libxcb-xkb1

.PHONY: demo test test-faults fuzz notebooks docs lint wheel-check system slurm bench clean

demo: $(VENV)/core
	$(BIN)/operando demo demo

test: $(VENV)/test system
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

# Every notebook from its first line to its figure, on the demo's files, two at a time; outputs lie in build/notebooks.
notebooks: $(VENV)/docs demo/beamtime/report.html
	mkdir -p build/notebooks && ln -sfn ../../demo build/notebooks/operando-demo
	$(BIN)/python docs/execute.py docs/notebooks/*.py --into build/notebooks

demo/beamtime/report.html:
	$(MAKE) demo

# Damaged files: 30 s by the clock for every reader, four at a time, 6 minutes in all. The inputs are the same each time, the
# first of those of the long runs, so that a change is to blame for what is found. tests/fuzz/run.py goes on to others.
fuzz: $(VENV)/test
	$(BIN)/python tests/fuzz/run.py --seconds 30 --patience 1 --jobs 4

# Kills, and clusters: worker processes, and a SLURM of one node on this machine; without that its test is skipped.
test-faults: $(VENV)/test slurm
	$(BIN)/python -m pytest -m faults --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# Into build/docs/index.html, without a network. Notebooks are shown as they were last run, else by their words and code.
docs: $(VENV)/docs
	$(BIN)/python -m sphinx --jobs auto --fail-on-warning --keep-going --quiet docs build/docs

# Types are checked on what users install: the wheel, outside the source tree.
wheel-check: $(VENV)/lint
	rm -rf build && $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel/site build/wheel/*.whl
	cd build/wheel/site && "$(abspath $(BIN))/python" -m mypy --config-file "$(CURDIR)/pyproject.toml" -p operando

bench: $(VENV)/bench
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# The browser test of the report needs Chromium, those of the viewer Xvfb and what Qt loads, that of clusters SLURM;
# without them they are skipped and say so.
system:
	@$(call needed,chromium Xvfb,$(SYSTEM_PACKAGES))

slurm:
	@$(call needed,slurmctld munged,slurm-wlm munge)

# Commands that are to be there, and the packages that have them.
define needed
missing=""; for name in $(1); do command -v $$name >/dev/null 2>&1 || missing="$(2)"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null \
		|| echo "could not install $$missing; the tests that need it are skipped"; \
	else echo "missing $$missing (sudo apt-get install $$missing); the tests that need it are skipped"; fi
endef

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core: $(BIN)/python $(PROJECT)
	$(PIP) --editable .
	touch $@

$(VENV)/test $(VENV)/lint $(VENV)/docs $(VENV)/bench: $(VENV)/%: $(VENV)/core
	$(PIP) --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build demo
