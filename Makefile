# SPDX-License-Identifier: BSD-3-Clause
# ringcached: one non-recursive Makefile. `make help` lists what it can do.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
SHELL := /bin/bash
.DEFAULT_GOAL := all

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
VARIANT ?= release
VARIANTS := release debug asan ubsan tsan cov fuzz
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is unknown; choose one of: $(VARIANTS))
endif

B := build/$(VARIANT)

# ---- the module graph: who may use whom. Checked by `make layers` and by the link of each test.

MODULES := base pcap cfg stats proto store net tcp cmd conn worker port steer load

USES_base :=
USES_pcap := base
USES_cfg := base
USES_stats := base
USES_proto := base
USES_store := stats
USES_net := stats
USES_tcp := net
USES_cmd := proto store
USES_conn := cmd tcp
USES_worker := conn
USES_port := stats
USES_steer := net proto
USES_load := stats

# Closures, written out level by level: a cycle is found here, not by recursion.
closure1 = $(1) $(foreach m,$(1),$(USES_$(m)))
closure = $(call uniq,$(call closure1,$(call closure1,$(call closure1,$(call closure1,$(call closure1,$(call closure1,$(1))))))))
uniq = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
# In link order: users before the used.
link_order = $(foreach m,load steer port worker conn cmd tcp net store proto stats cfg pcap base,$(filter $(m),$(1)))
$(foreach m,$(MODULES),$(foreach u,$(USES_$(m)),$(if $(filter $(m),$(call closure,$(USES_$(u)) $(u))),$(error module cycle: $(m) <-> $(u)))))

# ---- tools and flags

CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
AR := gcc-ar

ifneq ($(filter-out help deps clean distclean format run test,$(or $(MAKECMDGOALS),all)),)
PKGS_MISSING := $(shell for p in libdpdk libpcap cmocka numa; do pkg-config --exists $$p || echo $$p; done)
ifneq ($(PKGS_MISSING),)
$(error missing development packages: $(PKGS_MISSING). Run `make deps` as root (or `make run`, `make test`))
endif
endif

