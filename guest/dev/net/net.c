/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/net/net.c - the driver of a synthetic NIC: its start and its end
 *
 * Run by the kernel's start, stop and poll, and by the host's answers, each a private copy
 * here. The start asks one question after the other; a table says what each state asks
 * and what it does with the answer. What a host says about itself is cut to what can be.
 * [NVSP and RNDIS: enlight/abi/nvsp.h, enlight/abi/rndis.h]
 * Tests: test/unit/guest_net*.c, test/loop/net.c.
 */
#include "guest/dev/net/net.h"

#define MTU_DEFAULT     1500u
#define MTU_MIN         576u
#define FRAME_HEAD_LEN  14u
#define RECEIVE_LEN_MIN 65536u

static const uint32_t versions[] = {ENL_NVSP_VERSION_6_1, ENL_NVSP_VERSION_6,
                                    ENL_NVSP_VERSION_5,   ENL_NVSP_VERSION_4,
                                    ENL_NVSP_VERSION_2,   ENL_NVSP_VERSION_1};
#define VERSION_COUNT (sizeof(versions) / sizeof(versions[0]))

static struct net *
net_of(struct enlg_net *net)
{
    return (struct net *)net;
}

static uint32_t
version_of(const struct net *n)
{
    return versions[n->version];
}

void
enlg_net_tell(struct net *n, enum enlg_net_event event)
{
    n->first.config.event(n->first.config.ctx, (struct enlg_net *)n, event);
}

/* ---- life; the bus's thread ---- */

static bool
config_is_good(const struct enlg_net_config *config)
{
    return config->size == sizeof(*config) && config->event && config->receive_buffer &&
           ENLG_PAGE_ALIGNED(config->receive_buffer) &&
           config->receive_len >= RECEIVE_LEN_MIN &&
           config->receive_len % ENL_PAGE_SIZE == 0 &&
           config->receive_len / ENL_PAGE_SIZE <= ENLG_GPADL_PAGES &&
           (config->mtu == 0 || config->mtu >= MTU_MIN) &&
           config->sub_channels < ENLG_NET_QUEUES_MAX;
}

int
enlg_net_start(struct enlg_net *out, struct enlg_channel *channel,
               const struct enlg_net_config *config)
{
    struct net *n = net_of(out);

    if (!config_is_good(config))
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    n->partition = enlg_vmbus_partition(enlg_channel_bus(channel));
    n->info.mtu = config->mtu ? config->mtu : MTU_DEFAULT;
    n->carried = true;
    return enlg_net_queue_open(&n->first, n, channel, config);
}

/* The host is told not to look any more; that it does not is known from TORNDOWN. */
static int
take_back(struct net *n)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_REVOKE_RECEIVE_BUFFER,
        .u.revoke.id = ENL_NVSP_RECEIVE_BUFFER_ID,
    };
    const struct enlg_send send = {.payload = &m, .payload_len = ENLG_NET_MESSAGE_LEN};
    int rc = enlg_packet_put(n->first.queue.channel, &send);

    if (!rc)
        rc = enlg_packet_publish(n->first.queue.channel);
    (void)rc; /* a channel that was rescinded, or is full: the teardown says it as well */
    return enlg_gpadl_teardown(&n->receive);
}

int
enlg_net_stop(struct enlg_net *net)
{
    struct net *n = net_of(net);
    int rc, queues_rc;

    if (!n->queues || n->stopping)
        return -ENL_E_INVAL;
    n->stopping = true;
    queues_rc = enlg_queue_close_others(&n->first.queue);
    if (n->lending) /* CREATED goes on from here */
        return queues_rc;
    rc = n->lent ? take_back(n) : enlg_channel_close(n->first.queue.channel);
    return rc ? rc : queues_rc;
}

/* ---- questions; the first channel's thread from here on ---- */

static int
ask_nvsp(struct net *n, const struct enl_nvsp_message *m)
{
    struct enlg_send send = {
        .payload = m,
        .payload_len = ENLG_NET_MESSAGE_LEN,
        .wants_completion = true,
    };
    int rc = enlg_requests_get(&n->first.queue.requests, n, &send.transaction_id);

    if (rc)
        return rc;
    n->waiting = true;
    return enlg_packet_put(n->first.queue.channel, &send);
}

static int
say_nvsp(struct net *n, const struct enl_nvsp_message *m)
{
    const struct enlg_send send = {.payload = m, .payload_len = ENLG_NET_MESSAGE_LEN};

    return enlg_packet_put(n->first.queue.channel, &send);
}

