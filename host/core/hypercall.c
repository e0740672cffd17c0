/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: who may call, the page with the code, the control word, and the way of the
 * input from guest memory or registers to the room that answers. A guest in kernel mode
 * makes it run with any registers. The input is copied once, whole, before anything looks
 * at it; a call that has output gets a private buffer, copied back on success.
 * [TLFS 3, 3.5 control word, 3.8 statuses, 3.13 page]
 *
 * Every call finishes within one exit: a list is bounded by the page that holds it, so
 * there is no continuation but the one that the guest asks for with a start index.
 * Tests: hypercall_control, hypercall_memory, hypercall_page.
 */
#include "host/core/hypercall.h"

#include <string.h>

#include "common/checked.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "host/core/feature.h"
#include "host/core/ipi.h"
#include "host/core/ops.h"
#include "host/core/port.h"
#include "host/core/tlb.h"

/* ---- the calls that are answered ---- */

/* Spinning longer is what the guest will do anyway: it is told that we know. */
static uint16_t
hypercall_long_spin(struct enlh_vp *vp, struct enlh_call *call)
{
    (void)vp;
    (void)call;
    return ENL_HV_STATUS_SUCCESS;
}

#define B(name) ENLH_F_BIT(ENLH_F_##name)

static const struct enlh_call_info hypercall_table[] = {
    {.code = ENL_CALL_FLUSH_SPACE,
     .flags = ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = sizeof(struct enl_hv_flush),
     .needs = B(TLBFLUSH),
     .run = enlh_tlb_flush_call},
    {.code = ENL_CALL_FLUSH_LIST,
     .flags = ENLH_CALL_REP | ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = sizeof(struct enl_hv_flush),
     .element_len = sizeof(uint64_t),
     .needs = B(TLBFLUSH),
     .run = enlh_tlb_flush_list_call},
    {.code = ENL_CALL_NOTIFY_LONG_SPIN_WAIT,
     .flags = ENLH_CALL_FAST,
     .input_len = sizeof(struct enl_hv_long_spin_wait),
     .needs = B(SPINLOCKS),
     .run = hypercall_long_spin},
    {.code = ENL_CALL_SEND_IPI,
     .flags = ENLH_CALL_FAST,
     .input_len = sizeof(struct enl_hv_send_ipi),
     .needs = B(IPI),
     .run = enlh_ipi_send_call},
    {.code = ENL_CALL_FLUSH_SPACE_EX,
     .flags = ENLH_CALL_VARHEAD | ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = sizeof(struct enl_hv_flush_ex),
     .needs = B(TLBFLUSH) | B(EX_PROCESSOR_MASKS),
     .run = enlh_tlb_flush_ex_call},
    {.code = ENL_CALL_FLUSH_LIST_EX,
     .flags = ENLH_CALL_REP | ENLH_CALL_VARHEAD | ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = sizeof(struct enl_hv_flush_ex),
     .element_len = sizeof(uint64_t),
     .needs = B(TLBFLUSH) | B(EX_PROCESSOR_MASKS),
     .run = enlh_tlb_flush_list_ex_call},
    {.code = ENL_CALL_SEND_IPI_EX,
     .flags = ENLH_CALL_VARHEAD | ENLH_CALL_FAST | ENLH_CALL_XMM,
     .input_len = sizeof(struct enl_hv_send_ipi_ex),
     .needs = B(IPI) | B(EX_PROCESSOR_MASKS),
     .run = enlh_ipi_send_ex_call},
    {.code = ENL_CALL_POST_MESSAGE,
     .input_len = sizeof(struct enl_hv_post_message),
     .needs = B(SYNIC),
     .run = enlh_port_post_call},
    {.code = ENL_CALL_SIGNAL_EVENT,
     .flags = ENLH_CALL_FAST,
     .input_len = sizeof(struct enl_hv_signal_event),
     .needs = B(SYNIC),
     .run = enlh_port_signal_call},
};

/* ---- the control word ---- */

/* The fields of the control word, and the lengths that follow from them. */
struct hypercall_form {
    uint32_t varhead;
    uint32_t rep_count;
    uint32_t rep_start;
    bool fast;
    uint32_t header_len; /* bytes */
    uint32_t input_len;  /* bytes, list included */
};

