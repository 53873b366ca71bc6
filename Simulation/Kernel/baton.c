#define _GNU_SOURCE
#include "baton.h"
#include "libc.h"
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 1 << 16, MOST_PROCESSES = 1 << 14 };

/// Clocks go on by so much each time that they are read, so that who looks at nothing else comes to an end.
static const int64_t LOOK = 200;

__thread struct sim_thread *sim_self;
bool sim_is_on;

struct event {
    int64_t moment;
    uint64_t order;
    void (*call)(void *);
    void *argument;
};

static struct {
    int64_t now;
    uint64_t random[2];
    uint64_t trace;
    int next_number;
    /// Those that may run some day, in the order in which they were made.
    struct sim_thread *threads[MOST_THREADS];
    int thread_count;
    bool is_frozen[MOST_PROCESSES];
    struct event *events;
    size_t event_count, event_room;
    uint64_t event_order;
    bool is_stopped;
    uint64_t steps;
    /// How often a file may have become ready.
    uint64_t file_changes;
} world;

// Randomness: xoroshiro128+ (Blackman and Vigna, 2018), seeded by splitmix64.

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotated(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

void sim_reseed(uint64_t seed) {
    for (int i = 0; i < 2; i++) world.random[i] = splitmix(&seed);
}

uint64_t sim_random(void) {
    uint64_t a = world.random[0], b = world.random[1], sum = a + b;
    b ^= a;
    world.random[0] = rotated(a, 24) ^ b ^ (b << 16);
    world.random[1] = rotated(b, 37);
    return sum;
}

static uint64_t drawn(uint64_t count) { return (sim_random() >> 11) % count; }

void sim_note(uint64_t what) { world.trace = (world.trace ^ what) * 0x100000001b3u + 1; }

uint64_t sim_steps(void) { return world.steps; }

uint64_t sim_trace(void) { return world.trace; }

int64_t sim_now(void) {
    // Also read by threads that no simulation runs, as at the end of a process.
    if (sim_self && sim_self->hushes == 0) world.now += LOOK;
    return world.now;
}

// Who is next

static bool can_run(struct sim_thread *thread) {
    if (world.is_frozen[thread->process]) return false;
    if (thread->waiting == FOR_NOTHING || thread->deadline <= world.now) return true;
    if (thread->waiting == FOR_PLACE) return thread->is_woken;
    if (thread->changes_seen == world.file_changes) return false;
    if (libc.poll(thread->files, thread->file_count, 0) > 0) return true;
    thread->changes_seen = world.file_changes;
    return false;
}

void sim_files_change(void) { world.file_changes++; }

static struct sim_thread *next_thread(void) {
    static struct sim_thread *ready[MOST_THREADS];
    for (;;) {
        int count = 0;
        int64_t earliest = INT64_MAX;
        for (int i = 0; i < world.thread_count; i++) {
            struct sim_thread *thread = world.threads[i];
            if (can_run(thread)) {
                ready[count++] = thread;
            } else if (!world.is_frozen[thread->process] && thread->deadline < earliest) {
                earliest = thread->deadline;
            }
        }
        if (count > 0) return ready[count == 1 ? 0 : drawn((uint64_t)count)];
        if (earliest == INT64_MAX) {
            fprintf(stderr, "simulation: every thread waits for ever\n");
            sim_describe(NULL);
            abort();
        }
        world.now = earliest;
    }
}

/// Gives the baton to whoever is next, and comes back when it is the caller's again.
static void pass_on(void) {
    struct sim_thread *self = sim_self, *next = next_thread();
    world.steps++;
    sim_note((uint64_t)next->number);
    sim_note((uint64_t)world.now);
    if (next == self) return;
    sem_post(&next->baton);
    while (sem_wait(&self->baton) != 0) {}
}

static bool wait_as(enum waiting waiting, int64_t deadline) {
    struct sim_thread *self = sim_self;
    self->waiting = waiting;
    self->deadline = deadline;
    pass_on();
    bool is_woken = waiting == FOR_PLACE ? self->is_woken : true;
    self->waiting = FOR_NOTHING;
    return is_woken;
}

void sim_pause(void) {
    if (sim_self) wait_as(FOR_NOTHING, INT64_MAX);
}

void sim_maybe_pause(void) {
    if (sim_self && sim_self->locks == 0 && sim_self->hushes == 0 && drawn(16) == 0) sim_pause();
}

bool sim_wait(const void *place, int64_t deadline) {
    sim_self->place = place;
    sim_self->is_woken = false;
    return wait_as(FOR_PLACE, deadline);
}

int sim_wait_for_files(struct pollfd *files, nfds_t count, int64_t deadline) {
    sim_self->files = files;
    sim_self->file_count = count;
    sim_self->changes_seen = world.file_changes - 1;
    wait_as(FOR_FILES, deadline);
    return libc.poll(files, count, 0);
}

void sim_wake(const void *place) {
    for (int i = 0; i < world.thread_count; i++) {
        struct sim_thread *thread = world.threads[i];
        if (thread->waiting == FOR_PLACE && thread->place == place) thread->is_woken = true;
    }
}

// Threads and processes

struct sim_thread *sim_thread_make(int process) {
    struct sim_thread *thread = calloc(1, sizeof *thread);
    if (!thread || world.thread_count == MOST_THREADS || process >= MOST_PROCESSES) {
        fprintf(stderr, "simulation: no room for thread %d of process %d\n", world.next_number, process);
        abort();
    }
    thread->number = world.next_number++;
    thread->process = process;
    thread->deadline = INT64_MAX;
    sem_init(&thread->baton, 0, 0);
    world.threads[world.thread_count++] = thread;
    return thread;
}

static void forget(struct sim_thread *thread) {
    int kept = 0;
    for (int i = 0; i < world.thread_count; i++) {
        if (world.threads[i] != thread) world.threads[kept++] = world.threads[i];
    }
    world.thread_count = kept;
}

static pthread_key_t last_rites;
/// What a thread leaves behind is freed by functions of its own end, which may be the shipped code's: so the baton is given away in
/// the last of the four rounds in which these are called.
static const intptr_t ROUNDS = 4;

static void leave(void *round) {
    if ((intptr_t)round < ROUNDS) {
        pthread_setspecific(last_rites, (void *)((intptr_t)round + 1));
        return;
    }
    if (!sim_self) return;
    forget(sim_self);
    sim_self = NULL;
    struct sim_thread *next = next_thread();
    sim_note((uint64_t)next->number);
    sem_post(&next->baton);
}

void *sim_thread_run(void *argument) {
    struct sim_thread *thread = argument;
    sim_self = thread;
    while (sem_wait(&thread->baton) != 0) {}
    thread->waiting = FOR_NOTHING;
    pthread_setspecific(last_rites, (void *)1);
    return thread->body(thread->argument);
}

struct spawned {
    void (*body)(void *);
    void *argument;
};

static void *run_spawned(void *argument) {
    struct spawned spawned = *(struct spawned *)argument;
    free(argument);
    spawned.body(spawned.argument);
    return NULL;
}

void sim_spawn(int process, void (*body)(void *), void *argument) {
    struct spawned *spawned = malloc(sizeof *spawned);
    if (!spawned) abort();
    *spawned = (struct spawned){body, argument};
    struct sim_thread *thread = sim_thread_make(process);
    thread->body = run_spawned;
    thread->argument = spawned;
    pthread_t pthread;
    if (libc.pthread_create(&pthread, NULL, sim_thread_run, thread) != 0) abort();
    pthread_detach(pthread);
}

void sim_kill(int process) {
    int kept = 0;
    for (int i = 0; i < world.thread_count; i++) {
        if (world.threads[i]->process != process) world.threads[kept++] = world.threads[i];
    }
    world.thread_count = kept;
    world.is_frozen[process] = false;
}

void sim_freeze(int process, bool is_frozen) { world.is_frozen[process] = is_frozen; }

int sim_threads(int process) {
    int count = 0;
    for (int i = 0; i < world.thread_count; i++) count += world.threads[i]->process == process;
    return count;
}

void sim_hush(bool is_hushed) {
    if (sim_self) sim_self->hushes += is_hushed ? 1 : -1;
}

int sim_fork(void) { return fork(); }

extern int __llvm_profile_write_file(void) __attribute__((weak));
extern void __llvm_profile_set_filename(const char *) __attribute__((weak));

void sim_write_profile(void) {
    const char *directory = getenv("SIMULATE_COUNTS");
    if (!directory || !__llvm_profile_write_file || !__llvm_profile_set_filename) return;
    // Of its own: the name that the runtime has was made for the process that this one was forked of.
    char name[4096];
    snprintf(name, sizeof name, "%s/%d.profraw", directory, (int)getpid());
    __llvm_profile_set_filename(name);
    __llvm_profile_write_file();
}

void sim_pin(int slot) {
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) == 0) return;
    int left = slot % CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || left-- > 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

