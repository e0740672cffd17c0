/* SPDX-License-Identifier: BSD-2-Clause */
/* What a driver asks about the NIC, and what it sets. */
#include "net_rig.h"

#include <string.h>

static struct net_rig r;

static uint32_t
ask32(uint32_t oid)
{
    uint32_t value = 0, len = sizeof(value);

    assert_int_equal(net_rig_query(&r, oid, &value, &len), ENL_RNDIS_STATUS_SUCCESS);
    assert_int_equal(len, sizeof(value));
    return value;
}

/* DN09: all that Linux asks for at its start. */
static void
oid_what_linux_asks_for(void **state)
{
    uint8_t mac[6], name[512], rss[18];
    uint32_t len = sizeof(mac);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(ask32(ENL_OID_MAXIMUM_FRAME_SIZE), 1500);
    assert_int_equal(ask32(ENL_OID_MEDIA_CONNECT_STATUS), ENL_NDIS_MEDIA_CONNECTED);
    assert_int_equal(ask32(ENL_OID_LINK_SPEED), 100000000);
    assert_int_equal(net_rig_query(&r, ENL_OID_PERMANENT_ADDRESS, mac, &len),
                     ENL_RNDIS_STATUS_SUCCESS);
    assert_memory_equal(mac, rig_mac, 6);
    len = sizeof(name);
    assert_int_equal(net_rig_query(&r, ENL_OID_FRIENDLY_NAME, name, &len),
                     ENL_RNDIS_STATUS_SUCCESS);
    assert_int_equal(len, 2 * sizeof("Network Adapter"));
    assert_memory_equal(name, "N\0e\0t\0", 6);
    len = sizeof(rss);
    assert_int_equal(net_rig_query(&r, ENL_OID_RSS_CAPABILITIES, rss, &len),
                     ENL_RNDIS_STATUS_SUCCESS);
    assert_int_equal(len, 18);
    assert_int_equal(rss[12], 4); /* queues */
    net_rig_stop(&r);
}

static struct enl_ndis_offload
capabilities(uint32_t version, uint32_t *len)
{
    struct enl_ndis_offload out = {0};

    net_rig_boot(&r, version);
    *len = sizeof(out);
    assert_int_equal(net_rig_query(&r, ENL_OID_OFFLOAD_CAPABILITIES, &out, len),
                     ENL_RNDIS_STATUS_SUCCESS);
    net_rig_stop(&r);
    return out;
}

/* DN28: Linux wants the bit for TCP options too. */
static void
oid_offload_capabilities_by_version(void **state)
{
    struct enl_ndis_offload offload;
    uint32_t len;

    (void)state;
    offload = capabilities(ENL_NVSP_VERSION_2, &len);
    assert_int_equal(len, 112);
    assert_int_equal(offload.head.revision, 1);
    offload = capabilities(ENL_NVSP_VERSION_4, &len);
    assert_int_equal(len, 144);
    assert_int_equal(offload.head.revision, 2);
    offload = capabilities(ENL_NVSP_VERSION_5, &len);
    assert_int_equal(len, 156);
    assert_int_equal(offload.rsc_ipv4, 0);
    offload = capabilities(ENL_NVSP_VERSION_6_1, &len);
    assert_int_equal(offload.head.type, ENL_NDIS_OBJECT_OFFLOAD);
    assert_int_equal(offload.head.revision, 3);
    assert_int_equal(offload.checksum.ipv4_tx & 0x14, 0x14);
    assert_int_equal(offload.checksum.ipv6_tx & 0x15, 0x15);
    assert_int_equal(offload.lso.ipv4_max_len, 65536);
    assert_int_equal(offload.lso.ipv6_flags, 5);
    assert_int_equal(offload.rsc_ipv4, 1);
    assert_int_equal(offload.rsc_ipv6, 1);
}

static void
oid_a_plain_backend_offers_no_offload(void **state)
{
    struct enl_ndis_offload offload;
    uint32_t len = sizeof(offload);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.nic->info.offloads = 0;
    net_rig_query(&r, ENL_OID_OFFLOAD_CAPABILITIES, &offload, &len);
    assert_int_equal(offload.checksum.ipv4_tx, 0);
    assert_int_equal(offload.lso.ipv4_encapsulation, 0);
    assert_int_equal(offload.rsc_ipv4, 0);
    net_rig_stop(&r);
}