/* The message of len bytes: its pages are the host's until carried. */
static int
ask_rndis(struct net *n, uint32_t len)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {ENL_NVSP_CHANNEL_CONTROL, ENL_NVSP_NO_SECTION, 0},
    };
    uint32_t count = enlg_net_queue_pages(&n->first, 0, n->message, len);

    int rc = enlg_net_queue_put(&n->first, &m, count, n);

    if (rc)
        return rc;
    n->waiting = true;
    n->carried = false;
    return 0;
}

static int
ask_version(struct net *n)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_INIT,
        .u.init = {version_of(n), version_of(n)},
    };

    return ask_nvsp(n, &m);
}

static int
say_configuration(struct net *n)
{
    struct enl_nvsp_message m = {.type = ENL_NVSP_NDIS_CONFIG};
    bool is_new = version_of(n) >= ENL_NVSP_VERSION_5;
    int rc;

    m.u.ndis_config.mtu = n->info.mtu + FRAME_HEAD_LEN;
    m.u.ndis_config.capabilities =
        ENL_NVSP_CAPABILITY_8021Q | (is_new ? ENL_NVSP_CAPABILITY_TEAMING : 0);
    rc = version_of(n) == ENL_NVSP_VERSION_1 ? 0 : say_nvsp(n, &m);
    if (rc)
        return rc;
    m = (struct enl_nvsp_message){
        .type = ENL_NVSP_NDIS_VERSION,
        .u.ndis_version = {6, is_new ? 30 : 1},
    };
    return say_nvsp(n, &m);
}

static int
ask_buffer(struct net *n)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_RECEIVE_BUFFER,
        .u.buffer = {enlg_gpadl_handle(&n->receive), ENL_NVSP_RECEIVE_BUFFER_ID, 0},
    };
    int rc = say_configuration(n);

    return rc ? rc : ask_nvsp(n, &m);
}

static int
ask_initialize(struct net *n)
{
    return ask_rndis(n, enlg_rndis_initialize(n));
}

static int
ask_address(struct net *n)
{
    return ask_rndis(n, enlg_rndis_query(n, ENL_OID_PERMANENT_ADDRESS, NULL, 6));
}

static int
ask_capabilities(struct net *n)
{
    /* The question holds the header of what is wanted. */
    struct enl_ndis_offload o = {
        .head = {ENL_NDIS_OBJECT_OFFLOAD, 1, ENL_NDIS_OFFLOAD_LEN_1}};

    if (version_of(n) >= ENL_NVSP_VERSION_5)
        o.head =
            (struct enl_ndis_header){ENL_NDIS_OBJECT_OFFLOAD, 2, ENL_NDIS_OFFLOAD_LEN_2};
    if (version_of(n) >= ENL_NVSP_VERSION_6)
        o.head =
            (struct enl_ndis_header){ENL_NDIS_OBJECT_OFFLOAD, 3, ENL_NDIS_OFFLOAD_LEN_3};
    return ask_rndis(n,
                     enlg_rndis_query(n, ENL_OID_OFFLOAD_CAPABILITIES, &o, o.head.size));
}

static uint8_t
checksum_wish(uint32_t agreed, uint32_t bit)
{
    return agreed & bit ? ENL_NDIS_PARAMETER_CHECKSUM_TX_RX
                        : ENL_NDIS_PARAMETER_CHECKSUM_RX;
}

static uint8_t
segment_wish(uint32_t max_len)
{
    return max_len ? ENL_NDIS_PARAMETER_ENABLED : ENL_NDIS_PARAMETER_DISABLED;
}

static int
ask_offloads(struct net *n)
{
    const struct enlg_net_info *info = &n->info;
    bool is_long = version_of(n) >= ENL_NVSP_VERSION_5;
    uint32_t len = is_long ? (uint32_t)sizeof(struct enl_ndis_offload_parameters)
                           : ENL_NDIS_OFFLOAD_PARAMETERS_LEN_1;
    const struct enl_ndis_offload_parameters p = {
        .head = {ENL_NDIS_OBJECT_DEFAULT, is_long ? 3 : 1, (uint16_t)len},
        .ipv4_checksum = checksum_wish(info->checksum, ENLG_NET_CHECKSUM_IP),
        .tcp4_checksum = checksum_wish(info->checksum, ENLG_NET_CHECKSUM_TCP),
        .udp4_checksum = checksum_wish(info->checksum, ENLG_NET_CHECKSUM_UDP),
        .tcp6_checksum = checksum_wish(info->checksum_ipv6, ENLG_NET_CHECKSUM_TCP),
        .udp6_checksum = checksum_wish(info->checksum_ipv6, ENLG_NET_CHECKSUM_UDP),
        .lso_v1 = ENL_NDIS_PARAMETER_DISABLED,
        .lso_ipv4 = segment_wish(info->segment),
        .lso_ipv6 = segment_wish(info->segment_ipv6),
        .rsc_ipv4 = is_long ? ENL_NDIS_PARAMETER_DISABLED : 0,
        .rsc_ipv6 = is_long ? ENL_NDIS_PARAMETER_DISABLED : 0,
    };

    return ask_rndis(n, enlg_rndis_set(n, ENL_OID_OFFLOAD_PARAMETERS, &p, len));
}

