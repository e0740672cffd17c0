/* SPDX-License-Identifier: BSD-2-Clause */
/* A NIC on a fake bus, over a fake network, with a driver made by hand. */
#include "net_rig.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/ring.h"

const uint8_t rig_mac[6] = {0x00, 0x15, 0x5d, 0x01, 0x02, 0x03};

void
net_rig_init(struct net_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    fake_boot(&rig->f, 1);
    fake_bus_init(&rig->bus, &rig->f);
    fake_net_init(&rig->net);
    rig->config = (struct enlh_nic_config){
        .size = sizeof(rig->config),
        .instance = {{1}},
        .name = "net0",
        .max_subchannels = 3,
        .mtu = 9000,
        .net = rig->net.net,
    };
    memcpy(rig->config.mac, rig_mac, sizeof(rig_mac));
}

void
net_rig_create(struct net_rig *rig)
{
    assert_int_equal(enlh_nic_create(&rig->bus, &rig->config, &rig->nic), 0);
    rig->channel = fake_bus_channel(&rig->bus, 0);
    assert_non_null(rig->channel);
}

struct enl_nvsp_message
net_rig_nvsp(struct net_rig *rig, const struct enl_nvsp_message *message)
{
    struct enl_nvsp_message out = {0};
    struct fake_answer answer;

    fake_channel_put(rig->channel, ENL_PACKET_INBAND, 99, message, sizeof(*message), NULL,
                     0);
    assert_int_equal(fake_channel_run(rig->channel), 1);
    do {
        assert_true(fake_channel_take(rig->channel, &answer));
    } while (!answer.is_completion);
    assert_true(answer.transaction_id == 99);
    memcpy(&out, answer.data, answer.len);
    return out;
}

uint32_t
net_rig_version(struct net_rig *rig, uint32_t version)
{
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_INIT,
        .u.init = {.min_version = version, .max_version = version}};

    message = net_rig_nvsp(rig, &message);
    assert_int_equal(message.type, ENL_NVSP_INIT_COMPLETE);
    return message.u.init_complete.status;
}

static void
lend(struct net_rig *rig)
{
    struct enlh_span receive = {.offset = RIG_RECEIVE_GPA, .len = RIG_RECEIVE_LEN};
    struct enlh_span send = {.offset = RIG_SEND_GPA, .len = RIG_SEND_LEN};

    fake_channel_lend(rig->channel, RIG_RECEIVE, &receive, 1);
    fake_channel_lend(rig->channel, RIG_SEND, &send, 1);
}

void
net_rig_connect(struct net_rig *rig, uint32_t version)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_NDIS_CONFIG};

    assert_int_equal(fake_channel_open(rig->channel), 0);
    assert_int_equal(net_rig_version(rig, version), ENL_NVSP_STATUS_SUCCESS);
    lend(rig);
    if (version >= ENL_NVSP_VERSION_2) {
        message.u.ndis_config.mtu = 1514;
        message.u.ndis_config.capabilities = ENL_NVSP_CAPABILITY_8021Q |
                                             ENL_NVSP_CAPABILITY_TEAMING |
                                             ENL_NVSP_CAPABILITY_RSC;
        net_rig_nvsp(rig, &message);
    }
    message = (struct enl_nvsp_message){
        .type = ENL_NVSP_RECEIVE_BUFFER,
        .u.buffer = {.gpadl = RIG_RECEIVE, .id = ENL_NVSP_RECEIVE_BUFFER_ID}};
    message = net_rig_nvsp(rig, &message);
    assert_int_equal(message.type, ENL_NVSP_RECEIVE_BUFFER_COMPLETE);
    rig->receive = message.u.receive_buffer_complete;
    assert_int_equal(rig->receive.status, ENL_NVSP_STATUS_SUCCESS);
    message = (struct enl_nvsp_message){.type = ENL_NVSP_SEND_BUFFER,
                                        .u.buffer = {.gpadl = RIG_SEND}};
    message = net_rig_nvsp(rig, &message);
    assert_int_equal(message.type, ENL_NVSP_SEND_BUFFER_COMPLETE);
    assert_int_equal(message.u.send_buffer_complete.status, ENL_NVSP_STATUS_SUCCESS);
}

