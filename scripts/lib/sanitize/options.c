// How the sanitizers behave, compiled into what scripts/sanitize builds: the loaders that tests start have an environment
// of their own, without any options in it.
const char *__asan_default_options(void) { return OPTIONS; }
const char *__lsan_default_options(void) { return OPTIONS_OF_LEAK_CHECK; }
const char *__tsan_default_options(void) { return OPTIONS; }