static void
oid_every_query_of_the_list_is_answered(void **state)
{
    uint32_t list[64], len = sizeof(list), count;
    uint8_t value[1024];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_query(&r, ENL_OID_SUPPORTED_LIST, list, &len),
                     ENL_RNDIS_STATUS_SUCCESS);
    count = len / 4;
    assert_true(count > 30);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t status;

        len = sizeof(value);
        status = net_rig_query(&r, list[i], value, &len);
        assert_true(status == ENL_RNDIS_STATUS_SUCCESS ||
                    status == ENL_RNDIS_STATUS_NOT_SUPPORTED);
    }
    len = sizeof(value);
    assert_int_equal(net_rig_query(&r, 0xdeadbeef, value, &len),
                     ENL_RNDIS_STATUS_NOT_SUPPORTED);
    assert_int_equal(net_rig_set(&r, 0xdeadbeef, value, 4),
                     ENL_RNDIS_STATUS_NOT_SUPPORTED);
    net_rig_stop(&r);
}

/* ---- the address ---- */

struct address {
    struct enl_ndis_config_parameter head;
    uint16_t name[14];
    uint16_t value[12];
};

static struct address
address(const char *value)
{
    struct address out = {.head = {.name_offset = 20,
                                   .name_len = 28,
                                   .type = ENL_NDIS_PARAMETER_STRING,
                                   .value_offset = 48,
                                   .value_len = 24}};

    for (int i = 0; i < 14; i++)
        out.name[i] = (uint8_t)ENL_NDIS_ADDRESS_PARAMETER[i];
    for (int i = 0; i < 12; i++)
        out.value[i] = (uint8_t)value[i];
    return out;
}

/* DN10 */
static void
oid_the_guest_changes_its_address(void **state)
{
    struct address set = address("0200aBcDeF01");
    static const uint8_t want[6] = {0x02, 0x00, 0xab, 0xcd, 0xef, 0x01};
    uint8_t mac[6];
    uint32_t len = sizeof(mac);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_5);
    assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, sizeof(set)),
                     ENL_RNDIS_STATUS_SUCCESS);
    net_rig_query(&r, ENL_OID_CURRENT_ADDRESS, mac, &len);
    assert_memory_equal(mac, want, 6);
    enlh_nic_mac(r.nic, mac);
    assert_memory_equal(mac, want, 6);
    net_rig_query(&r, ENL_OID_PERMANENT_ADDRESS, mac, &len);
    assert_memory_equal(mac, rig_mac, 6);
    net_rig_stop(&r);
}

/* DN10, DN03: Linux closes and opens its NIC for another MTU. */
static void
oid_an_address_outlives_an_opening(void **state)
{
    struct address set = address("0200aBcDeF01");
    static const uint8_t want[6] = {0x02, 0x00, 0xab, 0xcd, 0xef, 0x01};
    uint8_t mac[6];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_5);
    assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, sizeof(set)),
                     ENL_RNDIS_STATUS_SUCCESS);
    fake_channel_close(r.channel);
    fake_bus_poll(&r.bus);
    net_rig_connect(&r, ENL_NVSP_VERSION_5);
    enlh_nic_mac(r.nic, mac);
    assert_memory_equal(mac, want, 6);
    net_rig_stop(&r);
}

static void
oid_an_address_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {"000000000000", "01005e000001", "0200abcdef0g",
                                        "0200abcd ef0"};
    struct address set;
    uint8_t mac[6];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_5);
    for (size_t i = 0; i < 4; i++) {
        set = address(wrong[i]);
        assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, sizeof(set)),
                         ENL_RNDIS_STATUS_INVALID_DATA);
    }
    set = address("0200abcdef01");
    set.head.value_offset = 0xfffffff0;
    assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, sizeof(set)),
                     ENL_RNDIS_STATUS_INVALID_DATA);
    set.head.value_offset = 48;
    set.head.name_len = 0xffffffff;
    assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, sizeof(set)),
                     ENL_RNDIS_STATUS_INVALID_DATA);
    assert_int_equal(net_rig_set(&r, ENL_OID_CONFIG_PARAMETER, &set, 10),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    enlh_nic_mac(r.nic, mac);
    assert_memory_equal(mac, rig_mac, 6);
    net_rig_stop(&r);
}

/* ---- receive-side scaling ---- */