static struct hypercall_form
hypercall_form_read(const struct enlh_call_info *info, uint64_t control)
{
    struct hypercall_form form = {
        .varhead = (uint32_t)((control & ENL_HCALL_VARHEAD) >> ENL_HCALL_VARHEAD_SHIFT),
        .rep_count =
            (uint32_t)((control & ENL_HCALL_REP_COUNT) >> ENL_HCALL_REP_COUNT_SHIFT),
        .rep_start =
            (uint32_t)((control & ENL_HCALL_REP_START) >> ENL_HCALL_REP_START_SHIFT),
        .fast = (control & ENL_HCALL_FAST) != 0,
    };

    form.header_len = info->input_len + form.varhead * 8;
    form.input_len = form.header_len + form.rep_count * info->element_len;
    return form;
}

static uint16_t
hypercall_form_check(const struct enlh_call_info *info, const struct hypercall_form *form)
{
    bool is_rep = (info->flags & ENLH_CALL_REP) != 0;

    if (is_rep ? form->rep_start >= form->rep_count
               : form->rep_count != 0 || form->rep_start != 0)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (form->varhead != 0 && (info->flags & ENLH_CALL_VARHEAD) == 0)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (form->fast && (info->flags & ENLH_CALL_FAST) == 0)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    return ENL_HV_STATUS_SUCCESS;
}

/* ---- input and output ---- */

#define HYPERCALL_REGISTER_BYTES 16u

/*
 * 8-byte aligned, inside one page, and RAM. [TLFS 3.8] What a call does with an overlay
 * page is undefined there; here it is refused.
 */
static uint16_t
hypercall_range_check(struct enlh_partition *partition, uint64_t gpa, uint32_t len)
{
    if ((gpa & (ENL_HCALL_ALIGN - 1)) != 0 ||
        !enl_within(gpa & ENL_PAGE_MASK, len, ENL_PAGE_SIZE) ||
        enlh_mem_at(partition, (enl_gpa){gpa}, len) == NULL ||
        enlh_overlay_covers(partition, gpa))
        return ENL_HV_STATUS_INVALID_ALIGNMENT;
    return ENL_HV_STATUS_SUCCESS;
}

static uint16_t
hypercall_read_memory(struct enlh_partition *partition, uint64_t gpa, uint64_t *input,
                      uint32_t len)
{
    uint16_t status =
        len == 0 ? ENL_HV_STATUS_SUCCESS : hypercall_range_check(partition, gpa, len);

    if (status == ENL_HV_STATUS_SUCCESS && len > 0)
        memcpy(input, enlh_mem_at(partition, (enl_gpa){gpa}, len), len);
    return status;
}

static uint16_t
hypercall_read_registers(struct enlh_vp *vp, const struct enlh_call_info *info,
                         const struct enlh_hypercall *call, uint64_t *input, uint32_t len)
{
    input[0] = call->input;
    input[1] = call->output;
    if (len <= HYPERCALL_REGISTER_BYTES)
        return ENL_HV_STATUS_SUCCESS;
    if ((info->flags & ENLH_CALL_XMM) == 0 || call->xmm == NULL ||
        len > ENL_HCALL_XMM_INPUT ||
        !enlh_feature_on(&vp->partition->config.features, ENLH_F_XMM_INPUT))
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    memcpy(&input[2], call->xmm, ENL_HCALL_XMM_INPUT - HYPERCALL_REGISTER_BYTES);
    return ENL_HV_STATUS_SUCCESS;
}

/* A fast call with output would need XMM output, which is not announced. */
static uint16_t
hypercall_output_check(struct enlh_partition *partition,
                       const struct enlh_call_info *info,
                       const struct hypercall_form *form,
                       const struct enlh_hypercall *call)
{
    if (info->output_len == 0)
        return ENL_HV_STATUS_SUCCESS;
    if (form->fast)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (call->output < call->input + form->input_len &&
        call->input < call->output + info->output_len)
        return ENL_HV_STATUS_INVALID_ALIGNMENT;
    return hypercall_range_check(partition, call->output, info->output_len);
}

