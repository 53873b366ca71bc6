#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// How often the calling thread has asked for memory so far (malloc, calloc, realloc and the aligned ones); -1 where that
/// cannot be counted.
int64_t allocation_count(void);

/// The same without the frames of Swift's coroutines, which a build without optimization has on the heap: objects, arrays,
/// strings, closures and whatever C libraries allocate. Nor does it see a malloc that stands in the program's own source.
int64_t object_allocation_count(void);

#endif