static int
ask_media(struct net *n)
{
    return ask_rndis(n, enlg_rndis_query(n, ENL_OID_MEDIA_CONNECT_STATUS, NULL, 4));
}

static int
ask_speed(struct net *n)
{
    return ask_rndis(n, enlg_rndis_query(n, ENL_OID_LINK_SPEED, NULL, 4));
}

static int
ask_channels(struct net *n)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_SUBCHANNEL,
        .u.subchannel = {ENL_NVSP_SUBCHANNEL_ALLOCATE, n->first.config.sub_channels},
    };

    return ask_nvsp(n, &m);
}

static int
ask_filter(struct net *n)
{
    const uint32_t filter =
        ENL_NDIS_FILTER_DIRECTED | ENL_NDIS_FILTER_ALL_MULTICAST |
        ENL_NDIS_FILTER_BROADCAST |
        (n->first.config.promiscuous ? ENL_NDIS_FILTER_PROMISCUOUS : 0);

    return ask_rndis(n, enlg_rndis_set(n, ENL_OID_PACKET_FILTER, &filter, 4));
}

/* Received flows over the queues that are open, each time that these change. */
static int
ask_spread(struct net *n)
{
    uint32_t open = __atomic_load_n(&n->open_queues, __ATOMIC_ACQUIRE) | 1u;

    if (open == n->spread_over)
        return 0;
    n->spread_asked = open;
    return ask_rndis(n, enlg_rndis_set_spread(n, open));
}

/* ---- answers ---- */

static uint32_t
checksums_of(uint32_t bits)
{
    uint32_t all = 0;

    if (bits & ENL_NDIS_CHECKSUM_IP_HEADER)
        all |= ENLG_NET_CHECKSUM_IP;
    /* Without options a TCP checksum is of no use: most segments have some. */
    if (bits & ENL_NDIS_CHECKSUM_TCP && bits & ENL_NDIS_CHECKSUM_TCP_OPTIONS)
        all |= ENLG_NET_CHECKSUM_TCP;
    if (bits & ENL_NDIS_CHECKSUM_UDP)
        all |= ENLG_NET_CHECKSUM_UDP;
    return all;
}

static uint32_t
segment_of(uint32_t encapsulation, uint32_t max_len)
{
    if (!(encapsulation & ENL_NDIS_ENCAPSULATION_8023))
        return 0;
    return max_len < UINT16_MAX ? max_len : UINT16_MAX;
}

static void
take_capabilities(struct net *n, const uint8_t *m, uint32_t len)
{
    struct enl_ndis_offload o;

    /* A host that cannot say offloads nothing. */
    if (!enlg_rndis_value(m, len, &o, sizeof(o)) ||
        o.head.type != ENL_NDIS_OBJECT_OFFLOAD || o.head.size < ENL_NDIS_OFFLOAD_LEN_1)
        return;
    n->info.checksum = checksums_of(o.checksum.ipv4_tx);
    n->info.checksum_ipv6 = checksums_of(o.checksum.ipv6_tx) & ~ENLG_NET_CHECKSUM_IP;
    n->info.segment = segment_of(o.lso.ipv4_encapsulation, o.lso.ipv4_max_len);
    n->info.segment_ipv6 = o.lso.ipv6_flags & ENL_NDIS_LSO_IPV6_TCP_OPTIONS
                               ? segment_of(o.lso.ipv6_encapsulation, o.lso.ipv6_max_len)
                               : 0;
}

static void
take_media(struct net *n, const uint8_t *m, uint32_t len)
{
    uint32_t media;

    n->info.link_up =
        enlg_rndis_value(m, len, &media, 4) && media == ENL_NDIS_MEDIA_CONNECTED;
}

static void
take_speed(struct net *n, const uint8_t *m, uint32_t len)
{
    uint32_t speed;

    if (enlg_rndis_value(m, len, &speed, 4))
        n->info.link_mbit = speed / 10000;
}

static void
take_address(struct net *n, const uint8_t *m, uint32_t len)
{
    (void)enlg_rndis_value(m, len, n->info.address, sizeof(n->info.address));
}