/* ---- dispatch ---- */

static const struct enlh_call_info *
hypercall_find(const struct enlh_call_info *table, uint32_t table_len, uint64_t control)
{
    for (uint32_t i = 0; i < table_len; i++) {
        if (table[i].code == (control & ENL_HCALL_CODE))
            return &table[i];
    }
    return NULL;
}

/* May this guest make this call at all? Privilege before form. [TLFS 3.8, ordering] */
static uint16_t
hypercall_admit(struct enlh_vp *vp, const struct enlh_call_info *info, uint64_t control)
{
    struct enlh_partition *partition = vp->partition;

    if (atomic_load(&partition->hypercall.guest_os_id) == 0)
        return ENL_HV_STATUS_OPERATION_DENIED;
    if (info == NULL)
        return ENL_HV_STATUS_INVALID_HYPERCALL_CODE;
    if ((info->needs & ~partition->config.features.set) != 0)
        return ENL_HV_STATUS_ACCESS_DENIED;
    if ((control & (ENL_HCALL_RESERVED | ENL_HCALL_NESTED)) != 0)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    return ENL_HV_STATUS_SUCCESS;
}

/* Admitted: copy, run, copy back. rep_done is for the result word. */
static uint16_t
hypercall_answer(struct enlh_vp *vp, const struct enlh_call_info *info,
                 const struct enlh_hypercall *call, uint32_t *rep_done)
{
    struct hypercall_form form = hypercall_form_read(info, call->control);
    uint64_t input[ENL_PAGE_SIZE / 8];
    uint64_t output[ENL_PAGE_SIZE / 8];
    struct enlh_call c = {.input = input,
                          .varhead_count = form.varhead,
                          .rep_start = form.rep_start,
                          .rep_count = form.rep_count,
                          .output = output};
    uint16_t status = hypercall_form_check(info, &form);

    if (status != ENL_HV_STATUS_SUCCESS)
        return status;
    status = form.fast ? hypercall_read_registers(vp, info, call, input, form.input_len)
                       : hypercall_read_memory(vp->partition, call->input, input,
                                               form.input_len);
    if (status == ENL_HV_STATUS_SUCCESS)
        status = hypercall_output_check(vp->partition, info, &form, call);
    if (status != ENL_HV_STATUS_SUCCESS)
        return status;
    c.list = &input[form.header_len / 8];
    memset(output, 0, info->output_len);
    status = info->run(vp, &c);
    *rep_done = c.rep_done;
    if (status == ENL_HV_STATUS_SUCCESS && info->output_len > 0) {
        int err = enlh_mem_write(vp->partition, (enl_gpa){call->output}, output,
                                 info->output_len);

        /* It was RAM a moment ago, and RAM stays. */
        ENLH_BUG_ON(vp->partition, err != 0);
    }
    return status;
}

uint64_t
enlh_hypercall_dispatch(struct enlh_vp *vp, const struct enlh_hypercall *call,
                        const struct enlh_call_info *table, uint32_t table_len)
{
    const struct enlh_call_info *info = hypercall_find(table, table_len, call->control);
    uint16_t status = hypercall_admit(vp, info, call->control);
    uint32_t rep_done = 0;

    ENLH_COUNT(vp->partition, hypercalls);
    if (status == ENL_HV_STATUS_SUCCESS)
        status = hypercall_answer(vp, info, call, &rep_done);
    if (status != ENL_HV_STATUS_SUCCESS) {
        ENLH_COUNT(vp->partition, hypercalls_refused);
        /* "Try again" is no mistake of the guest's. */
        if (status != ENL_HV_STATUS_INSUFFICIENT_BUFFERS)
            enlh_log_guest(vp->partition, "vp %u: hypercall %#lx refused, status %#x",
                           vp->index, (unsigned long)call->control, status);
    }
    return status | (uint64_t)rep_done << ENL_HCALL_REP_DONE_SHIFT;
}

