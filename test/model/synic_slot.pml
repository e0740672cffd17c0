/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/model/synic_slot.pml - no message stays behind a busy slot
 *
 * The host posts messages through one message slot of a guest on another processor: it
 * writes into the slot while it is free, and otherwise sets the slot's pending flag and
 * looks again. The guest takes a message, frees the slot, and writes EOM if the flag is
 * set. Stores go through store buffers (x86 TSO); an interrupt, an exit and a locked
 * operation empty the buffer of the processor that does it.
 *
 * The promise is that it ends with every message taken once and in order. The variants
 * that must break it:
 *   NO_RECHECK   the host does not look again after it has set the flag
 *   NO_FENCE     the guest has no fence between freeing the slot and reading the flag
 *   NO_EOM       the guest never writes EOM
 *   TYPE_FIRST   the host writes the type before the rest
 */
#define MESSAGES 4

#define TYPE  0 /* both sides write it: 0 is a free slot */
#define FLAG  1 /* the host: a message is pending */
#define BODY  2 /* the host: the message's number */

byte mem[3];
chan h_buf = [3] of { byte, byte };
chan g_buf = [2] of { byte, byte };

bool interrupt, eom;
byte queued; /* at the host, behind the slot */

active proctype h_drain()
{
    byte word, value;
end:
    do
    :: atomic { h_buf?word,value -> mem[word] = value; word = 0; value = 0 }
    od
}

active proctype g_drain()
{
    byte word, value;
end:
    do
    :: atomic { g_buf?word,value -> mem[word] = value; word = 0; value = 0 }
    od
}

/*
 * One look at the slot after a post or an EOM. The host's own buffer is empty whenever it
 * reads the slot: the interrupt behind each message has seen to that.
 */
inline deliver()
{
    do
    :: queued == 0 -> break
    :: queued != 0 ->
        type = mem[TYPE];
        if
        :: type == 0 ->
#ifdef TYPE_FIRST
            h_buf!TYPE,1;
#endif
            h_buf!BODY,next;
            h_buf!FLAG,(queued > 1 -> 1 : 0);
#ifndef TYPE_FIRST
            h_buf!TYPE,1;
#endif
            d_step { next++; queued-- }
            atomic { empty(h_buf) -> interrupt = true }
        :: type != 0 ->
            atomic { empty(h_buf) -> mem[FLAG] = 1 } /* a locked OR */
#ifdef NO_RECHECK
            break
#else
            type = mem[TYPE];
            if
            :: type != 0 -> break /* the guest will see the flag */
            :: type == 0
            fi
#endif
        fi
    od;
    type = 0
}

active proctype host()
{
    byte posted, next, type;

    do
    :: posted < MESSAGES -> d_step { posted++; queued++ } deliver()
    :: eom -> eom = false; deliver()
    :: posted == MESSAGES && queued == 0 -> break
    od
}

/* A load sees what is on its way from here: only a zero ever is. */
#define OWN_TYPE (len(g_buf) != 0 -> 0 : mem[TYPE])

active proctype guest()
{
    byte taken, type, polls;

    do
    :: taken == MESSAGES -> break
    :: taken < MESSAGES ->
        if
        :: atomic { interrupt -> interrupt = false }
        :: polls < 2 -> polls++ /* it looks for a reason of its own */
        fi;
        type = OWN_TYPE;
        if
        :: type == 0
        :: type != 0 ->
            assert(mem[BODY] == taken);
            taken++;
            g_buf!TYPE,0;
#ifndef NO_FENCE
            empty(g_buf);
#endif
#ifndef NO_EOM
            if
            :: mem[FLAG] == 0
            :: mem[FLAG] != 0 -> atomic { empty(g_buf) -> eom = true }
            fi
#endif
        fi;
        type = 0
    od
}
