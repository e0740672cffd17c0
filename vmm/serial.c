/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/serial.c - a 16550: eight registers, a receive queue, one interrupt line
 *
 * Run by the guest's port accesses and by the console's input. Sending takes no time here;
 * when the sink is full the transmitter says "not empty", which is what a slow line looks
 * like. No breaks, parity or baud rate: the divisor is only remembered.
 * [National PC16550D]
 * Tests: test/unit/vmm_serial.c.
 */
#include "vmm/serial.h"

#include <string.h>

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RECEIVED 0x01u
#define IER_SENT     0x02u
#define IER_ALL      0x0Fu

#define IIR_NONE     0x01u
#define IIR_SENT     0x02u
#define IIR_RECEIVED 0x04u
#define IIR_TIMEOUT  0x0Cu
#define IIR_FIFO     0xC0u

#define FCR_ENABLE        0x01u
#define FCR_CLEAR_RECEIVE 0x02u
#define FCR_TRIGGER_SHIFT 6u

#define LCR_DLAB 0x80u

#define MCR_OUT2     0x08u
#define MCR_LOOPBACK 0x10u

#define LSR_DATA_READY 0x01u
#define LSR_THR_EMPTY  0x20u
#define LSR_ALL_SENT   0x40u

#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_DCD 0x80u

static void
set_first_values(struct enlm_serial *s)
{
    s->ier = s->lcr = s->scr = s->dlm = 0;
    s->mcr = 0;
    s->dll = 1;
    s->fifo = s->sent_pending = s->full = s->held = false;
    s->trigger = 1;
    s->first = s->count = 0;
}

int
enlm_serial_init(struct enlm_serial *serial, const struct enlm_serial_ops *ops, void *ctx)
{
    memset(serial, 0, sizeof(*serial));
    serial->ops = *ops;
    serial->ctx = ctx;
    set_first_values(serial);
    return pthread_mutex_init(&serial->lock, NULL) ? -ENL_E_NOMEM : 0;
}

void
enlm_serial_fini(struct enlm_serial *serial)
{
    pthread_mutex_destroy(&serial->lock);
}

/* What the guest is to look at first; IIR_NONE when nothing. */
static uint8_t
cause(const struct enlm_serial *s)
{
    if ((s->ier & IER_RECEIVED) && s->count)
        return s->count >= s->trigger ? IIR_RECEIVED : IIR_TIMEOUT;
    if ((s->ier & IER_SENT) && s->sent_pending)
        return IIR_SENT;
    return IIR_NONE;
}

static void
update_line(struct enlm_serial *s)
{
    /* Seen: Linux sets OUT2, which gates the line on a PC. */
    bool high = (s->mcr & MCR_OUT2) && cause(s) != IIR_NONE;

    if (high == s->line)
        return;
    s->line = high;
    s->ops.line(s->ctx, high);
}

/* The lock is not held. */
static void
tell_drained(struct enlm_serial *s, bool drained)
{
    if (drained && s->ops.drained)
        s->ops.drained(s->ctx);
}

void
enlm_serial_reset(struct enlm_serial *serial)
{
    bool drained;

    pthread_mutex_lock(&serial->lock);
    drained = serial->full;
    set_first_values(serial);
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
    tell_drained(serial, drained);
}

/* ---- receiving ---- */

static uint32_t
put(struct enlm_serial *s, const uint8_t *bytes, uint32_t len)
{
    uint32_t n = 0;

    for (; n < len && s->count < ENLM_SERIAL_QUEUE; n++, s->count++)
        s->queue[(s->first + s->count) % ENLM_SERIAL_QUEUE] = bytes[n];
    return n;
}

size_t
enlm_serial_receive(struct enlm_serial *serial, const uint8_t *bytes, size_t len)
{
    uint32_t want = len > ENLM_SERIAL_QUEUE ? ENLM_SERIAL_QUEUE : (uint32_t)len;
    uint32_t taken;

    pthread_mutex_lock(&serial->lock);
    taken = put(serial, bytes, want);
    serial->full = taken < len;
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
    return taken;
}

/* There is room again, for those who found none. */
static void
note_room(struct enlm_serial *s, bool *drained)
{
    if (s->full && s->count <= ENLM_SERIAL_QUEUE / 2) {
        s->full = false;
        *drained = true;
    }
}

static uint8_t
take(struct enlm_serial *s, bool *drained)
{
    uint8_t byte;

    if (!s->count)
        return 0;
    byte = s->queue[s->first];
    s->first = (s->first + 1) % ENLM_SERIAL_QUEUE;
    s->count--;
    note_room(s, drained);
    return byte;
}

