// How the sanitizers behave, compiled into what scripts/sanitize builds: the loaders that tests start have an environment
// of their own, without any options in it.
const char *__asan_default_options(void) { return OPTIONS; }
const char *__lsan_default_options(void) { return OPTIONS_OF_LEAK_CHECK; }
const char *__tsan_default_options(void) { return OPTIONS; }

#ifdef CHECKS_LEAKS
// `loader` ends by _exit, which leaves out what looks for leaks at the end.
#define _GNU_SOURCE
#include <unistd.h>
void __lsan_do_leak_check(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) {
    // Others end it where something is stuck, and have no time.
    if (gettid() == getpid()) __lsan_do_leak_check();
    __real__exit(status);
}
#endif