static void
take_spread(struct net *n, const uint8_t *m, uint32_t len)
{
    (void)m;
    (void)len;
    n->spread_over = n->spread_asked;
}

static const struct {
    int (*ask)(struct net *n);
    uint32_t min_version;
    uint32_t answer; /* the type of RNDIS's answer; 0: NVSP answers */
    void (*take)(struct net *n, const uint8_t *m, uint32_t len); /* (optional) */
    bool optional; /* a host may refuse it, and the start goes on without */
} questions[] = {
    [NET_VERSION] = {ask_version, 0, 0, NULL, false},
    [NET_BUFFER] = {ask_buffer, 0, 0, NULL, false},
    [NET_INITIALIZE] = {ask_initialize, 0, ENL_RNDIS_INITIALIZE, NULL, false},
    [NET_ADDRESS] = {ask_address, 0, ENL_RNDIS_QUERY, take_address, false},
    [NET_CAPABILITIES] = {ask_capabilities, 0, ENL_RNDIS_QUERY, take_capabilities, true},
    [NET_OFFLOADS] = {ask_offloads, 0, ENL_RNDIS_SET, NULL, true},
    [NET_MEDIA] = {ask_media, 0, ENL_RNDIS_QUERY, take_media, false},
    [NET_SPEED] = {ask_speed, ENL_NVSP_VERSION_5, ENL_RNDIS_QUERY, take_speed, true},
    [NET_CHANNELS] = {ask_channels, ENL_NVSP_VERSION_5, 0, NULL, true},
    [NET_FILTER] = {ask_filter, 0, ENL_RNDIS_SET, NULL, false},
    [NET_READY] = {ask_spread, ENL_NVSP_VERSION_5, ENL_RNDIS_SET, take_spread, true},
};

static int
net_break(struct net *n, int error, const char *why)
{
    return enlg_net_queue_break(&n->first, error, why);
}

static bool
is_wanted(const struct net *n, enum net_state state)
{
    if (version_of(n) < questions[state].min_version)
        return false;
    return state != NET_CHANNELS || n->first.config.sub_channels != 0;
}

/* Enter the next state that asks something. */
static int
next_enter(struct net *n)
{
    enum net_state state = net_state(n);

    do
        state++;
    while (state != NET_READY && !is_wanted(n, state));
    net_set_state(n, state);
    if (state != NET_READY)
        return questions[state].ask(n);
    n->spread_over = 1;
    enlg_net_tell(n, ENLG_NET_READY);
    return 0;
}

int
enlg_net_go_on(struct net *n)
{
    int rc;

    if (n->waiting || !n->carried)
        return 0;
    if (net_state(n) == NET_READY) {
        rc = is_wanted(n, NET_READY) ? ask_spread(n) : 0;
        return rc == -ENL_E_AGAIN ? 0 : rc; /* full of frames: at the next poll */
    }
    rc = next_enter(n);
    return rc == -ENL_E_AGAIN ? net_break(n, -ENL_E_PROTO, "net: the host does not read")
                              : rc;
}

static int
version_answered(struct net *n, const struct enl_nvsp_message *m)
{
    if (m->type != ENL_NVSP_INIT_COMPLETE)
        return net_break(n, -ENL_E_PROTO, "net: an answer of a wrong form");
    if (m->u.init_complete.status == ENL_NVSP_STATUS_SUCCESS) {
        n->info.version = version_of(n);
        return 0;
    }
    if (++n->version == VERSION_COUNT)
        return net_break(n, -ENL_E_NOTSUP, "net: no common version");
    return ask_version(n);
}

/* Frames are looked for where the packets say, within the buffer. */
static int
buffer_answered(struct net *n, const struct enl_nvsp_message *m)
{
    if (m->type != ENL_NVSP_RECEIVE_BUFFER_COMPLETE)
        return net_break(n, -ENL_E_PROTO, "net: an answer of a wrong form");
    if (m->u.receive_buffer_complete.status != ENL_NVSP_STATUS_SUCCESS)
        return net_break(n, -ENL_E_IO, "net: the host refused the receive buffer");
    return 0;
}

static int
channels_answered(struct net *n, const struct enl_nvsp_message *m)
{
    uint32_t count = m->u.subchannel_complete.count;

    if (m->type == ENL_NVSP_SUBCHANNEL &&
        m->u.subchannel_complete.status == ENL_NVSP_STATUS_SUCCESS)
        n->info.sub_channels = count < n->first.config.sub_channels
                                   ? (uint16_t)count
                                   : n->first.config.sub_channels;
    return 0;
}

