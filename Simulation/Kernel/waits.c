/// What threads wait with: where a simulation runs the caller, its baton goes on; else all is as in the system.
#define _GNU_SOURCE
#include "baton.h"
#include "libc.h"
#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;
/// What the clock on the wall shows at 0: 2026-01-01, 00:00 UTC.
static const int64_t EPOCH = 1767225600;

static int64_t nanoseconds(const struct timespec *time) {
    // A moment by the clock on the wall cannot be one by the other: that one has just begun.
    int64_t seconds = time->tv_sec >= EPOCH ? time->tv_sec - EPOCH : time->tv_sec;
    return seconds > INT64_MAX / SECOND - 1 ? INT64_MAX : seconds * SECOND + time->tv_nsec;
}

static int64_t later(int64_t by) { return by > INT64_MAX - sim_now() ? INT64_MAX : sim_now() + by; }

// Clocks

int clock_gettime(clockid_t clock, struct timespec *time) {
    libc_find();
    if (!sim_is_on || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) {
        return libc.clock_gettime(clock, time);
    }
    int64_t now = sim_now();
    bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    *time = (struct timespec){.tv_sec = now / SECOND + (is_wall ? EPOCH : 0), .tv_nsec = now % SECOND};
    return 0;
}

int gettimeofday(struct timeval *time, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

// Sleeps

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    if (!sim_self) return libc.clock_nanosleep(clock, flags, time, left);
    int64_t end = flags & TIMER_ABSTIME ? nanoseconds(time) : later(time->tv_sec * SECOND + time->tv_nsec);
    while (sim_now() < end) sim_wait(&end, end);
    return 0;
}

int nanosleep(const struct timespec *time, struct timespec *left) {
    return clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
}

int usleep(useconds_t microseconds) {
    struct timespec time = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000L};
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

unsigned sleep(unsigned seconds) {
    struct timespec time = {.tv_sec = seconds};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    return 0;
}

// Threads

int pthread_create(pthread_t *pthread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    libc_find();
    if (!sim_self) return libc.pthread_create(pthread, attributes, body, argument);
    struct sim_thread *thread = sim_thread_make(sim_self->process);
    thread->body = body;
    thread->argument = argument;
    return libc.pthread_create(pthread, attributes, sim_thread_run, thread);
}

// Mutexes

/// Of the program's file, by the linker.
extern char __executable_start, etext;

static bool is_of_program(const void *code) {
    return code >= (const void *)&__executable_start && code < (const void *)&etext;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    libc_find();
    if (!sim_self) return libc.pthread_mutex_lock(mutex);
    // Swift's runtime takes locks for what it makes at its first use: of that nothing may depend on what was used before.
    if (is_of_program(__builtin_return_address(0))) sim_maybe_pause();
    int result;
    while ((result = libc.pthread_mutex_trylock(mutex)) == EBUSY) sim_wait(mutex, INT64_MAX);
    if (result == 0) sim_self->locks++;
    return result;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    libc_find();
    int result = libc.pthread_mutex_unlock(mutex);
    if (!sim_self) return result;
    sim_self->locks--;
    sim_wake(mutex);
    return result;
}

/// Of Swift's `Mutex`, which asks the kernel itself where another thread has it; and of its random numbers.
long syscall(long number, ...) {
    libc_find();
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (sim_self && number == SYS_getrandom) {
        for (long i = 0; i < a[1]; i++) ((uint8_t *)a[0])[i] = (uint8_t)(sim_random() >> 32);
        return a[1];
    }
    if (sim_self && number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_LOCK_PI) {
        long operation = (a[1] & ~(long)FUTEX_CMD_MASK) | FUTEX_TRYLOCK_PI;
        while (libc.syscall(SYS_futex, a[0], operation, 0L, 0L, 0L, 0L) != 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) return -1;
            sim_pause();
        }
        return 0;
    }
    return libc.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// Conditions

static int wait_at(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline) {
    pthread_mutex_unlock(mutex);
    bool is_woken = sim_wait(condition, deadline);
    pthread_mutex_lock(mutex);
    return is_woken ? 0 : ETIMEDOUT;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    libc_find();
    return sim_self ? wait_at(condition, mutex, INT64_MAX) : libc.pthread_cond_wait(condition, mutex);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *end) {
    libc_find();
    return sim_self ? wait_at(condition, mutex, nanoseconds(end)) : libc.pthread_cond_timedwait(condition, mutex, end);
}

int pthread_cond_signal(pthread_cond_t *condition) {
    libc_find();
    // Those who wait may wake for nothing, so all do.
    if (sim_self) sim_wake(condition);
    return libc.pthread_cond_signal(condition);
}

int pthread_cond_broadcast(pthread_cond_t *condition) {
    libc_find();
    if (sim_self) sim_wake(condition);
    return libc.pthread_cond_broadcast(condition);
}

// Files

int poll(struct pollfd *files, nfds_t count, int milliseconds) {
    libc_find();
    if (!sim_self) return libc.poll(files, count, milliseconds);
    int ready = libc.poll(files, count, 0);
    if (ready != 0 || milliseconds == 0) {
        sim_maybe_pause();
        return ready;
    }
    return sim_wait_for_files(files, count, milliseconds < 0 ? INT64_MAX : later(milliseconds * 1000000LL));
}

// What makes a file ready: until one of these, a poll that has found nothing would find nothing again.

ssize_t write(int file, const void *bytes, size_t count) {
    libc_find();
    if (sim_self) sim_files_change();
    return libc.write(file, bytes, count);
}

int shutdown(int file, int how) {
    libc_find();
    if (sim_self) sim_files_change();
    return libc.shutdown(file, how);
}

int close(int file) {
    libc_find();
    if (sim_self) sim_files_change();
    return libc.close(file);
}

// libdispatch's semaphores, counted here.

enum { MOST_SEMAPHORES = 4096 };

static struct {
    void *semaphore;
    long count;
} semaphores[MOST_SEMAPHORES];
static size_t semaphore_count;

static long *count_of(void *semaphore) {
    for (size_t i = 0; i < semaphore_count; i++) {
        if (semaphores[i].semaphore == semaphore) return &semaphores[i].count;
    }
    return NULL;
}

void *dispatch_semaphore_create(long count) {
    libc_find();
    void *semaphore = libc.dispatch_semaphore_create(count);
    if (!sim_self) return semaphore;
    long *known = count_of(semaphore);
    if (!known) {
        if (semaphore_count == MOST_SEMAPHORES) abort();
        semaphores[semaphore_count].semaphore = semaphore;
        known = &semaphores[semaphore_count++].count;
    }
    *known = count;
    return semaphore;
}

long dispatch_semaphore_wait(void *semaphore, unsigned long timeout) {
    libc_find();
    long *count = sim_self ? count_of(semaphore) : NULL;
    if (!count) return libc.dispatch_semaphore_wait(semaphore, timeout);
    // The highest bit says that it is a moment by the clock on the wall; 0 is now, and all bits are never.
    int64_t end = timeout > INT64_MAX ? INT64_MAX : (int64_t)timeout;
    while (*count <= 0) {
        if (sim_now() >= end) return 1;
        sim_wait(semaphore, end);
    }
    *count -= 1;
    return 0;
}

long dispatch_semaphore_signal(void *semaphore) {
    libc_find();
    long *count = sim_self ? count_of(semaphore) : NULL;
    if (!count) return libc.dispatch_semaphore_signal(semaphore);
    *count += 1;
    sim_wake(semaphore);
    return 0;
}