struct rss {
    struct enl_ndis_rss_parameters head;
    uint32_t table[128];
    uint8_t key[40];
};

static struct rss
rss(void)
{
    struct rss out = {.head = {.head = {.type = ENL_NDIS_OBJECT_RSS_PARAMETERS,
                                        .revision = 2,
                                        .size = sizeof(out.head)},
                               .hash = ENL_NDIS_HASH_TOEPLITZ | ENL_NDIS_HASH_IPV4 |
                                       ENL_NDIS_HASH_TCP_IPV4,
                               .table_len = sizeof(out.table),
                               .table_offset = sizeof(out.head),
                               .key_len = sizeof(out.key),
                               .key_offset = sizeof(out.head) + sizeof(out.table)}};

    for (uint32_t i = 0; i < 128; i++)
        out.table[i] = i % 4;
    memset(out.key, 0x6d, sizeof(out.key));
    return out;
}

/* DN15 */
static void
oid_rss_reaches_the_backend(void **state)
{
    struct rss set = rss();

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 3);
    assert_int_equal(net_rig_set(&r, ENL_OID_RSS_PARAMETERS, &set, sizeof(set)),
                     ENL_RNDIS_STATUS_SUCCESS);
    assert_int_equal(r.net.setup.steering.hash,
                     ENL_NDIS_HASH_IPV4 | ENL_NDIS_HASH_TCP_IPV4);
    assert_memory_equal(r.net.setup.steering.key, set.key, 40);
    for (uint32_t i = 0; i < 128; i++)
        assert_int_equal(r.net.setup.steering.table[i], i % 4);
    set.head.flags = ENL_NDIS_RSS_DISABLE;
    net_rig_set(&r, ENL_OID_RSS_PARAMETERS, &set, sizeof(set));
    assert_int_equal(r.net.setup.steering.hash, 0);
    net_rig_stop(&r);
}

static uint32_t
try_rss(const struct rss *set)
{
    uint32_t status = net_rig_set(&r, ENL_OID_RSS_PARAMETERS, set, sizeof(*set));

    assert_int_equal(r.net.setup.steering.hash, 0);
    return status;
}

static void
oid_rss_that_is_none_is_refused(void **state)
{
    struct rss set = rss();

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA); /* no such channels */
    net_rig_subchannels(&r, 3);
    set.head.table_offset = 0xffffff00;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set = rss();
    set.head.key_offset = sizeof(set) - 39;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set = rss();
    set.head.key_len = 39;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set = rss();
    set.head.table_len = 12;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set.head.table_len = 0;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set = rss();
    set.table[127] = 4;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_INVALID_DATA);
    set = rss();
    set.head.hash = 2;
    assert_int_equal(try_rss(&set), ENL_RNDIS_STATUS_NOT_SUPPORTED);
    assert_int_equal(net_rig_set(&r, ENL_OID_RSS_PARAMETERS, &set, 39),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    net_rig_stop(&r);
}

static void
oid_short_values_are_refused(void **state)
{
    uint8_t value[256] = {0};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_set(&r, ENL_OID_PACKET_FILTER, value, 3),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    assert_int_equal(net_rig_set(&r, ENL_OID_MULTICAST_LIST, value, 7),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    assert_int_equal(net_rig_set(&r, ENL_OID_MULTICAST_LIST, value, 33 * 6),
                     ENL_RNDIS_STATUS_MULTICAST_FULL);
    assert_int_equal(net_rig_set(&r, ENL_OID_OFFLOAD_PARAMETERS, value, 19),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    assert_int_equal(net_rig_set(&r, ENL_OID_OFFLOAD_ENCAPSULATION, value, 8),
                     ENL_RNDIS_STATUS_INVALID_LENGTH);
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oid_what_linux_asks_for),
        cmocka_unit_test(oid_offload_capabilities_by_version),
        cmocka_unit_test(oid_a_plain_backend_offers_no_offload),
        cmocka_unit_test(oid_every_query_of_the_list_is_answered),
        cmocka_unit_test(oid_the_guest_changes_its_address),
        cmocka_unit_test(oid_an_address_outlives_an_opening),
        cmocka_unit_test(oid_an_address_that_is_none_is_refused),
        cmocka_unit_test(oid_rss_reaches_the_backend),
        cmocka_unit_test(oid_rss_that_is_none_is_refused),
        cmocka_unit_test(oid_short_values_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
