#define _GNU_SOURCE
#include "libc.h"
#include <dlfcn.h>

struct libc libc;

#define FIND(name) libc.name = (__typeof__(libc.name))dlsym(RTLD_NEXT, #name)

void libc_find(void) {
    if (libc.poll) return;
    FIND(pthread_create);
    FIND(pthread_mutex_lock);
    FIND(pthread_mutex_trylock);
    FIND(pthread_mutex_unlock);
    FIND(pthread_cond_wait);
    FIND(pthread_cond_timedwait);
    FIND(pthread_cond_signal);
    FIND(pthread_cond_broadcast);
    FIND(clock_gettime);
    FIND(clock_nanosleep);
    FIND(syscall);
    FIND(dispatch_semaphore_create);
    FIND(dispatch_semaphore_wait);
    FIND(dispatch_semaphore_signal);
    FIND(poll);
    FIND(write);
    FIND(shutdown);
    FIND(close);
}

/// Before any other code asks for one.
__attribute__((constructor(101))) static void find_first(void) { libc_find(); }
