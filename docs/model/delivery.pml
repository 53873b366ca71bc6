/* How the messages of a partition get into a table exactly once: the protocol of docs/delivery.md, to be read in an hour and
 * doubted. README.md says how to run it, what it leaves out, and what came of it.
 *
 * One partition with messages 0 … N-1; members that load it, each a process that dies and starts again; the group's coordinator;
 * PostgreSQL with the table and the ledger; and somebody who breaks things, FAULTS times. What a process does between two
 * semicolons of an `atomic` block happens at once; anything may happen between two blocks.
 */
#ifndef N
#define N 2                     /* messages of the partition */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define MEMBERS 2
#define NONE    15              /* no offset */
#define NOBODY  MEMBERS
#define LIMBO   (MEMBERS + 1)   /* a transaction whose client is gone, and that the server has still to end */

/* PostgreSQL: what a transaction does is seen by all once it commits, and not before. */
byte ledger = NONE;             /* loader.positions.next_offset */
byte rows[N];                   /* how often each message is in the table */
byte lock = NOBODY;             /* whose transaction holds the ledger's row, behind the fence */
byte limboFrom, limboTo;

/* The group's coordinator. */
byte owner = NOBODY;            /* who has the partition */
bit  inGroup[MEMBERS];
byte told = NONE;               /* the group's offset */
bit  marked;                    /* "loader/1 <ledger id>" stands in its metadata */

/* A commit to the group on its way, one for each member, and whether its sender is still who it was. */
byte sent[MEMBERS];
bit  stale[MEMBERS];

/* Somebody breaks things. */
byte faults = FAULTS;
bit  dies[MEMBERS];

/* What operators have decided, for the invariants alone: they know of a reset even where the loader does not. */
bit  ordered;                   /* the group was set by hand, and no mark says that somebody has taken note */
byte set = NONE;                /* where to; whoever has seen it may follow, even where the group's offsets have expired since */
bit  followed;                  /* the ledger has */
short extra[N];                 /* how often more, or less, a message is to be in the table than once */
bit  moved[MEMBERS];            /* the ledger's row was written since a member has read it: its version is another */
byte k;                         /* counts, and is 0 whenever nobody does */

/* INVARIANT 1. The table has what the position says: each message below it once, and the others not at all; but for what an
 * operator wanted again, or left out. Asked behind each change of either. */
inline checkRows() {
    k = 0;
    do
    :: k < N -> assert(ledger == NONE || rows[k] == extra[k] + (k < ledger -> 1 : 0)); k++
    :: else -> break
    od;
    k = 0
}

/* A transaction's COMMIT: rows and position together. */
inline commitRows(from, to) {
    k = from;
    do
    :: k < to -> rows[k]++; k++
    :: else -> break
    od;
    ledger = to; moved[0] = 1; moved[1] = 1;
    checkRows()
}

/* INVARIANT 2. A position moves otherwise only where an operator has moved the group, and then just there. */
inline movePosition(from, to) {
    assert(from == to || ordered || set == to);
    k = to;
    do :: k < from -> extra[k]++; k++ :: else -> break od;
    k = from;
    do :: k < to -> extra[k]--; k++ :: else -> break od;
    followed = 1;
    ledger = to; moved[0] = 1; moved[1] = 1;
    checkRows()
}

/* The coordinator takes a commit. INVARIANT 3: nobody's mark takes the place of what an operator has set before the ledger has
 * followed. INVARIANT 4: what stands there with the mark is in. */
inline takeCommit(offset, withMark) {
    assert(!ordered || followed && offset == told);
    ordered = 0; followed = 0; set = NONE;
    told = offset;
    marked = withMark;
    assert(!withMark || (ledger != NONE && told <= ledger))
}

#ifdef NO_MARK                  /* mutant: offsets are committed without metadata */
#define MARK 0
#else
#define MARK 1
#endif
#ifdef FENCE_OFF                /* mutant: a batch goes in wherever the position is by now */
#define FENCE(from) true
#else
#define FENCE(from) (ledger == from)
#endif
#ifdef UNCLAIMED                /* mutant: who follows a reset does not commit what the group has once more before, as a member */
#define CLAIM skip
#else
#define CLAIM atomic { if :: inGroup[me] && owner == me -> skip :: else -> goto lost fi }
#endif
#ifdef VERSION_IGNORED          /* mutant: a position that was left and reached again counts as one that nobody has moved */
#define UNMOVED true
#else
#define UNMOVED (!moved[me])
#endif

