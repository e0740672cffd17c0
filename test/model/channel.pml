/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/model/channel.pml - a channel is offered, opened, closed, rescinded, and its relid used again
 *
 * The host's loop and worker, and the guest's bus, with the control messages between them
 * in order. One relid and one ring, which the guest shares as a GPADL before each open. The
 * host takes the channel back at any moment and offers another one under the same relid
 * when it may; the guest opens and closes when it likes. The states are those of
 * host/vmbus/channel.c and guest/vmbus/bus.h.
 *
 * The promises: the worker touches the ring only while the guest shares it; no message is
 * taken for one of another life of the relid; and it ends, with everything given back.
 * The variants that must break them:
 *   NO_QUIESCE      the host calls a channel stopped before its worker has let go
 *   NO_TEAR_WAIT    a teardown is answered while the ring is in use
 *   NO_RELEASE_WAIT the relid is used again before the guest has released it
 *   NO_CROSSING     a guest whose open crossed the rescind goes on waiting for the answer
 *   NO_RELEASE      a guest that was closing when the rescind came does not release
 * and those that must not, where the other side says anything at any moment:
 *   HOSTILE_GUEST   the worker never touches a ring that the host has let go of
 *   HOSTILE_HOST    the guest gives no relid back while it shares a ring
 */
#define LIVES 2 /* of the relid */
#define OPENS 2 /* in each life, at most */
#define NONSENSE 4 /* messages of a hostile side */

/* To the guest, with the life of the relid that they are about. */
mtype = { OFFER, CREATED, RESULT, REFUSAL, TORNDOWN, RESCIND };
/* To the host. */
mtype = { GPADL, OPEN_IT, CLOSE_IT, TEARDOWN, RELEASE };

chan to_guest = [6] of { mtype, byte };
chan to_host = [6] of { mtype, byte };

/* ---- the host ---- */

mtype = { UNOFFERED, OFFERED, OPENED, CLOSING, REOPENING, RESCINDING, RESCINDED, LEAVING, REMOVING };
mtype = { RUN, QUIESCE, SILENCE };
mtype = { NONE, READY, TEARING };

mtype host = UNOFFERED;
byte host_life; /* of the relid */
mtype gpadl = NONE;
bool is_ring;      /* the worker uses it */
mtype order = RUN; /* to the worker */
bool worker, stopped;

/* ---- the guest ---- */

mtype = { FREE, HELD, SHARING, OPENING, OPEN, SHUTTING };

mtype guest = FREE;
byte guest_life;
bool rescinded, closing, shared;

#ifdef HOSTILE_GUEST
#define BELIEVED(life) skip
#define RING_IS_THERE  assert(gpadl != NONE)
#else
#define BELIEVED(life) assert(life == host_life)
#define RING_IS_THERE  assert(gpadl != NONE && shared)
#endif

/* One turn at a time: a look at the order, then at the ring, and the last word. */
active proctype worker_thread()
{
end:
    do
    :: worker && !stopped && order != SILENCE -> RING_IS_THERE
    :: worker && !stopped && order != RUN -> stopped = true
    od
}

/* The worker is there no more: what waited for it goes on. */
inline worker_gone()
{
    d_step {
        worker = false;
        stopped = false;
        is_ring = false
    }
    if
    :: gpadl == TEARING -> gpadl = NONE; to_guest!TORNDOWN,host_life
    :: else
    fi
}

inline open_start()
{
    if
    :: gpadl == READY ->
        atomic {
            is_ring = true;
            order = RUN;
            worker = true;
            host = OPENED
        }
        to_guest!RESULT,host_life
    :: else -> host = OFFERED; to_guest!REFUSAL,host_life
    fi
}

inline host_hears()
{
    if
    :: message == GPADL ->
        BELIEVED(life);
        if
        :: gpadl == NONE -> gpadl = READY
        :: else /* a handle that is in use */
        fi;
        to_guest!CREATED,life
    :: message == OPEN_IT ->
        BELIEVED(life);
        if
        :: host == OFFERED -> open_start()
        :: host == CLOSING -> host = REOPENING
        :: host == RESCINDING || host == RESCINDED -> skip /* as some hosts do */
        :: else -> to_guest!REFUSAL,life
        fi
    :: message == CLOSE_IT ->
        BELIEVED(life);
        if
        :: host == OPENED -> atomic { host = CLOSING; order = SILENCE }
        :: host == REOPENING -> host = CLOSING; to_guest!REFUSAL,life
        :: host == RESCINDING -> order = SILENCE
        :: else
        fi
    :: message == TEARDOWN ->
        BELIEVED(life);
        if
#ifndef NO_TEAR_WAIT
        :: gpadl == READY && is_ring -> gpadl = TEARING
        :: gpadl == READY && !is_ring -> gpadl = NONE; to_guest!TORNDOWN,life
#else
        :: gpadl == READY -> gpadl = NONE; to_guest!TORNDOWN,life
#endif
        :: gpadl == NONE -> to_guest!TORNDOWN,life
        :: else
        fi
    :: message == RELEASE ->
        BELIEVED(life);
        if
        :: host == OFFERED -> gpadl = NONE; host = UNOFFERED
        :: host == CLOSING -> host = LEAVING
        :: host == RESCINDED -> gpadl = NONE; host = UNOFFERED; gone = true
        :: else
        fi
    fi
}