uint64_t
enlh_hypercall_run(struct enlh_vp *vp, const struct enlh_hypercall *call)
{
    return enlh_hypercall_dispatch(vp, call, hypercall_table,
                                   sizeof(hypercall_table) / sizeof(hypercall_table[0]));
}

/* ---- the page ---- */

int
enlh_hypercall_init(struct enlh_partition *partition)
{
    atomic_store(&partition->hypercall.guest_os_id, 0);
    return 0;
}

void
enlh_hypercall_reset(struct enlh_partition *partition)
{
    struct enlh_hypercall_page *room = &partition->hypercall;

    if (enlh_overlay_value(&room->page) != 0)
        (void)enlh_ops_forward(&partition->vps[0], ENL_REG_HYPERCALL, 0);
    if (atomic_load(&room->guest_os_id) != 0)
        (void)enlh_ops_forward(&partition->vps[0], ENL_REG_GUEST_OS_ID, 0);
    enlh_overlay_reset(partition, &room->page);
    atomic_store(&room->guest_os_id, 0);
}

void
enlh_hypercall_fini(struct enlh_partition *partition)
{
    enlh_overlay_fini(partition, &partition->hypercall.page);
}

void
enlh_hypercall_set_code(struct enlh_partition *partition, uint32_t form,
                        const struct enlh_hypercall_code *code)
{
    ENLH_BUG_ON(partition,
                form >= ENLH_HYPERCALL_FORMS || code->len > sizeof(code->byte));
    partition->hypercall.code[form] = *code;
}

/* [TLFS 3.13] Locked: the page stays where it is until the machine is reset. */
static int
hypercall_set_page(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_hypercall_page *room = &partition->hypercall;
    const struct enlh_hypercall_code *code = &room->code[vp->code_form];
    struct enlh_overlay_write write = {.overlay = &room->page, .reg = ENL_REG_HYPERCALL};

    if ((enlh_overlay_value(&room->page) & ENL_HYPERCALL_LOCKED) != 0)
        return -ENL_E_INVAL;
    if (atomic_load(&room->guest_os_id) == 0)
        value &= ~ENL_HYPERCALL_ENABLE;
    write.value = value;
    if (!enlh_ops_forwards(partition)) {
        write.content = code->byte;
        write.content_len = code->len;
    }
    return enlh_overlay_set(vp, &write);
}

/* A guest that has no name any more has no hypercall page either. [TLFS 3.12] */
static int
hypercall_set_guest_os_id(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_hypercall_page *room = &vp->partition->hypercall;
    uint64_t page = enlh_overlay_value(&room->page);
    int err = 0;

    if (value == 0 && (page & ENL_HYPERCALL_ENABLE) != 0) {
        struct enlh_overlay_write write = {.overlay = &room->page,
                                           .reg = ENL_REG_HYPERCALL,
                                           .value = page & ~ENL_HYPERCALL_ENABLE};

        err = enlh_overlay_set(vp, &write);
    }
    if (err == 0)
        err = enlh_ops_forward(vp, ENL_REG_GUEST_OS_ID, value);
    if (err == 0)
        atomic_store(&room->guest_os_id, value);
    return err;
}

int
enlh_hypercall_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    const struct enlh_hypercall_page *room = &vp->partition->hypercall;

    *value = reg == ENL_REG_GUEST_OS_ID ? atomic_load(&room->guest_os_id)
                                        : enlh_overlay_value(&room->page);
    return 0;
}

int
enlh_hypercall_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    if (reg == ENL_REG_GUEST_OS_ID)
        return hypercall_set_guest_os_id(vp, value);
    return hypercall_set_page(vp, value);
}

void
enlh_hypercall_save(struct enlh_partition *partition, struct enlh_hypercall_state *out)
{
    out->guest_os_id = atomic_load(&partition->hypercall.guest_os_id);
    enlh_overlay_save(partition, &partition->hypercall.page, &out->page);
}

int
enlh_hypercall_restore(struct enlh_partition *partition,
                       const struct enlh_hypercall_state *state)
{
    int err = enlh_overlay_restore(partition, &partition->hypercall.page, &state->page);

    if (err == 0)
        atomic_store(&partition->hypercall.guest_os_id, state->guest_os_id);
    return err;
}