proctype Member(byte me) {
    byte start, p, c, next;     /* the position it works from; what ledger and group said; behind its batch */
    bit m;                      /* the mark that was found */

again:
    {
        start = 0;
joining:
        atomic { inGroup[me] = 1; sent[me] = NONE };
end_waiting:                    /* the group gives the partition to whom it likes, or to nobody */
        atomic { owner == NOBODY && inGroup[me] -> owner = me };

finding:                        /* where to begin: the table of docs/delivery.md, read call by call */
        atomic { p = ledger; moved[me] = 0 };
        atomic { c = told; m = marked };
        if
        :: p == NONE && c == NONE ->    /* nobody has begun: from the earliest message */
            atomic { if :: ledger == NONE -> ledger = 0; moved[0] = 1; moved[1] = 1; checkRows() :: else -> skip fi; start = ledger }
        :: p == NONE && c != NONE && m ->       /* the ledger has lost it: a stop, unless it has been written meanwhile */
            assert(ledger != NONE);
            goto finding
        :: p == NONE && c != NONE && !m ->      /* an older consumer's group, or an operator's offset, is adopted */
            CLAIM;
            atomic {
                if
                :: ledger == NONE -> movePosition(0, c)
                :: else -> if :: ledger == c && told == c -> followed = 1 :: else -> skip fi    /* another member was first */
                fi;
                start = ledger
            };
#ifndef ADOPTION_OVERTAKEN      /* mutant: what another has written first gets the mark all the same */
            if :: start != c -> goto finding :: else -> skip fi;
#endif
            goto marking
        :: p != NONE && (c == NONE || m) ->     /* the ledger knows */
            start = p
        :: p != NONE && c != NONE && !m ->      /* somebody has reset the group: the ledger follows, behind the fence */
            CLAIM;
            atomic {
                lock == NOBODY ->
                if
                :: ledger == p && UNMOVED -> movePosition(p, c); start = c
                :: else -> goto finding
                fi
            };
marking:                        /* before the first message: a crash behind the first batch would look like another reset */
            atomic {
                if
                :: inGroup[me] && owner == me -> takeCommit(start, MARK)
                :: else -> goto lost
                fi
            }
        fi;

loading:
        if
        :: atomic { owner != me -> goto lost }
        :: start < N ->
            if :: next = start + 1 :: start + 2 <= N -> next = start + 2 fi;    /* a batch of one message, or two */
#ifdef GROUP_FIRST              /* mutant: the group hears of a batch before it is in */
            sent[me] = next; stale[me] = (owner != me);
#endif
            goto fence
        :: start == N && owner == me ->         /* all that there is */
end_all:
            atomic { owner != me || ledger != start -> goto lost }
        fi;

fence:                          /* BEGIN; UPDATE … WHERE next_offset = start: waits for whoever holds the row */
        atomic {
            lock == NOBODY ->
            if
            :: FENCE(start) -> lock = me
            :: else -> goto finding             /* another member has moved it: drop the batch, read again */
            fi
        };
        if
        :: atomic { lock == me -> commitRows(start, next); lock = NOBODY }
        :: atomic { lock == me && faults > 0 -> faults--; limboFrom = start; limboTo = next; lock = LIMBO };
unknown:                        /* the connection ends with COMMIT on its way, and the ledger says what became of it */
#ifdef UNKNOWN_IS_DONE          /* mutant: it is taken for done */
            skip
#else
            if
            :: atomic { ledger == next -> skip }
            :: atomic { ledger == start -> goto fence }
            :: atomic { ledger != next && ledger != start -> goto finding }
            fi
#endif
        fi;
        start = next;
        atomic { sent[me] == NONE -> sent[me] = start; stale[me] = (owner != me || !inGroup[me]) };
        goto loading;

lost:                           /* it hears that the group has given the partition away, and joins anew */
        atomic { if :: owner == me -> owner = NOBODY :: else -> skip fi; sent[me] = NONE };
        goto joining
    } unless {
        atomic {                /* killed: the server rolls back what was open */
            dies[me] -> dies[me] = 0;
            if :: lock == me -> lock = NOBODY :: else -> skip fi;
            if :: owner == me -> owner = NOBODY :: else -> skip fi;
            inGroup[me] = 0; sent[me] = NONE; start = 0; p = 0; c = 0; m = 0; next = 0
        }
    };
    goto again
}

/* What is on its way arrives. A commit of somebody whom the group has taken for dead is refused. */
active proctype Network() {
    byte who;
end:
    do
    :: atomic {
        (sent[0] != NONE || sent[1] != NONE) ->
        if :: sent[0] != NONE -> who = 0 :: sent[1] != NONE -> who = 1 fi;
        if :: !stale[who] && inGroup[who] -> takeCommit(sent[who], MARK) :: else -> skip fi;
        sent[who] = NONE; who = 0
       }
    od
}

/* The server ends what nobody waits for. */
active proctype Server() {
end:
    do
    :: atomic { lock == LIMBO -> lock = NOBODY; if :: commitRows(limboFrom, limboTo) :: skip fi; limboFrom = 0; limboTo = 0 }
    od
}

active proctype Faults() {
    byte who;
end:
    do
    :: atomic { faults > 0 -> faults--; if :: who = 0 :: who = 1 fi; dies[who] = 1; who = 0 }       /* a process is killed */
    :: atomic { faults > 0 && owner != NOBODY ->            /* the group takes a member for dead that is not: a zombie */
        faults--; stale[owner] = 1; inGroup[owner] = 0; owner = NOBODY }
    :: atomic { faults > 0 && !inGroup[0] && !inGroup[1] -> /* an operator resets the group, which has to be empty for that */
        faults--; if :: told = 0 :: told = 1 :: told = N fi; marked = 0; ordered = 1; followed = 0; set = told }
    :: atomic { faults > 0 && !inGroup[0] && !inGroup[1] -> /* the group's offsets expire */
        faults--; told = NONE; marked = 0; ordered = 0; followed = 0 }
    od
}

init { atomic { sent[0] = NONE; sent[1] = NONE; run Member(0); run Member(1) } }

/* INVARIANT 5. Nobody is stuck: once the faults are over, all is in, and the group knows. */
#define allLoaded (ledger == N && told == N && !ordered)
ltl progress { <> [] allLoaded }
