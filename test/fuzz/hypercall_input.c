/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls with any control word, any addresses and any content, from memory and in
 * registers, by guests of one, three and 130 VPs. The guest makes it run; nothing is
 * trusted.
 *
 * Promises: a result is a known status with the reserved bits clear, and counts no more
 * repetitions than were asked for; ports get what the input says, copied, and never more
 * than 240 bytes; masks name VPs that exist; the input stays as it was.
 */
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "rig.h"

#define MESSAGE_PORT 1u
#define EVENT_PORT   0x2000u
#define EVENT_COUNT  0x800u

static const uint16_t codes[] = {
    ENL_CALL_FLUSH_SPACE,
    ENL_CALL_FLUSH_LIST,
    ENL_CALL_FLUSH_SPACE_EX,
    ENL_CALL_FLUSH_LIST_EX,
    ENL_CALL_SEND_IPI,
    ENL_CALL_SEND_IPI_EX,
    ENL_CALL_NOTIFY_LONG_SPIN_WAIT,
    ENL_CALL_POST_MESSAGE,
    ENL_CALL_SIGNAL_EVENT,
    ENL_CALL_GET_VP_REGISTERS,
    ENL_CALL_SET_VP_REGISTERS,
    ENL_CALL_EXT_QUERY_CAPABILITIES,
};
#define CODE_COUNT (uint32_t)(sizeof(codes) / sizeof(codes[0]))

struct session {
    struct rig rig;
    uint32_t posted, signalled;
};

static uint16_t
port_message(void *ctx, struct enlh_vp *vp, uint32_t type, const void *message,
             uint32_t len)
{
    struct session *s = ctx;
    uint8_t copy[240];

    RIG_CHECK(s->rig.held == 0 && vp != NULL);
    RIG_CHECK(len <= sizeof(copy) && type != 0 && type >> 31 == 0);
    memcpy(copy, message, len);
    s->posted++;
    return len & 1 ? ENL_HV_STATUS_INSUFFICIENT_BUFFERS : ENL_HV_STATUS_SUCCESS;
}

static uint16_t
port_event(void *ctx, uint32_t connection_id, uint16_t flag)
{
    struct session *s = ctx;

    RIG_CHECK(s->rig.held == 0);
    RIG_CHECK(connection_id - EVENT_PORT < EVENT_COUNT);
    s->signalled++;
    return flag ? ENL_HV_STATUS_INVALID_PORT_ID : ENL_HV_STATUS_SUCCESS;
}

/* Mostly a call that exists, in a form that it may have. */
static uint64_t
pick_control(struct rig_input *in)
{
    static const uint16_t reps[] = {0, 1, 2, 3, 5, 12, 60, 510};
    uint8_t kind = rig_u8(in);
    uint64_t control = codes[kind % CODE_COUNT];

    if (kind >= 0xf8)
        return rig_u64(in);
    if (rig_below(in, 2))
        control |= ENL_HCALL_FAST;
    kind = rig_u8(in);
    control |= (uint64_t)(kind & 3) << ENL_HCALL_VARHEAD_SHIFT;
    control |= (uint64_t)reps[kind >> 2 & 7] << ENL_HCALL_REP_COUNT_SHIFT;
    control |= (uint64_t)(kind >> 5 & 3) << ENL_HCALL_REP_START_SHIFT;
    if (kind & 0x80)
        control ^= UINT64_C(1) << rig_below(in, 64);
    return control;
}

/* A header whose fields are plausible one by one. */
static void
write_input(struct session *s, uint64_t code, uint64_t *words)
{
    struct rig_input *in = &s->rig.in;
    uint8_t kind = rig_u8(in);

    if (kind >= 0xe0) {
        rig_bytes(in, words, 112);
    } else if (code == ENL_CALL_POST_MESSAGE) {
        words[0] = kind < 0x80 ? MESSAGE_PORT : rig_u32(in);
        words[1] = (uint64_t)rig_u8(in) << 32 | (kind & 3);
        rig_bytes(in, &words[2], 16);
    } else if (code == ENL_CALL_SIGNAL_EVENT) {
        words[0] =
            EVENT_PORT + rig_u16(in) % (EVENT_COUNT + 2) + ((uint64_t)(kind & 1) << 32);
    } else {
        for (uint32_t i = 0; i < 14; i++)
            words[i] = rig_below(in, 8) ? rig_u8(in) : rig_u64(in);
    }
}