void
net_rig_boot(struct net_rig *rig, uint32_t version)
{
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_initialize body;
    } request = {{ENL_RNDIS_INITIALIZE, sizeof(request)}, {1, 1, 0, 0x4000}};
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_initialize_complete body;
    } answer;
    uint32_t filter = RIG_FILTER;

    net_rig_init(rig);
    net_rig_create(rig);
    net_rig_connect(rig, version);
    assert_int_equal(
        net_rig_control(rig, &request, sizeof(request), &answer, sizeof(answer)),
        sizeof(answer));
    assert_int_equal(answer.body.status, ENL_RNDIS_STATUS_SUCCESS);
    assert_int_equal(net_rig_set(rig, ENL_OID_PACKET_FILTER, &filter, sizeof(filter)),
                     ENL_RNDIS_STATUS_SUCCESS);
}

void
net_rig_subchannels(struct net_rig *rig, uint32_t count)
{
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_SUBCHANNEL,
        .u.subchannel = {.operation = ENL_NVSP_SUBCHANNEL_ALLOCATE, .count = count}};

    message = net_rig_nvsp(rig, &message);
    assert_int_equal(message.type, ENL_NVSP_SUBCHANNEL);
    assert_int_equal(message.u.subchannel_complete.status, ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(message.u.subchannel_complete.count, count);
    fake_bus_poll(&rig->bus);
    for (uint16_t i = 1; i <= count; i++) {
        assert_non_null(fake_bus_channel(&rig->bus, i));
        assert_int_equal(fake_channel_open(fake_bus_channel(&rig->bus, i)), 0);
    }
    fake_bus_poll(&rig->bus);
}

static void
gone(void *ctx)
{
    ((struct net_rig *)ctx)->destroyed++;
}

void
net_rig_stop(struct net_rig *rig)
{
    enlh_nic_destroy(rig->nic, gone, rig);
    for (int i = 0; i < 4; i++)
        fake_bus_poll(&rig->bus);
    assert_int_equal(rig->destroyed, 1);
    fake_bus_fini(&rig->bus);
    fake_net_fini(&rig->net);
    fake_fini(&rig->f);
}

/* ---- control ---- */

bool
net_rig_take(struct net_rig *rig, struct enlh_channel *channel, struct fake_answer *out)
{
    (void)rig;
    fake_channel_run(channel);
    while (fake_channel_take(channel, out)) {
        if (out->range_count)
            return true;
    }
    return false;
}

void
net_rig_complete(struct enlh_channel *channel, uint64_t transaction_id)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS_COMPLETE,
        .u.rndis_complete = {.status = ENL_NVSP_STATUS_SUCCESS}};

    fake_channel_put(channel, ENL_PACKET_COMPLETION, transaction_id, &message,
                     ENL_NVSP_LEN_1, NULL, 0);
    fake_channel_run(channel);
}

static void
put_rndis(struct net_rig *rig, struct enlh_channel *channel, uint32_t channel_type,
          const void *bytes, uint32_t len)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.channel_type = channel_type, .section_index = ENL_NVSP_NO_SECTION}};
    const struct enlh_span span = {.offset = RIG_FRAME_GPA, .len = len};

    memcpy(fake_at(&rig->f, RIG_FRAME_GPA, len), bytes, len);
    fake_channel_put(channel, ENL_PACKET_GPA_DIRECT, 55, &message, sizeof(message), &span,
                     1);
}

uint32_t
net_rig_control(struct net_rig *rig, const void *request, uint32_t len, void *answer,
                uint32_t max)
{
    struct fake_answer packet;
    uint32_t got;

    put_rndis(rig, rig->channel, ENL_NVSP_CHANNEL_CONTROL, request, len);
    if (!net_rig_take(rig, rig->channel, &packet))
        return 0;
    assert_int_equal(packet.pageset_id, ENL_NVSP_RECEIVE_BUFFER_ID);
    assert_int_equal(packet.range_count, 1);
    got = packet.ranges[0].byte_count;
    assert_true(got <= max);
    memcpy(answer, fake_at(&rig->f, RIG_RECEIVE_GPA + packet.ranges[0].byte_offset, got),
           got);
    net_rig_complete(rig->channel, packet.transaction_id);
    return got;
}