DPDK_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libdpdk 2>/dev/null))
DPDK_LIBS := $(shell pkg-config --libs libdpdk 2>/dev/null)
PCAP_LIBS := -lpcap

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
OPT_release := -O3 -g -DNDEBUG -flto=auto -ffat-lto-objects
OPT_debug := -O1 -g
OPT_asan := -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize=alignment -fno-sanitize-recover=all
OPT_tsan := -O1 -g -fsanitize=thread
OPT_cov := -O0 -g --coverage
OPT_fuzz := -O1 -g -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer
CFLAGS ?=
LDFLAGS ?=
# -march: DPDK's own flags bring what its inline functions need.
ALL_CFLAGS := -std=gnu2x -D_GNU_SOURCE $(OPT_$(VARIANT)) $(WARN) -fno-strict-aliasing -fno-common -pthread -Ilib -Itest \
	-DRINGCACHED_VERSION='"$(VERSION)"' $(DPDK_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := $(filter -fsanitize=% --coverage,$(OPT_$(VARIANT))) -pthread $(LDFLAGS)
LIBS := $(DPDK_LIBS) $(PCAP_LIBS) -lnuma -lm

# Changed flags rebuild everything of this variant.
FLAGS_NOW := $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBS)
$(shell mkdir -p $(B); echo '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $(B)/flags || echo '$(subst ','\'',$(FLAGS_NOW))' >$(B)/flags)

# ---- sources: the folders decide

SRC_lib := $(foreach m,$(MODULES),$(wildcard lib/$(m)/*.c))
APPS := $(patsubst app/%/main.c,%,$(wildcard app/*/main.c))
SRC_app := $(wildcard app/*/*.c)
SRC_support := $(wildcard test/support/*.c)
UNIT := $(patsubst test/unit/%.c,%,$(wildcard test/unit/test_*.c))
PROP := $(patsubst test/prop/%.c,%,$(wildcard test/prop/prop_*.c))
FUZZ := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c))
PACKET := $(patsubst test/packet/%.c,%,$(wildcard test/packet/packet_*.c))
BENCHES := $(patsubst test/bench/%.c,%,$(wildcard test/bench/bench_*.c))
SRC_test := $(wildcard test/*/*.c)
SCRIPT_TESTS := $(wildcard test/scripts/test_*.py)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
ar = $(foreach m,$(1),$(if $(wildcard lib/$(m)/*.c),$(B)/lib$(m).a))

# A list of sources per module, so that a deleted file leaves its archive.
$(foreach m,$(MODULES),$(shell echo '$(wildcard lib/$(m)/*.c)' | cmp -s - $(B)/$(m).list || echo '$(wildcard lib/$(m)/*.c)' >$(B)/$(m).list))

.PHONY: all
all: $(addprefix $(B)/bin/,$(APPS)) ## build the programs (VARIANT=release debug asan ubsan tsan cov fuzz)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@$(if $(Q),echo '  CC    $<')
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define module_rule
$(B)/lib$(1).a: $(call obj,$(wildcard lib/$(1)/*.c)) $(B)/$(1).list
	@$(if $(Q),echo '  AR    $$@')
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

define app_rule
$(B)/bin/$(1): $(call obj,$(wildcard app/$(1)/*.c)) $(call ar,$(call link_order,$(MODULES)))
	@mkdir -p $$(@D)
	@$(if $(Q),echo '  LD    $$@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS)
endef
$(foreach a,$(APPS),$(eval $(call app_rule,$(a))))

# A test links its module (the second word of its name) whole, and what that module
# may use, and nothing else: an upward call is an undefined reference. Packet tests
# link lib/pcap too, to print frames.
# test/support files: those a test may use are named in its line "// support: a b".
test_module = $(word 2,$(subst _, ,$(1)))
test_support = $(shell sed -n 's,^// support: ,,p' $(1))
NO_DPDK := base cfg stats proto store cmd load
test_libs = $(if $(filter $(call test_module,$(2)),$(NO_DPDK)),$(if $(call test_support,$(1)),$(LIBS),-lm),$(LIBS))

# $(1) folder, $(2) name, $(3) extra libraries
define test_rule
$(B)/test/$(2): $(call obj,test/$(1)/$(2).c) $(call obj,$(patsubst %,test/support/%.c,$(call test_support,test/$(1)/$(2).c))) \
		$(call ar,$(call link_order,$(call closure,$(call test_module,$(2))) $(if $(filter packet,$(1)),pcap)))
	@mkdir -p $$(@D)
	@$(if $(Q),echo '  LD    $$@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--whole-archive $$(filter %.a,$$^) -Wl,--no-whole-archive \
		$(call test_libs,test/$(1)/$(2).c,$(2)) $(3)
endef
$(foreach t,$(UNIT),$(eval $(call test_rule,unit,$(t),-lcmocka)))
$(foreach t,$(PROP),$(eval $(call test_rule,prop,$(t),-lcmocka)))
$(foreach t,$(PACKET),$(eval $(call test_rule,packet,$(t),-lcmocka)))
$(foreach t,$(BENCHES),$(eval $(call test_rule,bench,$(t),)))
# With VARIANT=fuzz: libFuzzer. Else a main that replays the corpus.
$(foreach t,$(FUZZ),$(eval $(call test_rule,fuzz,$(t),$(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer))))
$(foreach t,$(FUZZ),$(eval $(B)/test/$(t): $(if $(filter fuzz,$(VARIANT)),,$(call obj,test/support/fuzz_main.c))))

# ---- checks

# The tests themselves are built without NDEBUG: `make check` uses the debug variant.
.PHONY: packet-regen check check-here check-bins test test-long bench performance layers sizes lint format help map deps run clean distclean
CHECK_BINS := $(addprefix $(B)/test/,$(UNIT) $(PROP) $(FUZZ) $(PACKET))

check-bins: $(CHECK_BINS) $(addprefix $(B)/bin/,$(APPS))

check-here: check-bins
	$(Q)scripts/run-tests $(B) $(CHECK_BINS) $(SCRIPT_TESTS)

check: ## unit, property, packet and corpus tests, layers, sizes: no root, no hugepages, no network
	+$(Q)scripts/check-layers
	+$(Q)scripts/check-sizes
	$(Q)$(MAKE) --no-print-directory VARIANT=$(if $(filter release,$(VARIANT)),debug,$(VARIANT)) check-here

packet-regen: ## write what packet row ROW=NAME gives now as what it must give, and show the difference
	$(Q)[[ -n "$(ROW)" ]] || { echo 'usage: make packet-regen ROW=NAME (a folder of test/packet/rows)' >&2; exit 2; }
	$(Q)$(MAKE) --no-print-directory VARIANT=debug build/debug/test/packet_worker_rows
	$(Q)REGEN=1 ROW='$(ROW)' build/debug/test/packet_worker_rows

STORE_BINS := $(addprefix $(B)/test/,$(filter test_store% prop_store%,$(UNIT) $(PROP)))

check-store: $(STORE_BINS) ## the store's tests alone (VARIANT=tsan for the DPDK-free race check)
	$(Q)scripts/run-tests $(B) $(STORE_BINS)

test: ## everything: installs what is missing, builds, checks, sanitizers, end to end (root)
	+$(Q)scripts/ensure-deps
	+$(Q)scripts/test-all

test-long: ## new seeds, longer fuzzing and mutants for LONG_S (2700) seconds, for every night (root)
	+$(Q)scripts/ensure-deps
	+$(Q)scripts/test-all --long

run: ## the embedded default: serve in a network lab of two namespaces (root); Ctrl-C ends it
	+$(Q)scripts/ensure-deps --run
	$(Q)$(MAKE) --no-print-directory VARIANT=release all
	+$(Q)scripts/lab run

deps: ## install the Debian packages that building and testing need (root)
	+$(Q)scripts/ensure-deps --all

bench: $(addprefix $(B)/bin/,$(APPS)) $(addprefix $(B)/test/,$(BENCHES)) ## all figures, printed as a table (BENCH=pattern: some)
	+$(Q)scripts/bench $(B)

performance: bench ## all figures again (root, a quiet machine), into docs/performance.md and README.md
	$(Q)scripts/gen-performance --take

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 30), needs clang
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz check-bins
	+$(Q)scripts/fuzz build/fuzz $(FUZZ)

# ---- reading and tidying

C_FILES := $(SRC_lib) $(SRC_app) $(SRC_test) $(wildcard lib/*/*.h app/*/*.h test/*/*.h)

layers: ## check that no module includes what the graph above does not allow
	+$(Q)scripts/check-layers

sizes: ## check lengths of files, functions and lines, and the banned words
	+$(Q)scripts/check-sizes

print-graph:
	@$(foreach m,$(MODULES),echo '$(m): $(USES_$(m))';)

map: ## the code map: each module and what its files are for
	+$(Q)scripts/map

format: ## clang-format over all C files
	$(Q)clang-format -i $(C_FILES)

lint: compile_commands.json ## clang-format, cppcheck, clang-tidy, shellcheck, layers, sizes, man pages
	+$(Q)scripts/lint

compile_commands.json: Makefile $(SRC_lib) $(SRC_app) $(SRC_test)
	$(Q){ echo '['; sep=; for f in $(SRC_lib) $(SRC_app) $(SRC_test); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}\n' "$$sep" "$(CURDIR)" "$$f" \
		'$(subst ",\\\\\\\",$(CC) $(filter-out -flto% -ffat-lto%,$(ALL_CFLAGS))) -c '"$$f"; sep=,; done; echo ']'; } >$@

# ---- installation

install: all ## install under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/doc/ringcached
	install -m 755 $(B)/bin/ringcached $(DESTDIR)$(PREFIX)/sbin/ringcached
	install -m 755 $(B)/bin/ringpcap $(DESTDIR)$(PREFIX)/bin/ringpcap
	install -m 755 $(B)/bin/ringload $(DESTDIR)$(PREFIX)/bin/ringload
	install -m 644 docs/man/ringcached.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 docs/man/ringcached.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 docs/man/ringpcap.1 docs/man/ringload.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 config/ringcached.conf LICENSE README.md $(DESTDIR)$(PREFIX)/share/doc/ringcached/

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/sbin/ringcached $(DESTDIR)$(PREFIX)/bin/ringpcap $(DESTDIR)$(PREFIX)/bin/ringload \
		$(DESTDIR)$(PREFIX)/share/man/man8/ringcached.8 $(DESTDIR)$(PREFIX)/share/man/man5/ringcached.conf.5 \
		$(DESTDIR)$(PREFIX)/share/man/man1/ringpcap.1 $(DESTDIR)$(PREFIX)/share/man/man1/ringload.1
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/ringcached

clean: ## remove this variant's build folder
	rm -rf $(B)

distclean: ## remove all build folders
	rm -rf build compile_commands.json

help: ## this list
	@echo 'ringcached $(VERSION): make [VARIANT=$(VARIANT)] [V=1] TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | sort | column -t -s '|'
	@echo 'CC=$(CC) PREFIX=$(PREFIX) build folder $(B)'

-include $(patsubst %.c,$(B)/obj/%.d,$(SRC_lib) $(SRC_app) $(SRC_test))
