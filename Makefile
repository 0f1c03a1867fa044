# Everything that an operator or a developer runs; `make` without a target lists it.
#
# Environments, each made on first use and again when pyproject.toml or constraints.txt changes. pip installs only
# files whose hashes are in constraints.txt:
#   .venv        serves and scores; has no torch
#   .venv-dev    trains and tests
#   .venv-build  builds the wheel; has only the build backend
#   .venv-tools  runs `make sbom` and `make constraints`

PORT ?= 8000
ARGS =
# The first Python that is new enough; set PYTHON= to use another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)

SERVE := .venv
DEV := .venv-dev
BUILD := .venv-build
TOOLS := .venv-tools
NODE_CLIENTS := tests/clients/node_modules/.package-lock.json
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-dev serve test coverage check format wheel wheel-check deploy-check image-check bench bench-serve bench-hostile bench-disguise bench-dump crash-test desk-test fuzz docs first-answer constraints sbom clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

serve: install  ## start the server on http://127.0.0.1:8000 (PORT=8001 changes it; ARGS="--help" shows more)
	$(SERVE)/bin/parley serve --port $(PORT) $(ARGS)

test: install-dev $(NODE_CLIENTS)  ## run all tests (ARGS="-k spans" picks some)
	$(DEV)/bin/python -m pytest $(ARGS)

coverage: install-dev $(NODE_CLIENTS)  ## run all tests; fail if they reach less than 85 % of the lines (slower)
	$(DEV)/bin/python -m pytest --cov --cov-report=term $(ARGS)

check: install-dev  ## lint, formatting, types, spelling, import direction; docs in step with the code
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/codespell
	$(DEV)/bin/python -m pytest tests/test_imports.py tests/test_docs.py

format: install-dev  ## fix what ruff can fix, and format the code
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

wheel: $(BUILD)/.installed  ## build dist/*.whl and its source distribution
	rm -rf dist
	$(BUILD)/bin/python -m build --no-isolation

