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
byte limboFrom, limboTo, limboOf;
byte last = NONE;               /* of which topic the message before the position is; NONE: none was loaded, or an operator has moved it */
byte dump = NONE;               /* the position in a dump that was taken once, with all that the table has then */
byte dumpLast = NONE, dumpRows[N];
bit  behind;                    /* the ledger was restored: the group may have been told of more */

/* The group's coordinator. */
byte owner = NOBODY;            /* who has the partition */
bit  inGroup[MEMBERS];
byte told = NONE;               /* the group's offset */
bit  marked;                    /* "loader/1 <ledger id>" stands in its metadata */

/* A commit to the group on its way, one for each member, and whether its sender is still who it was. */
byte sent[MEMBERS];
bit  stale[MEMBERS];

/* The topic of that name: 1 once it was made anew. What its predecessor had is counted no more. */
bit  topic;

/* Somebody breaks things. */
byte faults = FAULTS;
bit  dies[MEMBERS];

/* What operators have decided, for the invariants alone: they know of a reset even where the loader does not. */
bit  ordered;                   /* the group was set by hand, and no mark says that somebody has taken note */
byte set = NONE;                /* where to; whoever has seen it may follow, even where the group's offsets have expired since */
bit  followed;                  /* the ledger has */
short extra[N];                 /* how often more, or less, a message is to be in the table than once */
short dumpExtra[N];
bit  moved[MEMBERS];            /* the ledger's row was written since a member has read it: its version is another */
byte k;                         /* counts, and is 0 whenever nobody does */

/* INVARIANT 1. The table has what the position says: each message below it once, and the others not at all; but for what an
 * operator wanted again, or left out. Asked behind each change of either; of a topic's predecessor it says nothing. */
inline checkRows() {
    k = 0;
    do
    :: k < N -> assert(ledger == NONE || last == topic - 1 || rows[k] == extra[k] + (k < ledger -> 1 : 0)); k++
    :: else -> break
    od;
    k = 0
}

/* A transaction's COMMIT: rows and position together, and of which topic they are. */
inline commitRows(from, to, which) {
    k = from;
    do
    :: k < to && which == topic -> rows[k]++; k++
    :: else -> break
    od;
    ledger = to; last = which; moved[0] = 1; moved[1] = 1;
    checkRows()
}

/* From here on the position counts, with whatever is in the table by now. */
inline settle(to) {
    k = 0;
    do :: k < N -> extra[k] = rows[k] - (k < to -> 1 : 0); k++ :: else -> break od;
    ledger = to; last = NONE; moved[0] = 1; moved[1] = 1;
    checkRows()
}

/* INVARIANT 2. A position moves otherwise only where an operator has moved the group, and then just there; or to the beginning of
 * a topic that was made anew, and nothing of it was in. */
inline movePosition(from, to) {
    assert(from == to || ordered || set == to);
    followed = 1;
    settle(to)
}
inline beginAnew() {
    assert(last == topic - 1);
    behind = 1;
    settle(0)
}

/* A dump of table and ledger is taken; or they are as in it again, and no transaction is under way. */
inline takeDump() {
    dump = ledger; dumpLast = last; k = 0;
    do :: k < N -> dumpRows[k] = rows[k]; dumpExtra[k] = extra[k]; k++ :: else -> break od;
    k = 0
}
inline restore() {
    ledger = dump; last = dumpLast; behind = 1; moved[0] = 1; moved[1] = 1; k = 0;
    do :: k < N -> rows[k] = dumpRows[k]; extra[k] = dumpExtra[k]; k++ :: else -> break od;
    lock = NOBODY; limboFrom = 0; limboTo = 0; limboOf = 0;
    checkRows()
}

/* The topic is deleted, and the group's offsets with it; and made anew, with as many messages. A position that an operator has set
 * tells nothing of it, and stands. From then on no dump is restored: see README.md. */
inline makeAnew() {
    topic = 1; told = NONE; marked = 0; ordered = 0; followed = 0; dump = NONE; dumpLast = NONE; k = 0;
    do
    :: k < N ->
        rows[k] = 0; extra[k] = (last == NONE && ledger != NONE && k < ledger -> -1 : 0);
        dumpRows[k] = 0; dumpExtra[k] = 0; k++
    :: else -> break
    od;
    k = 0
}

/* The coordinator takes a commit. INVARIANT 3: nobody's mark takes the place of what an operator has set before the ledger has
 * followed. INVARIANT 4: what stands there with the mark is in. */
