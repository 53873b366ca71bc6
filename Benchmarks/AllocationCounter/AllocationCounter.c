#define _GNU_SOURCE
#include "AllocationCounter.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

// A sanitizer has a malloc of its own, which must stay in its place.
#if defined(__GLIBC__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

#include <link.h>

// glibc lets a program replace malloc by defining it; what glibc itself does stays reachable under these names.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// Initial-exec: the first look at a variable of another model would allocate.
#define OF_THREAD static __thread __attribute__((tls_model("initial-exec")))
OF_THREAD int64_t count;
OF_THREAD int64_t frames;

// MARK: Who asks

struct range {
    uintptr_t start, end;
};

// Where the program and Swift's library are in memory, and the function of the latter that gets memory for objects.
static struct range program, library, objects;

static int contains(struct range range, uintptr_t address) { return address >= range.start && address < range.end; }

static int find_object(struct dl_phdr_info *info, size_t size, void *context) {
    struct range range = {UINTPTR_MAX, 0};
    for (int index = 0; index < info->dlpi_phnum; index++) {
        if (info->dlpi_phdr[index].p_type != PT_LOAD) continue;
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[index].p_vaddr;
        uintptr_t end = start + info->dlpi_phdr[index].p_memsz;
        if (start < range.start) range.start = start;
        if (end > range.end) range.end = end;
    }
    if (contains(range, (uintptr_t)find_object)) program = range;
    if (contains(range, objects.start)) library = range;
    return 0;
}

__attribute__((constructor)) static void find(void) {
    void *function = dlsym(RTLD_DEFAULT, "swift_slowAlloc");
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    if (function == NULL || dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) return;
    objects.start = (uintptr_t)function;
    objects.end = objects.start + symbol->st_size;
    dl_iterate_phdr(find_object, NULL);
}

// Swift's own code asks by that function, but for the frames of its coroutines: what an accessor yields within, as to an
// element of an array, and what inlining does away with.
static int is_frame(uintptr_t caller) {
    return !contains(objects, caller) && (contains(program, caller) || contains(library, caller));
}

// MARK: What replaces glibc's

void *malloc(size_t size) {
    count++;
    if (is_frame((uintptr_t)__builtin_return_address(0))) frames++;
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count++;
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count++;
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    count++;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    void *new = memalign(alignment, size);
    if (new == NULL) return ENOMEM;
    *block = new;
    return 0;
}

int64_t allocation_count(void) { return count; }

int64_t object_allocation_count(void) { return library.end == 0 ? -1 : count - frames; }

#else

int64_t allocation_count(void) { return -1; }

int64_t object_allocation_count(void) { return -1; }

#endif