int sim_process(void) { return sim_self ? sim_self->process : 0; }

// The world

void sim_begin(uint64_t seed) {
    static bool has_key;
    if (!has_key) {
        pthread_key_create(&last_rites, leave);
        // A simulated server writes to clients that have gone.
        signal(SIGPIPE, SIG_IGN);
        // Threads that run one at a time need no memory of their own to make room in, and it is given back with the process.
        mallopt(M_ARENA_MAX, 1);
        mallopt(M_MMAP_THRESHOLD, 1 << 30);
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
    }
    has_key = true;
    libc_find();
    memset(&world, 0, sizeof world);
    world.now = 1000LL * 1000 * 1000 * 1000;
    sim_reseed(seed);
    sim_self = sim_thread_make(0);
    sim_is_on = true;
}

void sim_end(void) {
    sim_is_on = false;
    sim_self = NULL;
    world.thread_count = 0;
    free(world.events);
    world.events = NULL;
}

static bool comes_before(struct event *a, struct event *b) {
    return a->moment != b->moment ? a->moment < b->moment : a->order < b->order;
}

static void swap(struct event *a, struct event *b) {
    struct event c = *a;
    *a = *b;
    *b = c;
}

void sim_at(int64_t moment, void (*call)(void *), void *argument) {
    if (world.event_count == world.event_room) {
        world.event_room = world.event_room * 2 + 64;
        world.events = realloc(world.events, world.event_room * sizeof *world.events);
        if (!world.events) abort();
    }
    size_t at = world.event_count++;
    world.events[at] = (struct event){moment, world.event_order++, call, argument};
    for (; at > 0 && comes_before(&world.events[at], &world.events[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(&world.events[at], &world.events[(at - 1) / 2]);
    }
    sim_wake(&world.events);
}

static struct event take_event(void) {
    struct event first = world.events[0];
    world.events[0] = world.events[--world.event_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < world.event_count; child++) {
            if (comes_before(&world.events[child], &world.events[least])) least = child;
        }
        if (least == at) return first;
        swap(&world.events[at], &world.events[least]);
        at = least;
    }
}

void sim_run(int64_t until) {
    world.is_stopped = false;
    while (!world.is_stopped && world.now < until) {
        int64_t next = world.event_count > 0 && world.events[0].moment < until ? world.events[0].moment : until;
        if (next > world.now) {
            sim_wait(&world.events, next);
            continue;
        }
        struct event event = take_event();
        event.call(event.argument);
    }
}

void sim_stop(void) {
    world.is_stopped = true;
    sim_wake(&world.events);
}

void sim_describe(void (*line)(const char *)) {
    char text[160];
    for (int i = 0; i < world.thread_count; i++) {
        struct sim_thread *thread = world.threads[i];
        snprintf(
            text, sizeof text, "thread %d of process %d: %s %p until %+.3f s%s", thread->number, thread->process,
            thread->waiting == FOR_PLACE ? "waits at" : thread->waiting == FOR_FILES ? "polls" : "is ready",
            thread->place, thread->deadline == INT64_MAX ? 1e9 : (double)(thread->deadline - world.now) / 1e9,
            world.is_frozen[thread->process] ? ", frozen" : "");
        if (line) line(text);
        else fprintf(stderr, "simulation: %s\n", text);
    }
}