wheel-check: wheel  ## install that wheel into an empty environment, score and serve with it
	$(BUILD)/bin/python -m benchmarks.wheel dist/*.whl

deploy-check: wheel image-check  ## install, upgrade, back up, restore and roll back in an empty Debian that it boots (root, mmdebstrap, systemd-container)
	deploy/systemd/check dist/*.whl $(BUILD)/bin/python

image-check:  ## build the container image and run it as compose.yaml does (root, mmdebstrap, buildah, podman, runc)
	deploy/check-image

bench: install-dev  ## measure comments a second, compared with a plain transformers pipeline; memory, startup and size
	$(DEV)/bin/python -m benchmarks.speed $(ARGS)

bench-serve: install-dev  ## measure the server at 50 requests a second and at four times its capacity; ARGS="--cores 1 2 4" prints a table (needs Node.js)
	$(DEV)/bin/python -m benchmarks.bench_serve $(ARGS)

bench-hostile: install-dev  ## send 10 MB of each hostile body beside 20 polite requests a second; print the latter's p99 and the server's memory
	$(DEV)/bin/python -m benchmarks.hostile $(ARGS)

bench-disguise: install-dev  ## measure how much abuse is still detected under each kind of disguise, and false alarms
	$(DEV)/bin/python -m benchmarks.disguise $(ARGS)

bench-dump: install-dev  ## measure the cost per comment in dumps of 10,000 to 1,000,000, with and without the model (ARGS="--help")
	$(DEV)/bin/python -m benchmarks.dump $(ARGS)

crash-test: install-dev  ## kill the scoring of 200,000 comments 20 times, in each format, and compare the bytes; then 20,000 with the network
	PARLEY_CRASH_ROWS=200000 PARLEY_CRASH_KILLS=20 PARLEY_CRASH_ENGINE=null \
	  $(DEV)/bin/python -m pytest tests/service/dumps/scoring/test_crash.py $(ARGS)
	PARLEY_CRASH_ROWS=20000 PARLEY_CRASH_KILLS=20 PARLEY_CRASH_ENGINE=local \
	  $(DEV)/bin/python -m pytest tests/service/dumps/scoring/test_crash.py -k killed $(ARGS)

desk-test: install-dev $(NODE_CLIENTS)  ## test the desk at full size: 100,000 comments waiting, two browsers deciding on 200
	PARLEY_DESK_WAITING=100000 PARLEY_DESK_TOGETHER=200 $(DEV)/bin/python -m pytest tests/service/desk $(ARGS)

fuzz: install-dev  ## read damaged exports of every format, 7,000 each: half an hour (ARGS="-k reddit" picks one)
	PARLEY_FUZZ_ROUNDS=7000 $(DEV)/bin/python -m pytest tests/service/dumps/formats/test_fuzz.py $(ARGS)

docs: install-dev  ## write the artifact's answers into the README, and take its pictures (needs rsvg-convert and chromium)
	$(DEV)/bin/python -m docs.refresh $(ARGS)

first-answer:  ## measure the time from a fresh clone of this commit to the first answer of `make serve`
	$(or $(PYTHON),python3) -m benchmarks.first_answer $(ARGS)

install: $(SERVE)/.installed  ## create .venv, the serving environment
$(SERVE)/.installed: pyproject.toml constraints.txt
	$(call environment,$(SERVE),dumps report tables)

install-dev: $(DEV)/.installed  ## create .venv-dev, the environment for tests and training
$(DEV)/.installed: pyproject.toml constraints.txt
	$(call environment,$(DEV),dev)

$(BUILD)/.installed: pyproject.toml constraints.txt
	$(call bare-environment,$(BUILD))
	@$(BUILD)/bin/$(pip-install) --quiet build hatchling
	@touch $@

$(TOOLS)/.installed: pyproject.toml constraints.txt
	$(call bare-environment,$(TOOLS))
	@$(TOOLS)/bin/$(pip-install) --quiet cyclonedx-bom pip-licenses uv
	@touch $@

$(NODE_CLIENTS): tests/clients/package-lock.json
	@if command -v npm > /dev/null; then npm ci --prefix tests/clients --no-audit --no-fund && touch $@; \
	  else echo "npm is not installed: the tests of the Node clients will be skipped"; fi

# uv keeps a version's hashes as long as the version stays, so the hashes of builds that aren't on PyPI can be added
# by hand; torch's CPU build for Python 3.11 on x86-64 is one.
constraints: $(TOOLS)/.installed  ## add what pyproject.toml newly needs to constraints.txt, with hashes; pinned versions stay
	$(TOOLS)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest \
	  --no-annotate --generate-hashes --custom-compile-command "make constraints" --quiet -o constraints.txt
	for python in 3.11 3.12 3.13 3.14; do echo "wheels for Python $$python" && \
	  $(TOOLS)/bin/uv pip compile pyproject.toml --all-extras --constraints constraints.txt --only-binary :all: \
	    --python-version $$python --quiet -o /dev/null || exit 1; done

sbom: install $(TOOLS)/.installed  ## list the contents of .venv: dist/sbom.cdx.json (CycloneDX) and dist/licences.md
	@mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py environment $(SERVE)/bin/python --pyproject pyproject.toml --output-reproducible --gather-license-texts \
	  -o dist/sbom.cdx.json
	$(TOOLS)/bin/pip-licenses --python $(SERVE)/bin/python --from mixed --with-urls --format markdown --output-file dist/licences.md
	@awk -F' *[|] *' '$$4 == "UNKNOWN" {print $$2 " states no licence in its metadata: read its LICENSE file"}' dist/licences.md

clean:  ## remove the environments and everything that was built
	rm -rf $(SERVE) $(DEV) $(BUILD) $(TOOLS) tests/clients/node_modules dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Appended to an environment's `bin/`. Installs only the files in constraints.txt, whose hashes pip checks.
pip-install := python -m pip install --require-hashes --constraint constraints.txt

# $(call bare-environment,FOLDER): a virtual environment with a current pip, and without venv's old setuptools. An
# older pip ignores hashes in constraints, so the current pip's own hashes are passed in a requirements file.
define bare-environment
@$(check-python)
@$(PYTHON) -m venv $(1)
@sed -n '/^pip==/,/[^\]$$/p' constraints.txt > $(1)/pip.txt
@$(1)/bin/python -m pip install --quiet --require-hashes --requirement $(1)/pip.txt
@$(1)/bin/python -m pip uninstall --quiet --yes setuptools 2>/dev/null
endef

# $(call environment,FOLDER,EXTRAS): a virtual environment with Parley and exactly the files in constraints.txt.
# First everything that Parley needs, then Parley itself, because a folder has no hash.
# If a folder of pip's `find-links` has torch (a build for the CPU), that is installed first: when hashes are required,
# pip would prefer PyPI's CUDA build, several gigabytes, to a local file without one.
define environment
@echo "Installing Parley into $(1), once (about a minute for serving, several for development) ..."
$(call bare-environment,$(1))
@$(PYTHON) .ci/requirements.py $(2) > $(1)/requirements.txt
@! grep -q '^torch' $(1)/requirements.txt || \
  $(1)/bin/$(pip-install) --quiet --no-index --no-deps torch 2>/dev/null || true
@$(1)/bin/$(pip-install) --requirement $(1)/requirements.txt
@$(1)/bin/python -m pip install --no-deps --build-constraint constraints.txt --editable .
@touch $@
endef

# Says what to do if no Python is new enough, or if it can't create virtual environments.
define check-python
$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Parley needs Python\
 3.11 or later; found $(if $(PYTHON),$(PYTHON): $$($(PYTHON) --version 2>&1 | head -n 1),none). Install it (Debian, Ubuntu:\
 sudo apt install python3 python3-venv) or name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) can't make virtual environments.\
 On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
endef
