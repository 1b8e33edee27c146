# The few commands that people type. Everything else is cargo's; CI runs .ci/run.

CARGO ?= cargo
FUZZ_SECONDS ?= 20
FUZZ_TARGETS := $(notdir $(basename $(wildcard tests/fuzz/fuzz_targets/*.rs)))

.PHONY: help demo test check bench fuzz tools peers all-peers

help:
	@echo "make demo    a login service, an app and sidegate before it, on this machine"
	@echo "make test    all tests; those whose peers are not installed are skipped by name"
	@echo "make check   what must hold before a commit: format, lints, tests, documentation"
	@echo "make bench   figures, with the optimised build"
	@echo "make fuzz    every fuzz target for $(FUZZ_SECONDS) s"

demo: tools
	$(CARGO) run --quiet -- demo $(DEMO_ARGS)

test: tools peers
	$(CARGO) test --no-fail-fast

check: test
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

bench: tools
	$(CARGO) bench

fuzz: tools $(FUZZ_TARGETS:%=fuzz-%)

# A crash, or an input that takes 10 s, ends the run and leaves its input in tests/fuzz.
fuzz-%:
	mkdir -p tests/fuzz/corpus/$*
	cd tests/fuzz && $(CARGO) run --quiet --release --bin $* -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 corpus/$*

# Says all that is missing at once, and how Debian calls it.
tools:
	@missing=; \
	command -v $(CARGO) >/dev/null || missing="$$missing\n  cargo   from https://rustup.rs"; \
	command -v cc >/dev/null || missing="$$missing\n  cc      apt-get install gcc"; \
	command -v cmake >/dev/null || missing="$$missing\n  cmake   apt-get install cmake"; \
	if [ -n "$$missing" ]; then printf "sidegate is built with these, which are not installed:$$missing\n" >&2; exit 1; fi

# What tests start that comes from npm. Without it they are skipped, so a failure here is not one of `make test`.
peers: tests/peers/node_modules/.package-lock.json

# … and what is built by Go or installed by pip, which takes minutes: only when asked for.
all-peers: peers
	tests/peers/install.sh

tests/peers/node_modules/.package-lock.json: tests/peers/package-lock.json
	@if ! command -v npm >/dev/null; then echo "npm is not installed: tests with peers from npm will be skipped"; \
	elif ! (cd tests/peers && npm ci --ignore-scripts --silent && touch node_modules/.package-lock.json); then \
	echo "npm ci failed: tests with peers from npm will be skipped"; fi