/* Bytes of input that the call has, by its code and its control word; 0: any. */
static uint32_t
input_len(uint64_t control)
{
    static const struct {
        uint16_t code;
        uint8_t len;
    } heads[] = {
        {ENL_CALL_FLUSH_SPACE, sizeof(struct enl_hv_flush)},
        {ENL_CALL_FLUSH_LIST, sizeof(struct enl_hv_flush)},
        {ENL_CALL_FLUSH_SPACE_EX, sizeof(struct enl_hv_flush_ex)},
        {ENL_CALL_FLUSH_LIST_EX, sizeof(struct enl_hv_flush_ex)},
        {ENL_CALL_SEND_IPI, sizeof(struct enl_hv_send_ipi)},
        {ENL_CALL_SEND_IPI_EX, sizeof(struct enl_hv_send_ipi_ex)},
    };
    uint32_t varhead = (control & ENL_HCALL_VARHEAD) >> ENL_HCALL_VARHEAD_SHIFT;
    uint32_t reps = control >> ENL_HCALL_REP_COUNT_SHIFT & 0xfff;

    for (uint32_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (heads[i].code == (control & ENL_HCALL_CODE))
            return heads[i].len + 8 * (varhead + reps);
    return 0;
}

static void
check_result(uint64_t control, uint64_t result)
{
    uint32_t asked = control >> ENL_HCALL_REP_COUNT_SHIFT & 0xfff;
    uint32_t done = result >> ENL_HCALL_REP_DONE_SHIFT & 0xfff;
    uint16_t status = (uint16_t)result;

    RIG_CHECK((result & ~(ENL_HCALL_STATUS | ENL_HCALL_REP_DONE)) == 0);
    RIG_CHECK(status <= ENL_HV_STATUS_UNKNOWN_REGISTER_NAME);
    RIG_CHECK(done <= asked);
    if (status == ENL_HV_STATUS_SUCCESS)
        RIG_CHECK(done == asked);
}

/* From memory: at an address of the input's choice, copied there if there is RAM. */
static void
call_memory(struct session *s, uint32_t vp, uint64_t control, const uint64_t *words)
{
    struct enlh_hypercall call = {.control = control & ~ENL_HCALL_FAST};
    uint8_t before[ENL_PAGE_SIZE];
    uint64_t result;
    uint8_t *at;

    call.input = rig_gpa(&s->rig.in);
    call.output = rig_gpa(&s->rig.in);
    at = enlh_mem_at(s->rig.partition, (enl_gpa){call.input}, 112);
    if (at)
        memcpy(at, words, 112);
    at = enlh_mem_at(s->rig.partition, (enl_gpa){call.input & ~4095ull}, ENL_PAGE_SIZE);
    if (at)
        memcpy(before, at, ENL_PAGE_SIZE);
    result = enlh_vp_hypercall(rig_vp(&s->rig, vp), &call);
    check_result(call.control, result);
    if (at)
        RIG_CHECK(memcmp(before, at, ENL_PAGE_SIZE) == 0);
    if (!at || (call.input & ENL_PAGE_MASK) + input_len(control) > ENL_PAGE_SIZE)
        RIG_CHECK((uint16_t)result != ENL_HV_STATUS_SUCCESS);
}

static void
call_fast(struct session *s, uint32_t vp, uint64_t control, const uint64_t *words)
{
    struct enlh_hypercall call = {
        .control = control | ENL_HCALL_FAST, .input = words[0], .output = words[1]};
    uint64_t xmm[12], result;

    memcpy(xmm, &words[2], sizeof(xmm));
    if (rig_below(&s->rig.in, 8))
        call.xmm = xmm;
    result = enlh_vp_hypercall(rig_vp(&s->rig, vp), &call);
    check_result(call.control, result);
    if (input_len(control) > (call.xmm ? ENL_HCALL_XMM_INPUT : 16u))
        RIG_CHECK((uint16_t)result != ENL_HV_STATUS_SUCCESS);
}

/* Overlay pages where an input may lie. */
static void
cover(struct session *s, uint32_t vp)
{
    static const uint32_t regs[] = {ENL_REG_SIMP, ENL_REG_HYPERCALL,
                                    ENL_REG_REFERENCE_TSC, ENL_REG_GUEST_OS_ID};
    uint8_t kind = rig_u8(&s->rig.in);

    (void)enlh_vp_set_reg(rig_vp(&s->rig, vp), regs[kind & 3],
                          (rig_gpa(&s->rig.in) & ~4095ull) | (kind >> 2 & 1));
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->rig.in);
    uint32_t vp = action % s->rig.config.vp_count;
    uint64_t words[14] = {0};
    uint64_t control;

    if (action >= 0xf0) {
        cover(s, vp);
        return;
    }
    control = pick_control(&s->rig.in);
    write_input(s, control & ENL_HCALL_CODE, words);
    if (control & ENL_HCALL_FAST)
        call_fast(s, vp, control, words);
    else
        call_memory(s, vp, control, words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t vps[] = {1, 3, 3, RIG_VPS_MAX};
    static struct session s;
    uint8_t kind;

    memset(&s, 0, sizeof(s));
    rig_init(&s.rig, data, size);
    kind = rig_u8(&s.rig.in);
    s.rig.config.vp_count = vps[kind & 3];
    if (kind >= 0xf0)
        s.rig.config.features.set &= ~ENLH_F_BIT(rig_below(&s.rig.in, ENLH_F_COUNT));
    if (enlh_features_check(&s.rig.config.features, &(enum enlh_feature){0},
                            &(enum enlh_feature){0}) != 0)
        return 0;
    rig_start(&s.rig);
    RIG_CHECK(enlh_port_message(s.rig.partition, MESSAGE_PORT, port_message, &s) == 0);
    RIG_CHECK(
        enlh_port_events(s.rig.partition, EVENT_PORT, EVENT_COUNT, port_event, &s) == 0);
    if (!(kind & 4))
        (void)enlh_vp_set_reg(rig_vp(&s.rig, 0), ENL_REG_GUEST_OS_ID, RIG_OS_ID);
    for (uint32_t steps = 0; s.rig.in.left > 0 && steps < 400; steps++)
        step(&s);
    RIG_CHECK(enlh_port_message(s.rig.partition, MESSAGE_PORT, NULL, NULL) == 0);
    rig_stop(&s.rig);
    return 0;
}
