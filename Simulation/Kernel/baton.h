/// What the parts of the kernel know of each other.
#pragma once
#include "simulation.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>

/// What a thread waits for.
enum waiting { FOR_NOTHING, FOR_PLACE, FOR_FILES };

struct sim_thread {
    int number;
    int process;
    enum waiting waiting;
    /// FOR_PLACE: somebody has woken it, or there was nothing to wait for.
    bool is_woken;
    const void *place;
    struct pollfd *files;
    nfds_t file_count;
    /// FOR_FILES: how many changes of files there had been when they were last found not to be ready.
    uint64_t changes_seen;
    int64_t deadline;
    /// How many pthread mutexes it holds: with one it is not interrupted.
    int locks;
    int hushes;
    sem_t baton;
    void *(*body)(void *);
    void *argument;
};

/// The calling thread, or NULL if no simulation runs it.
extern __thread struct sim_thread *sim_self;

/// Waits for files, as `poll` does.
int sim_wait_for_files(struct pollfd *files, nfds_t count, int64_t deadline);

/// Somebody may have made a file ready.
void sim_files_change(void);

/// Now and then: lets others run.
void sim_maybe_pause(void);

/// Whether there is a simulation.
extern bool sim_is_on;

/// The next thread of a process, which runs when it is drawn.
struct sim_thread *sim_thread_make(int process);
void *sim_thread_run(void *thread);
