/// libcurl's functions, as far as the loader calls them: a request waits on the simulated clock for what the world answers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_request {
    const char *url;
    bool is_post;
};

struct sim_answer {
    /// What libcurl returns; 0: an answer has come.
    int error;
    long status;
    /// Made by `malloc`, and freed by whoever takes it.
    char *body;
    /// Nanoseconds until it is there; INT64_MAX: it never is.
    int64_t delay;
};

/// Whoever answers requests; the calling thread is the one that asks.
void sim_serve_web(struct sim_answer (*serve)(const struct sim_request *));