uint32_t
net_rig_query(struct net_rig *rig, uint32_t oid, void *value, uint32_t *len)
{
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_query body;
    } request = {{ENL_RNDIS_QUERY, sizeof(request)},
                 {++rig->request_id, oid, 0, sizeof(struct enl_rndis_query), 0}};
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_query_complete body;
        uint8_t value[1024];
    } answer;
    uint32_t got =
        net_rig_control(rig, &request, sizeof(request), &answer, sizeof(answer));

    assert_true(got >= 24);
    assert_int_equal(answer.head.type, ENL_RNDIS_QUERY | ENL_RNDIS_COMPLETION);
    assert_int_equal(answer.head.len, got);
    assert_int_equal(answer.body.request_id, rig->request_id);
    assert_int_equal(answer.body.buffer_len, got - 24);
    assert_true(answer.body.buffer_len <= *len);
    *len = answer.body.buffer_len;
    if (*len)
        memcpy(value, (uint8_t *)&answer.body + answer.body.buffer_offset, *len);
    return answer.body.status;
}

uint32_t
net_rig_set(struct net_rig *rig, uint32_t oid, const void *value, uint32_t len)
{
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_query body;
        uint8_t value[1024];
    } request = {{ENL_RNDIS_SET, 28 + len},
                 {++rig->request_id, oid, len, sizeof(struct enl_rndis_query), 0},
                 {0}};
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_complete body;
    } answer;

    assert_true(len <= sizeof(request.value));
    memcpy(request.value, value, len);
    assert_int_equal(net_rig_control(rig, &request, 28 + len, &answer, sizeof(answer)),
                     sizeof(answer));
    assert_int_equal(answer.head.type, ENL_RNDIS_SET | ENL_RNDIS_COMPLETION);
    assert_int_equal(answer.body.request_id, rig->request_id);
    return answer.body.status;
}

/* ---- frames ---- */

static uint32_t
ethernet(uint8_t *frame, uint16_t type)
{
    static const uint8_t peer[6] = {0x52, 0x54, 0, 0, 0, 1};

    memcpy(frame, rig_mac, 6);
    memcpy(frame + 6, peer, 6);
    enlh_net_put16(frame + 12, type);
    return 14;
}

static void
payload(uint8_t *to, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        to[i] = (uint8_t)i;
}

static uint32_t
ipv4(uint8_t *frame, uint8_t protocol, uint32_t transport_len)
{
    uint8_t *ip = frame + ethernet(frame, 0x0800);
    static const uint8_t rest[] = {64, 0, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2};

    memset(ip, 0, 20);
    ip[0] = 0x45;
    enlh_net_put16(ip + 2, 20 + transport_len);
    memcpy(ip + 8, rest, sizeof(rest));
    ip[9] = protocol;
    return 34;
}

static void
tcp(uint8_t *at, uint32_t payload_len)
{
    memset(at, 0, 20);
    enlh_net_put16(at, 40000);
    enlh_net_put16(at + 2, 80);
    at[12] = 0x50;
    at[13] = 0x10;
    payload(at + 20, payload_len);
}

uint32_t
net_rig_tcp4(uint8_t *frame, uint32_t payload_len)
{
    uint32_t at = ipv4(frame, ENLH_NET_TCP, 20 + payload_len);

    tcp(frame + at, payload_len);
    return at + 20 + payload_len;
}

uint32_t
net_rig_udp4(uint8_t *frame, uint32_t payload_len)
{
    uint32_t at = ipv4(frame, ENLH_NET_UDP, 8 + payload_len);

    enlh_net_put16(frame + at, 68);
    enlh_net_put16(frame + at + 2, 67);
    enlh_net_put16(frame + at + 4, 8 + payload_len);
    enlh_net_put16(frame + at + 6, 0);
    payload(frame + at + 8, payload_len);
    return at + 8 + payload_len;
}

uint32_t
net_rig_tcp6(uint8_t *frame, uint32_t payload_len)
{
    uint8_t *ip = frame + ethernet(frame, 0x86dd);

    memset(ip, 0, 40);
    ip[0] = 0x60;
    enlh_net_put16(ip + 4, 20 + payload_len);
    ip[6] = ENLH_NET_TCP;
    ip[7] = 64;
    ip[8] = ip[24] = 0xfe;
    ip[9] = ip[25] = 0x80;
    ip[23] = 1;
    ip[39] = 2;
    tcp(ip + 40, payload_len);
    return 14 + 40 + 20 + payload_len;
}

