# What people and the build do here. Two commands matter: `make demo` and `make test`.
# Everything runs from environments under .moat/envs, which `setup` makes and renews only when a lock has changed.

PYTHON ?= python3
# Tests that share the mesh run in one worker; the rest use the other.
WORKERS ?= 2
PY := .moat/envs/services/bin/python
TRAIN := .moat/envs/train/bin/python
TESTS ?= tests
MAKEFLAGS += --no-print-directory
# Ours, and nobody else's: a PYTHONPATH or a PYTHONHOME of the shell would find other packages.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test up down status logs bench chaos lint fmt types protos lock train evaluate evaluate-calibration golden-update \
	check-config setup setup-services setup-dev setup-train clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: setup-services ## start the mesh and play a conversation through it (ONCE=1: then stop everything)
	@bin/moat up
ifeq ($(ONCE),1)
	@$(PY) -m tools.demo; code=$$?; bin/moat down || code=1; exit $$code
else
	@$(PY) -m tools.demo
	@echo "The mesh stays up. 'make status', 'make logs', 'make down'."
endif

test: setup-dev ## run all tests against real servers (TESTS=path, WORKERS=n)
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup $(TESTS)

up: setup-services ## start the mesh and wait until all of it is well
	@bin/moat up

down: ## drain and stop the mesh
	@bin/moat down

status: ## how each process is
	@bin/moat status

logs: ## follow the logs (NAME=gateway for one)
	@bin/moat logs --follow $(NAME)

bench: setup-services ## measure, write .moat/bench.json and docs/benchmarks.md
	@$(PY) -m tools.bench

chaos: setup-dev ## kill everything at random moments under load, and reconcile
	@$(PY) -m tools.chaos

lint: setup-dev ## ruff, buf, and the generated stubs
	@$(PY) -m ruff check .
	@$(PY) -m tools.protos lint
	@$(PY) -m tools.protos breaking

fmt: setup-dev ## format the code
	@$(PY) -m ruff format .

types: setup-dev ## mypy, strict
	@$(PY) -m mypy

protos: setup-dev ## generate gen/ anew
	@$(PY) -m tools.protos generate

check-config: setup-services ## read every process's configuration and say what is wrong
	@bin/moat check-config

golden-update: setup-dev ## write the expected outputs anew; the diff is the review
	@$(PY) -m pytest -q --golden-update tests/golden

train: setup-train ## train the text tiers again, about two hours (TIER=deep or fast, DATA=folder, ENCODER=file, RELEASE=n)
	@$(TRAIN) -m inference.training $(or $(TIER),all) $(if $(ENCODER),--encoder $(ENCODER)) $(if $(DATA),--data $(DATA)) \
		$(if $(RELEASE),--from-release $(RELEASE))

evaluate: setup-services ## measure the text cascade on dev rows and on our own cases, write docs/evaluation.md (DATA=folder)
	@$(PY) -m inference.evaluation $(if $(DATA),--data $(DATA)) \
		$(if $(PROFANITY_CHECK),--profanity-check $(PROFANITY_CHECK)) $(if $(TOX_BLOCK),--tox-block $(TOX_BLOCK))

evaluate-calibration: setup-services ## measure calibrated limits on dev rows, write docs/calibration.md (DATA=folder)
	@$(PY) -m inference.evaluation.calibration $(if $(DATA),--data $(DATA))

lock: setup-dev ## resolve requirements/*.in into *.txt with hashes
	@for name in services dev triton train; do \
		override=requirements/$$name.override; \
		$(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --custom-compile-command "make lock" $$([ -f $$override ] && echo --override $$override) \
			$$([ -f $$override ] && sed -n 's/^\([a-z0-9-]*\) ; sys_platform == "never"$$/--no-emit-package \1/p' $$override) \
			requirements/$$name.in -o requirements/$$name.txt \
			|| exit 1; \
	done

setup: setup-dev ## make all environments that running and testing need

setup-services:
	@$(PYTHON) -m tools.setup services triton

setup-dev:
	@$(PYTHON) -m tools.setup dev triton

setup-train:
	@$(PYTHON) -m tools.setup train

clean: down ## remove the mesh's data, secrets and logs; environments stay
	@rm -rf .moat/mesh