inline takeCommit(offset, withMark) {
    assert(!ordered || followed && offset == told);
    ordered = 0; followed = 0; set = NONE;
    told = offset;
    marked = withMark;
    assert(!withMark || (ledger != NONE && (behind || told <= ledger)))
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
/* A commit to the group is sent, once the one before has arrived. */
#define TELL atomic { sent[me] == NONE -> sent[me] = start; stale[me] = (owner != me || !inGroup[me]) }
#ifdef NOT_TOLD                 /* mutant: who begins tells the group nothing before its first batch */
#define BEGUN skip
#else
#define BEGUN TELL
#endif
#ifdef UNCLAIMED                /* mutant: who follows a reset does not commit what the group has once more before, as a member */
#define CLAIM skip
#else
#define CLAIM atomic { sent[me] == NONE -> if :: inGroup[me] && owner == me -> skip :: else -> goto lost fi }
#endif
#ifdef LOOK_OFF                 /* mutant: where nothing comes nobody looks at the ledger */
#define ELSEWHERE(at) false
#else
#define ELSEWHERE(at) (ledger != at)
#endif
#ifdef NOT_COMPARED             /* mutant: the message before the position is not compared with the one that was loaded */
#define SAME(which) true
#else
#define SAME(which) (which == NONE || which == topic)
#endif
#ifdef OFFSET_ALONE             /* mutant: whose message the position stands behind is not asked behind a lost answer */
#define OURS true
#else
#define OURS (last == its)
#endif
#ifdef VERSION_IGNORED          /* mutant: a position that was left and reached again counts as one that nobody has moved */
#define UNMOVED true
#else
#define UNMOVED (!moved[me])
#endif

proctype Member(byte me) {
    byte start, p, c, next;     /* the position it works from; what ledger and group said; behind its batch */
    byte l;                     /* of which topic the message before the position is, as the ledger says */
    bit m, its;                 /* the mark that was found; the topic that it loads */

again:
    {
        start = 0;
joining:
        atomic { inGroup[me] = 1; sent[me] = NONE };
end_waiting:                    /* the group gives the partition to whom it likes, or to nobody */
        atomic { owner == NOBODY && inGroup[me] -> owner = me };

finding:                        /* where to begin: the table of docs/delivery.md, read call by call */
        atomic { p = ledger; l = last; moved[me] = 0 };
        atomic { c = told; m = marked };
        if
        :: p == NONE && c == NONE ->    /* nobody has begun: from the earliest message */
            atomic { if :: ledger == NONE -> ledger = 0; moved[0] = 1; moved[1] = 1; checkRows() :: else -> skip fi; start = ledger; l = last }
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
                start = ledger; l = last
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
                :: ledger == p && UNMOVED -> movePosition(p, c); start = c; l = NONE
                :: else -> goto finding
                fi
            };
marking:                        /* before the first message: a crash behind the first batch would look like another reset */
            atomic {
                sent[me] == NONE ->
                if
                :: inGroup[me] && owner == me -> takeCommit(start, MARK)
                :: else -> goto lost
                fi
            }
        fi;
        BEGUN;                          /* whoever was here before may not have come to it */
        atomic {                        /* the message before the position is compared with the one that was loaded */
            its = topic;
            if :: SAME(l) -> goto loading :: else -> skip fi
        };
        atomic {                        /* it is another topic's: on_lost_offsets: earliest */
            lock == NOBODY ->
            if
            :: ledger == p && UNMOVED -> beginAnew(); start = 0; l = NONE; goto marking
            :: else -> goto finding
            fi
        };

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
            if
            :: atomic { owner != me -> goto lost }
            :: atomic { ELSEWHERE(start) -> goto finding }      /* a look at the ledger, once a minute */
            fi
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
        :: atomic { lock == me -> commitRows(start, next, its); lock = NOBODY }
        :: atomic { lock != me -> goto fence }  /* the database was restored, and has ended the transaction */
        :: atomic { lock == me && faults > 0 -> faults--; limboFrom = start; limboTo = next; limboOf = its; lock = LIMBO };
unknown:                        /* the connection ends with COMMIT on its way, and the ledger says what became of it */
#ifdef UNKNOWN_IS_DONE          /* mutant: it is taken for done */
            skip
#else
            if
            :: atomic { ledger == next && OURS -> skip }
            :: atomic { ledger == start -> goto fence }
            :: atomic { !(ledger == next && OURS) && ledger != start -> goto finding }
            fi
#endif
        fi;
        start = next;
        TELL;
        goto loading;

lost:                           /* it hears that the group has given the partition away, and joins anew */
        atomic { if :: owner == me -> owner = NOBODY :: else -> skip fi; sent[me] = NONE };
        goto joining
    } unless {
        atomic {                /* killed: the server rolls back what was open */
            dies[me] -> dies[me] = 0;
            if :: lock == me -> lock = NOBODY :: else -> skip fi;
            if :: owner == me -> owner = NOBODY :: else -> skip fi;
            inGroup[me] = 0; sent[me] = NONE; start = 0; p = 0; c = 0; l = 0; m = 0; its = 0; next = 0
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
    :: atomic { lock == LIMBO -> lock = NOBODY; if :: commitRows(limboFrom, limboTo, limboOf) :: skip fi; limboFrom = 0; limboTo = 0; limboOf = 0 }
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
    :: atomic { faults > 0 && dump == NONE && ledger != NONE && topic == 0 -> takeDump() }
    :: atomic { faults > 0 && dump != NONE -> faults--; restore() }     /* the database is restored from the dump */
    :: atomic { faults > 0 && topic == 0 && !inGroup[0] && !inGroup[1] -> faults--; makeAnew() }
    od
}

init { atomic { sent[0] = NONE; sent[1] = NONE; run Member(0); run Member(1) } }

/* INVARIANT 5. Nobody is stuck: once the faults are over, all is in, and the group knows. Spin calls no run fair in which nothing
 * happens any more, and would find nobody who waits for ever: so time passes. */
#ifdef PROGRESS
active proctype Time() { do :: k = 0 od }
#define allLoaded (ledger == N && told == N && !ordered)
ltl progress { <> [] allLoaded }
#endif
