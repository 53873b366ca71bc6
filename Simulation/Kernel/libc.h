/// The functions of the system that the kernel puts its own before.
#pragma once
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct libc {
    int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int (*pthread_mutex_lock)(pthread_mutex_t *);
    int (*pthread_mutex_trylock)(pthread_mutex_t *);
    int (*pthread_mutex_unlock)(pthread_mutex_t *);
    int (*pthread_cond_wait)(pthread_cond_t *, pthread_mutex_t *);
    int (*pthread_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int (*pthread_cond_signal)(pthread_cond_t *);
    int (*pthread_cond_broadcast)(pthread_cond_t *);
    int (*poll)(struct pollfd *, nfds_t, int);
    ssize_t (*write)(int, const void *, size_t);
    int (*shutdown)(int, int);
    int (*close)(int);
    int (*clock_gettime)(clockid_t, struct timespec *);
    int (*clock_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);
    long (*syscall)(long, ...);
    void *(*dispatch_semaphore_create)(long);
    long (*dispatch_semaphore_wait)(void *, unsigned long);
    long (*dispatch_semaphore_signal)(void *);
};

extern struct libc libc;

/// Finds them, once.
void libc_find(void);
