# SPDX-License-Identifier: BSD-2-Clause
# The verbs that people type. meson and ninja do the building.
#
#   make run [KERNEL=6.1|6.1-cloud|6.12] [ENGINE=auto|kernel|user] [CPUS=N] [HV=LIST]
#   make run-unikernel [ENGINE=auto|kernel|user] [CPUS=N]    example/unikernel, a kernel of one's own
#   make check          every test that CI runs
#   make check-all      the full product of kernels, engines and CPUs, and the mutation list
#   make soak SEEDS=1000000   lives of a device in one process, many more than "make check" tries
#   make coverage       lines of guest/ and host/vmbus/ that the tests and the fuzz corpora run
#   make fuzz MINUTES=1 [TARGET=name]
#   make bench          rings and clocks beside their limits, then disks and networks side by side with QEMU
#   make bench-ring     the first half of it, which needs no machine
#   make install        [PREFIX=/usr/local] [DESTDIR=]
KERNEL  ?= 6.1
ENGINE  ?= auto
CPUS    ?= 1
MINUTES ?= 1
SEEDS   ?= 1000000
PREFIX  ?= /usr/local
BUILD   ?= build

.PHONY: all build deps run run-unikernel check check-all soak coverage fuzz bench bench-ring install clean

all: build

deps:
	@nested/deps.sh build

$(BUILD)/build.ninja: | deps
	@meson setup --prefix $(PREFIX) $(BUILD) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

build: deps $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

run: build
	@nested/deps.sh run
	@image/run.sh --kernel $(KERNEL) --engine $(ENGINE) --cpus $(CPUS) $(if $(HV),--hv $(HV)) $(BUILD)/tool/enlight

run-unikernel: build
	@nested/deps.sh run
	@example/unikernel/run.sh --engine $(ENGINE) --cpus $(CPUS) $(BUILD)/tool/enlight \
		$(BUILD)/example/unikernel/unikernel.elf

check:
	@nested/deps.sh build run check
	@BUILD=$(BUILD) test/check.sh

check-all:
	@nested/deps.sh build run check
	@BUILD=$(BUILD) test/check.sh --all

soak: build
	@$(BUILD)/test/loop_life --progress --seeds $(SEEDS)

coverage:
	@nested/deps.sh build check
	@test/coverage/run.sh

fuzz:
	@nested/deps.sh build check
	@test/fuzz/run.sh --minutes $(MINUTES) $(TARGET)

bench-ring: build
	@$(BUILD)/test/bench/bench_inprocess

bench: bench-ring
	@nested/deps.sh run bench
	@test/bench/run.sh $(BUILD)/tool/enlight

# A prefix that differs from the one set up goes into the program as well, so it is built again.
install: build
ifneq ($(origin PREFIX),file)
	@meson configure $(BUILD) -Dprefix=$(PREFIX) && ninja -C $(BUILD) --quiet
endif
	@meson install -C $(BUILD) --no-rebuild --quiet $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean:
	rm -rf $(BUILD)