int
enlg_net_answered(struct net *n, const struct enl_nvsp_message *m)
{
    enum net_state state = net_state(n);

    /* What carried an RNDIS question came back: its pages are ours. */
    if (m->type == ENL_NVSP_RNDIS_COMPLETE) {
        n->carried = true;
        return 0;
    }
    if (!n->waiting || state == NET_READY || questions[state].answer != 0)
        return net_break(n, -ENL_E_PROTO, "net: an answer that nobody asked for");
    n->waiting = false;
    switch (state) {
    case NET_VERSION:
        return version_answered(n, m);
    case NET_BUFFER:
        return buffer_answered(n, m);
    default:
        return channels_answered(n, m);
    }
}

/* ---- RNDIS control messages ---- */

static int
indicate_take(struct net *n, const uint8_t *m, uint32_t len)
{
    struct enl_rndis_indicate body;
    const uint32_t head_len = sizeof(struct enl_rndis_header);
    uint32_t speed;

    if (len < head_len + sizeof(body))
        return net_break(n, -ENL_E_PROTO, "net: an indication that is too short");
    memcpy(&body, m + head_len, sizeof(body));
    switch (body.status) {
    case ENL_RNDIS_STATUS_MEDIA_CONNECT:
        n->info.link_up = true;
        break;
    case ENL_RNDIS_STATUS_MEDIA_DISCONNECT:
        n->info.link_up = false;
        break;
    case ENL_RNDIS_STATUS_LINK_SPEED:
        if (body.buffer_len < 4 || body.buffer_offset > len - head_len ||
            len - head_len - body.buffer_offset < 4)
            return net_break(n, -ENL_E_PROTO, "net: an indication that is too short");
        memcpy(&speed, m + head_len + body.buffer_offset, 4);
        n->info.link_mbit = speed / 10000;
        break;
    case ENL_RNDIS_STATUS_NETWORK_CHANGE:
        break;
    default:
        return 0;
    }
    if (net_state(n) == NET_READY)
        enlg_net_tell(n, ENLG_NET_LINK);
    return 0;
}

/* Every answer but RESET's begins with the request's id and a status. */
static int
answer_take(struct net *n, uint32_t type, const uint8_t *m, uint32_t len)
{
    enum net_state state = net_state(n);
    struct enl_rndis_complete body;

    if (len < sizeof(struct enl_rndis_header) + sizeof(body))
        return net_break(n, -ENL_E_PROTO, "net: an answer that is too short");
    memcpy(&body, m + sizeof(struct enl_rndis_header), sizeof(body));
    if (!n->waiting || questions[state].answer == 0 ||
        type != (questions[state].answer | ENL_RNDIS_COMPLETION) ||
        body.request_id != n->request_id)
        return net_break(n, -ENL_E_PROTO, "net: an answer that nobody asked for");
    n->waiting = false;
    if (body.status != ENL_RNDIS_STATUS_SUCCESS && !questions[state].optional)
        return net_break(n, -ENL_E_IO, "net: the host refused to start");
    /* One that was refused is not asked again: the queues are what they are. */
    if (questions[state].take &&
        (body.status == ENL_RNDIS_STATUS_SUCCESS || state == NET_READY))
        questions[state].take(n, m, len);
    return 0;
}

int
enlg_net_control(struct net *n, const uint8_t *m, uint32_t len)
{
    struct enl_rndis_header head;

    memcpy(&head, m, sizeof(head));
    if (head.type == ENL_RNDIS_INDICATE)
        return indicate_take(n, m, len);
    if (head.type & ENL_RNDIS_COMPLETION)
        return answer_take(n, head.type, m, len);
    return net_break(n, -ENL_E_PROTO, "net: a control message of a wrong type");
}

/* ---- questions of the kernel ---- */

bool
enlg_net_is_ready(const struct enlg_net *net)
{
    return net_state((const struct net *)net) == NET_READY;
}

void
enlg_net_info(const struct enlg_net *net, struct enlg_net_info *out)
{
    *out = ((const struct net *)net)->info;
}

int
enlg_net_poll(struct enlg_net *net)
{
    return enlg_net_queue_poll(enlg_net_queue_first(net));
}

int
enlg_net_submit(struct enlg_net *net, struct enlg_net_send *send)
{
    return enlg_net_queue_submit(enlg_net_queue_first(net), send);
}

int
enlg_net_kick(struct enlg_net *net)
{
    return enlg_net_queue_kick(enlg_net_queue_first(net));
}

struct enlg_net_queue *
enlg_net_queue_first(struct enlg_net *net)
{
    return (struct enlg_net_queue *)&net_of(net)->first;
}
