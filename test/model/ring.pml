/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/model/ring.pml - no wake-up of a ring is lost, on a processor with store buffers
 *
 * One producer and one consumer run the steps of common/ring.c over four shared words,
 * each of which only one of them writes. A store goes into the writer's buffer, from which
 * it reaches memory later, in order (x86 TSO); a load sees memory; a fence waits for an
 * empty buffer. A signal is a doorbell that stays rung until its owner sleeps on it.
 *
 * The model's promise is that it ends: a side that sleeps although the other has nothing
 * left to do is an invalid end state. The variants that must break it:
 *   NO_FENCE                     no fence at all
 *   NO_FENCE_PUBLISH _UNMASK _RELEASE _WAIT   one of them is missing
 *   NO_LOOK_WAIT NO_LOOK_UNMASK  no second look before sleeping
 */
#define SIZE    4 /* of the data area */
#define PACKETS 5 /* of one or two units each: more than once around */

#define WRITE   0 /* the producer writes these two */
#define PENDING 1
#define READ    2 /* the consumer writes these two */
#define MASK    3

byte mem[4];
chan p_buf = [3] of { byte, byte };
chan c_buf = [3] of { byte, byte };

bool data_bell, space_bell;
byte len_at[SIZE]; /* what the packets themselves say; they are never the problem */

#define DISTANCE(from, to) (((to) + SIZE - (from)) % SIZE)

#ifdef NO_FENCE
#define NO_FENCE_PUBLISH
#define NO_FENCE_UNMASK
#define NO_FENCE_RELEASE
#define NO_FENCE_WAIT
#endif
#ifdef NO_FENCE_PUBLISH
#define FENCE_PUBLISH skip
#else
#define FENCE_PUBLISH empty(p_buf)
#endif
#ifdef NO_FENCE_WAIT
#define FENCE_WAIT skip
#else
#define FENCE_WAIT empty(p_buf)
#endif
#ifdef NO_FENCE_UNMASK
#define FENCE_UNMASK skip
#else
#define FENCE_UNMASK empty(c_buf)
#endif
#ifdef NO_FENCE_RELEASE
#define FENCE_RELEASE skip
#else
#define FENCE_RELEASE empty(c_buf)
#endif

/* The processors, which empty the store buffers when they like. */
active proctype p_drain()
{
    byte word, value;
end:
    do
    :: atomic { p_buf?word,value -> mem[word] = value; word = 0; value = 0 }
    od
}

active proctype c_drain()
{
    byte word, value;
end:
    do
    :: atomic { c_buf?word,value -> mem[word] = value; word = 0; value = 0 }
    od
}

/* ---- the producer ---- */

byte p_write, p_published, p_read;

/* enl_ring_publish(). To ring the bell is a serializing event. */
inline publish()
{
    if
    :: p_write == p_published
    :: else ->
        p_buf!WRITE,p_write;
        before = p_published;
        p_published = p_write;
        FENCE_PUBLISH;
        if
        :: mem[MASK] != 0
        :: mem[MASK] == 0 ->
            if
            :: mem[READ] != before
            :: mem[READ] == before -> atomic { empty(p_buf) -> data_bell = true }
            fi
        fi;
        before = 0
    fi
}

#define KNOWN_FREE (SIZE - DISTANCE(p_read, p_write))

active proctype producer()
{
    byte n, need, before;
    bool waits;

    do
    :: n == PACKETS -> break
    :: n < PACKETS ->
        if
        :: need = 1
        :: need = 2
        fi;
        do
        :: KNOWN_FREE > need ->
            d_step {
                len_at[p_write] = need;
                p_write = (p_write + need) % SIZE;
                assert(p_write != p_read);
                n++
            }
            if
            :: waits -> p_buf!PENDING,0; waits = false
            :: !waits
            fi;
            break
        :: KNOWN_FREE <= need ->
            p_read = mem[READ];
            if
            :: KNOWN_FREE > need
            :: KNOWN_FREE <= need ->
                publish();
                p_buf!PENDING,need; /* enl_ring_wait_space() */
                waits = true;
                FENCE_WAIT;
#ifndef NO_LOOK_WAIT
                p_read = mem[READ];
#endif
                if
                :: KNOWN_FREE > need -> p_buf!PENDING,0; waits = false
                :: KNOWN_FREE <= need -> atomic { space_bell -> space_bell = false }
                fi
            fi
        od;
        if
        :: publish()
        :: n < PACKETS /* a batch */
        fi
    od
}

/* ---- the consumer ---- */

byte c_read, c_released, c_write;

/* enl_ring_release() */
inline release()
{
    if
    :: c_read == c_released
    :: c_read != c_released ->
        freed = DISTANCE(c_released, c_read);
        c_buf!READ,c_read;
        c_released = c_read;
        FENCE_RELEASE;
        pending = mem[PENDING];
        if
        :: pending == 0
        :: pending != 0 ->
            c_write = mem[WRITE];
            after = SIZE - DISTANCE(c_read, c_write);
            if
            :: after > pending && after - freed <= pending ->
                atomic { empty(c_buf) -> space_bell = true }
            :: else
            fi;
            after = 0
        fi;
        d_step { freed = 0; pending = 0 }
    fi
}

active proctype consumer()
{
    byte n, freed, pending, after;
    bool masks;

    if
    :: masks = true
    :: masks = false
    fi;
    do
    :: if
       :: masks -> c_buf!MASK,1
       :: !masks
       fi;
       do
       :: c_read != c_write ->
           d_step {
               assert(len_at[c_read] <= DISTANCE(c_read, c_write));
               c_read = (c_read + len_at[c_read]) % SIZE;
               n++
           }
           if
           :: release()
           :: skip /* later */
           fi
       :: c_read == c_write ->
           c_write = mem[WRITE];
           if
           :: c_read == c_write -> break
           :: c_read != c_write
           fi
       od;
       release();
       if
       :: n == PACKETS -> break
       :: n < PACKETS
       fi;
       if
       :: masks -> /* enl_ring_unmask() */
           c_buf!MASK,0;
           FENCE_UNMASK
       :: !masks
       fi;
#ifndef NO_LOOK_UNMASK
       c_write = mem[WRITE];
#endif
       if
       :: c_read != c_write
       :: c_read == c_write -> atomic { data_bell -> data_bell = false }
       fi
    od
}