/* ---- sending ---- */

static void
send(struct enlm_serial *s, uint8_t byte)
{
    if (s->mcr & MCR_LOOPBACK) {
        put(s, &byte, 1);
        s->sent_pending = true;
        return;
    }
    if (s->held)
        return; /* the guest ignored THR_EMPTY: the byte is lost, as on a real line */
    if (!s->ops.send(s->ctx, byte)) {
        s->held = true;
        s->held_byte = byte;
        s->sent_pending = false;
        return;
    }
    s->sent_pending = true;
}

void
enlm_serial_ready(struct enlm_serial *serial)
{
    pthread_mutex_lock(&serial->lock);
    if (serial->held && serial->ops.send(serial->ctx, serial->held_byte)) {
        serial->held = false;
        serial->sent_pending = true;
        update_line(serial);
    }
    pthread_mutex_unlock(&serial->lock);
}

/* ---- registers ---- */

static uint8_t
read_iir(struct enlm_serial *s)
{
    uint8_t value = cause(s);

    if (value == IIR_SENT)
        s->sent_pending = false;
    return (uint8_t)(value | (s->fifo ? IIR_FIFO : 0u));
}

static uint8_t
read_lsr(const struct enlm_serial *s)
{
    unsigned value = s->held ? 0u : LSR_THR_EMPTY | LSR_ALL_SENT;

    return (uint8_t)(value | (s->count ? LSR_DATA_READY : 0u));
}

static uint8_t
read_msr(const struct enlm_serial *s)
{
    unsigned m = s->mcr;

    if (!(m & MCR_LOOPBACK))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    /* RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD */
    return (uint8_t)((m & 2u) << 3 | (m & 1u) << 5 | (m & 4u) << 4 | (m & 8u) << 4);
}

static uint8_t
read_register(struct enlm_serial *s, uint16_t offset, bool *drained)
{
    bool dlab = s->lcr & LCR_DLAB;

    switch (offset) {
    case REG_DATA:
        return dlab ? s->dll : take(s, drained);
    case REG_IER:
        return dlab ? s->dlm : s->ier;
    case REG_IIR_FCR:
        return read_iir(s);
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        return read_lsr(s);
    case REG_MSR:
        return read_msr(s);
    default:
        return s->scr;
    }
}

uint8_t
enlm_serial_read(void *serial, uint16_t offset)
{
    struct enlm_serial *s = serial;
    bool drained = false;
    uint8_t value;

    pthread_mutex_lock(&s->lock);
    value = read_register(s, offset, &drained);
    update_line(s);
    pthread_mutex_unlock(&s->lock);
    tell_drained(s, drained);
    return value;
}

static void
write_fcr(struct enlm_serial *s, uint8_t value, bool *drained)
{
    static const uint8_t triggers[4] = {1, 4, 8, 14};

    s->fifo = value & FCR_ENABLE;
    s->trigger = s->fifo ? triggers[value >> FCR_TRIGGER_SHIFT] : 1;
    if (value & FCR_CLEAR_RECEIVE)
        s->first = s->count = 0;
    note_room(s, drained);
}

/* Seen: a driver turns the interrupt on and waits for it although nothing was sent. */
static void
write_ier(struct enlm_serial *s, uint8_t value)
{
    if ((value & IER_SENT) && !(s->ier & IER_SENT) && !s->held)
        s->sent_pending = true;
    s->ier = value & IER_ALL;
}

static void
write_register(struct enlm_serial *s, uint16_t offset, uint8_t value, bool *drained)
{
    bool dlab = s->lcr & LCR_DLAB;

    switch (offset) {
    case REG_DATA:
        if (dlab)
            s->dll = value;
        else
            send(s, value);
        break;
    case REG_IER:
        if (dlab)
            s->dlm = value;
        else
            write_ier(s, value);
        break;
    case REG_IIR_FCR:
        write_fcr(s, value, drained);
        break;
    case REG_LCR:
        s->lcr = value;
        break;
    case REG_MCR:
        s->mcr = value & 0x1Fu;
        break;
    case REG_SCR:
        s->scr = value;
        break;
    default: /* LSR and MSR take no writes */
        break;
    }
}

void
enlm_serial_write(void *serial, uint16_t offset, uint8_t value)
{
    struct enlm_serial *s = serial;
    bool drained = false;

    pthread_mutex_lock(&s->lock);
    write_register(s, offset, value, &drained);
    update_line(s);
    pthread_mutex_unlock(&s->lock);
    tell_drained(s, drained);
}
