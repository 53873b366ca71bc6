#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// Calls of malloc, calloc and realloc in this process so far; -1 where they cannot be counted.
int64_t allocation_count(void);

#endif
