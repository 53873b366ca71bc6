#include "AllocationCounter.h"

#include <stddef.h>

#ifdef __GLIBC__

// glibc lets a program replace malloc by defining it; what glibc itself does stays reachable under these names.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static int64_t count;

void *malloc(size_t size) {
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return __libc_realloc(block, size);
}

int64_t allocation_count(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }

#else

int64_t allocation_count(void) { return -1; }

#endif
