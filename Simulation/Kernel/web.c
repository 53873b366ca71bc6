#define CURL_DISABLE_TYPECHECK
#include "web.h"
#include "simulation.h"
#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// In C these are macros as well.
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct sim_answer (*serve)(const struct sim_request *);

void sim_serve_web(struct sim_answer (*by)(const struct sim_request *)) { serve = by; }

struct handle {
    char *url;
    bool is_post;
    long timeout;
    curl_write_callback write;
    void *write_data;
    curl_xferinfo_callback watch;
    void *watch_data;
    long status;
};

CURLcode curl_global_init(long flags) {
    (void)flags;
    return CURLE_OK;
}

CURL *curl_easy_init(void) { return calloc(1, sizeof(struct handle)); }

void curl_easy_reset(CURL *curl) {
    struct handle *handle = curl;
    free(handle->url);
    *handle = (struct handle){0};
}

void curl_easy_cleanup(CURL *curl) {
    curl_easy_reset(curl);
    free(curl);
}

CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...) {
    struct handle *handle = curl;
    va_list values;
    va_start(values, option);
    switch (option) {
    case CURLOPT_URL:
        free(handle->url);
        handle->url = strdup(va_arg(values, const char *));
        break;
    case CURLOPT_POST: handle->is_post = va_arg(values, long); break;
    case CURLOPT_TIMEOUT_MS: handle->timeout = va_arg(values, long); break;
    case CURLOPT_WRITEFUNCTION: handle->write = va_arg(values, curl_write_callback); break;
    case CURLOPT_WRITEDATA: handle->write_data = va_arg(values, void *); break;
    case CURLOPT_XFERINFOFUNCTION: handle->watch = va_arg(values, curl_xferinfo_callback); break;
    case CURLOPT_XFERINFODATA: handle->watch_data = va_arg(values, void *); break;
    default: break;  // nothing that the world knows
    }
    va_end(values);
    return CURLE_OK;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...) {
    va_list values;
    va_start(values, info);
    if (info == CURLINFO_RESPONSE_CODE) {
        *va_arg(values, long *) = ((struct handle *)curl)->status;
    } else {
        *va_arg(values, void **) = NULL;
    }
    va_end(values);
    return CURLE_OK;
}

/// Returns false if whoever asked wants it no more.
static bool wait_until(struct handle *handle, int64_t end) {
    const int64_t second = 1000000000;
    while (sim_now() < end) {
        int64_t slice = sim_now() + second;
        sim_wait(handle, end < slice ? end : slice);
        if (handle->watch && handle->watch(handle->watch_data, 0, 0, 0, 0) != 0) return false;
    }
    return true;
}

CURLcode curl_easy_perform(CURL *curl) {
    struct handle *handle = curl;
    struct sim_request request = {.url = handle->url, .is_post = handle->is_post};
    struct sim_answer answer = serve(&request);
    int64_t now = sim_now(), limit = now + (handle->timeout ? handle->timeout : 300000) * 1000000;
    bool is_late = answer.delay > limit - now;
    CURLcode code = wait_until(handle, is_late ? limit : now + answer.delay) ? (CURLcode)answer.error
                                                                              : CURLE_ABORTED_BY_CALLBACK;
    if (code == CURLE_OK && is_late) code = CURLE_OPERATION_TIMEDOUT;
    if (code == CURLE_OK) {
        handle->status = answer.status;
        size_t size = answer.body ? strlen(answer.body) : 0;
        if (size > 0 && handle->write(answer.body, 1, size, handle->write_data) != size) code = CURLE_WRITE_ERROR;
    }
    free(answer.body);
    return code;
}