inline host_stopped()
{
    worker_gone();
    if
    :: host == CLOSING -> host = OFFERED
    :: host == REOPENING -> open_start()
    :: host == RESCINDING -> host = RESCINDED; to_guest!RESCIND,host_life
    :: host == LEAVING -> gpadl = NONE; host = UNOFFERED
    :: host == REMOVING -> gpadl = NONE; host = UNOFFERED; gone = true
    :: else
    fi
}

/* The device goes away. */
inline host_rescinds()
{
    if
    :: host == UNOFFERED -> gone = true
    :: host == OFFERED -> host = RESCINDED; to_guest!RESCIND,host_life
    :: host == OPENED -> atomic { host = RESCINDING; order = QUIESCE }
    :: host == CLOSING || host == REOPENING -> host = RESCINDING
    :: host == LEAVING -> host = REMOVING
    fi
}

#ifdef NO_QUIESCE
#define LET_GO worker && order != RUN
#else
#define LET_GO worker && stopped
#endif
#ifdef NO_RELEASE_WAIT
#define RELID_FREE (gone || host == RESCINDED)
#else
#define RELID_FREE gone
#endif

active proctype host_loop()
{
    mtype message;
    byte life, said;
    bool gone = true, taken; /* taken: the device has been rescinded */

#ifdef HOSTILE_GUEST
end: /* for ever, if the guest does not release what was taken back */
#endif
#ifndef HOSTILE_HOST
    do
    :: to_host?message,life -> host_hears(); life = 0
    :: LET_GO -> host_stopped()
    :: !gone && !taken -> taken = true; host_rescinds()
    :: RELID_FREE && host_life < LIVES ->
        d_step {
            gone = false;
            taken = false;
            host_life++;
            host = OFFERED
        }
        to_guest!OFFER,host_life
    :: gone && host_life == LIVES && empty(to_host) && guest == FREE -> break
    od;
#ifdef HOSTILE_GUEST
    assert(!worker) /* what it shared for nothing goes with its connection */
#else
    assert(!worker && gpadl == NONE && !shared)
#endif
#else
    /* Says anything, takes everything. */
end:
    do
    :: to_host?message,life
    :: said < NONSENSE && empty(to_host) ->
        said++;
        if
        :: to_guest!OFFER,1
        :: to_guest!CREATED,1
        :: to_guest!RESULT,1
        :: to_guest!REFUSAL,1
        :: to_guest!TORNDOWN,1
        :: to_guest!RESCIND,1
        fi
    od
#endif
}

/* ---- the guest ---- */

#ifdef HOSTILE_HOST
#define EXPECTED(what)
#else
#define EXPECTED(what) assert(what)
#endif

inline guest_closed()
{
    shared = false;
    closing = false;
    guest = HELD;
    if
#ifndef NO_RELEASE
    :: rescinded -> guest_releases()
#endif
    :: else
    fi
}

inline guest_releases()
{
    assert(!shared);
    guest = FREE;
    rescinded = false;
    to_host!RELEASE,guest_life
}

/* Without CLOSE: the host has not opened it, or has it taken back. */
inline guest_takes_back()
{
    guest = SHUTTING;
    to_host!TEARDOWN,guest_life
}

inline guest_shuts()
{
    guest = SHUTTING;
    to_host!CLOSE_IT,guest_life;
    to_host!TEARDOWN,guest_life
}

inline guest_hears()
{
    if
    :: message == OFFER ->
        EXPECTED(guest == FREE);
        if
        :: guest == FREE -> guest = HELD; guest_life = life; opens = 0
        :: else /* a relid that is held: refused */
        fi
    :: message == CREATED ->
        EXPECTED(life == guest_life);
        if
        :: guest == SHARING && closing -> guest_takes_back()
        :: guest == SHARING && !closing -> guest = OPENING; to_host!OPEN_IT,guest_life
        :: else -> EXPECTED(rescinded)
        fi
    :: message == RESULT ->
        if
        :: guest == OPENING && closing -> guest_shuts()
        :: guest == OPENING && !closing -> guest = OPEN
        :: else
        fi
    :: message == REFUSAL ->
        if
        :: guest == OPENING -> guest_takes_back()
        :: else
        fi
    :: message == TORNDOWN ->
        if
        :: guest == SHUTTING -> EXPECTED(life == guest_life); guest_closed()
        :: else -> EXPECTED(false)
        fi
    :: message == RESCIND ->
        EXPECTED(guest != FREE && life == guest_life);
        if
        :: guest == FREE -> to_host!RELEASE,life
        :: guest == HELD -> guest_releases()
#ifndef NO_CROSSING
        :: guest == SHARING || guest == OPENING -> rescinded = true; guest_takes_back()
#else
        :: guest == SHARING || guest == OPENING -> rescinded = true
#endif
        :: guest == OPEN || guest == SHUTTING -> rescinded = true
        fi
    fi
}

active proctype guest_bus()
{
    mtype message;
    byte life, opens;

end:
#ifndef HOSTILE_GUEST
    do
    :: to_guest?message,life -> guest_hears(); life = 0
    :: guest == HELD && !rescinded && opens < OPENS ->
        opens++;
        shared = true;
        guest = SHARING;
        to_host!GPADL,guest_life
    :: (guest == SHARING || guest == OPENING) && !closing -> closing = true
    :: guest == OPEN -> guest_shuts()
    od
#else
    /* Says anything, takes everything. */
    do
    :: to_guest?message,life
    :: opens < NONSENSE && empty(to_guest) ->
        opens++;
        if
        :: to_host!GPADL,1
        :: to_host!OPEN_IT,1
        :: to_host!CLOSE_IT,1
        :: to_host!TEARDOWN,1
        :: to_host!RELEASE,1
        fi
    od
#endif
}
