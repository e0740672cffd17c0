/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Controllers and disks that come and go in a machine whose guest is not connected: ids,
 * places, what a disk stands on, and what is told of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enlight/backend/block.h"
#include "fake_kvm.h"
#include "vmm/internal.h"

static struct enlm_machine *machine;
static unsigned released;

static void
rung(void *ctx)
{
    struct enlm_machine *m = ctx;

    atomic_store(&m->asked, 0);
}

static void
release(struct enlh_block *block)
{
    released++;
    enlb_memory_destroy(block);
}

static int
setup(void **state)
{
    char why[ENLM_WHY] = "";

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    machine = calloc(1, sizeof(*machine));
    enlm_machine_config_defaults(&machine->config);
    machine->config.features = enlh_partition_config(k.partition)->features;
    machine->config.controllers = 1;
    machine->engine = k.engine;
    machine->partition = k.partition;
    machine->owns_disks = true;
    released = 0;
    assert_int_equal(enlm_loop_init(&machine->loop, rung, machine), 0);
    assert_int_equal(enlm_devices_init(machine, why), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_devices_fini(machine);
    enlm_loop_fini(&machine->loop);
    free(machine);
    fake_kvm_fini();
    return 0;
}

static void
poll_bus(void)
{
    while (enlh_vmbus_poll(machine->bus))
        ;
}

static int
add_disk(const char *id, uint32_t controller, uint32_t lun)
{
    struct enlm_disk disk = {
        .release = release, .controller = controller, .lun = lun, .id = id};
    char why[ENLM_WHY];
    int err;

    assert_int_equal(enlb_memory_create(1 << 20, 512, &disk.block), 0);
    err = enlm_disk_add(machine, &disk, why);
    if (err)
        enlb_memory_destroy(&disk.block);
    return err;
}

static void
unplug(const char *id)
{
    struct enlm_device *device = enlm_device_find(machine, id);

    assert_non_null(device);
    enlm_device_unplug(device);
    poll_bus();
    assert_null(enlm_device_find(machine, id));
}

static unsigned
descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void
hotplug_disk_takes_the_first_free_lun_and_gives_it_back(void **state)
{
    char why[ENLM_WHY];

    (void)state;
    assert_int_equal(add_disk("a", 0, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk("b", 0, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk("c", 0, 1), -ENL_E_EXIST);
    assert_int_equal(add_disk("a", 0, 7), -ENL_E_EXIST);
    assert_int_equal(add_disk("d", 3, 0), -ENL_E_NOENT);
    unplug("b");
    assert_int_equal(released, 1);
    assert_int_equal(add_disk("c", 0, 1), 0);
    assert_int_equal(enlm_disk_resize(machine, "b", 512, why), -ENL_E_NOENT);
    assert_int_equal(enlm_disk_resize(machine, "a", 512, why), -ENL_E_NOTSUP);
}

static void
hotplug_controller_takes_its_disks_along(void **state)
{
    char why[ENLM_WHY];

    (void)state;
    assert_int_equal(enlm_scsi_add(machine, 0, NULL, why), -ENL_E_EXIST);
    assert_int_equal(enlm_scsi_add(machine, 1, "more", why), 0);
    assert_int_equal(add_disk("a", 1, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk("b", 1, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk("c", 0, ENLM_LUN_ANY), 0);
    unplug("more");
    assert_int_equal(released, 2);
    assert_null(enlm_device_find(machine, "a"));
    assert_null(enlm_device_find(machine, "b"));
    assert_non_null(enlm_device_find(machine, "c"));
    assert_null(machine->scsi[1]);
    assert_int_equal(enlm_scsi_add(machine, 1, "more", why), 0);
}

static void
hotplug_thousand_rounds_leave_nothing_behind(void **state)
{
    unsigned before = descriptors();
    char why[ENLM_WHY];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(enlm_scsi_add(machine, 1, NULL, why), 0);
        assert_int_equal(add_disk("own", 1, ENLM_LUN_ANY), 0);
        assert_int_equal(add_disk("other", 0, ENLM_LUN_ANY), 0);
        unplug(i % 2 ? "scsi1" : "other");
        unplug(i % 2 ? "other" : "scsi1");
    }
    assert_int_equal(released, 2000);
    assert_int_equal(descriptors(), before);
}

/* ---- NICs ---- */

static void
net_info(void *backend, struct enlh_net_info *out)
{
    (void)backend;
    *out = (struct enlh_net_info){.max_mtu = 1500, .max_queues = 1};
}

static void
net_link(void *backend, struct enlh_net_link *out)
{
    (void)backend;
    *out = (struct enlh_net_link){.up = true};
}

static void
net_setup(void *backend, const struct enlh_net_setup *setup)
{
    (void)backend;
    (void)setup;
}

/* No guest opens a queue of it. */
static const struct enlh_net_ops net_ops = {
    .size = sizeof(net_ops), .info = net_info, .link = net_link, .setup = net_setup};

static int
add_nic(const char *id)
{
    const struct enlm_nic nic = {.id = id, .net = {.ops = &net_ops}};
    char why[ENLM_WHY];

    return enlm_nic_add(machine, &nic, why);
}

static void
hotplug_nics_have_numbers_without_end(void **state)
{
    (void)state;
    assert_int_equal(add_nic(NULL), 0);
    assert_int_equal(add_nic("net1"), 0);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(add_nic(NULL), 0);
        unplug("net2");
    }
    unplug("net0");
    assert_int_equal(add_nic(NULL), 0);
    assert_non_null(enlm_device_find(machine, "net0"));
}

static void
hotplug_disk_ids_go_around_those_of_the_user(void **state)
{
    (void)state;
    assert_int_equal(add_disk("disk0", 0, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk("disk2", 0, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk(NULL, 0, ENLM_LUN_ANY), 0);
    assert_int_equal(add_disk(NULL, 0, ENLM_LUN_ANY), 0);
    assert_non_null(enlm_device_find(machine, "disk3"));
}

/* The loop turns once more for what leaves late, when the services have gone. */
static void
hotplug_nothing_ticks_after_the_end(void **state)
{
    (void)state;
    enlm_devices_fini(machine);
    for (unsigned i = 0; i < ENLM_LOOP_SOURCES; i++)
        assert_false(machine->loop.sources[i].fd >= 0 &&
                     machine->loop.sources[i].ctx == machine);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hotplug_disk_takes_the_first_free_lun_and_gives_it_back),
        CASE(hotplug_controller_takes_its_disks_along),
        CASE(hotplug_thousand_rounds_leave_nothing_behind),
        CASE(hotplug_nics_have_numbers_without_end),
        CASE(hotplug_disk_ids_go_around_those_of_the_user),
        CASE(hotplug_nothing_ticks_after_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