uint32_t
net_rig_message(uint8_t *to, const uint8_t *frame, uint32_t len,
                const struct rig_info *infos, uint32_t info_count)
{
    const uint32_t info_len = info_count * ENL_RNDIS_INFO_LEN;
    struct enl_rndis_packet packet = {
        .data_offset = (uint32_t)sizeof(packet) + info_len,
        .data_len = len,
        .info_offset = info_len ? sizeof(packet) : 0,
        .info_len = info_len,
    };
    struct enl_rndis_header head = {
        .type = ENL_RNDIS_PACKET,
        .len = (uint32_t)(sizeof(head) + sizeof(packet)) + info_len + len,
    };

    memcpy(to, &head, sizeof(head));
    memcpy(to + 8, &packet, sizeof(packet));
    for (uint32_t i = 0; i < info_count; i++) {
        struct enl_rndis_info info = {
            .size = ENL_RNDIS_INFO_LEN, .type = infos[i].type, .offset = 12};

        memcpy(to + 44 + i * ENL_RNDIS_INFO_LEN, &info, sizeof(info));
        memcpy(to + 56 + i * ENL_RNDIS_INFO_LEN, &infos[i].value, 4);
    }
    memcpy(to + 44 + info_len, frame, len);
    return head.len;
}

uint32_t
net_rig_send(struct net_rig *rig, struct enlh_channel *channel, const uint8_t *bytes,
             uint32_t len)
{
    struct fake_answer answer;
    struct enl_nvsp_message message;

    put_rndis(rig, channel, ENL_NVSP_CHANNEL_DATA, bytes, len);
    assert_int_equal(fake_channel_run(channel), 1);
    assert_true(fake_channel_take(channel, &answer));
    assert_true(answer.is_completion && answer.transaction_id == 55);
    memcpy(&message, answer.data, answer.len);
    assert_int_equal(message.type, ENL_NVSP_RNDIS_COMPLETE);
    return message.u.rndis_complete.status;
}

uint32_t
net_rig_send_frame(struct net_rig *rig, const uint8_t *frame, uint32_t len,
                   const struct rig_info *infos, uint32_t info_count)
{
    uint8_t *bytes = malloc(len + 512);
    uint32_t status;

    assert_non_null(bytes);
    len = net_rig_message(bytes, frame, len, infos, info_count);
    status = net_rig_send(rig, rig->channel, bytes, len);
    free(bytes);
    return status;
}

void
net_rig_read(struct net_rig *rig, const struct enl_transfer_range *range,
             struct rig_received *out)
{
    const uint8_t *at =
        fake_at(&rig->f, RIG_RECEIVE_GPA + range->byte_offset, range->byte_count);
    struct enl_rndis_header head;
    uint32_t done = 0;

    memset(out, 0, sizeof(*out));
    memcpy(&head, at, sizeof(head));
    memcpy(&out->packet, at + 8, sizeof(out->packet));
    assert_int_equal(head.type, ENL_RNDIS_PACKET);
    assert_int_equal(head.len, range->byte_count);
    assert_int_equal(8 + out->packet.data_offset + out->packet.data_len, head.len);
    out->len = out->packet.data_len;
    assert_true(out->len <= sizeof(out->frame));
    memcpy(out->frame, at + 8 + out->packet.data_offset, out->len);
    while (done < out->packet.info_len) {
        struct enl_rndis_info info;
        uint32_t value;

        memcpy(&info, at + 8 + out->packet.info_offset + done, sizeof(info));
        memcpy(&value, at + 8 + out->packet.info_offset + done + info.offset, 4);
        done += info.size;
        if (info.type == ENL_RNDIS_INFO_CHECKSUM)
            out->checksum = value, out->has_checksum = true;
        else if (info.type == ENL_RNDIS_INFO_VLAN)
            out->vlan = value, out->has_vlan = true;
        else if (info.type == ENL_RNDIS_INFO_HASH)
            out->hash = value, out->has_hash = true;
        else if (info.type == ENL_RNDIS_INFO_FRAGMENT)
            out->fragment = value >> 8 & 0xff, out->has_fragment = true;
    }
}
