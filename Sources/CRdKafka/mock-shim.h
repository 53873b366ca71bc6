#include "shim.h"
#include <librdkafka/rdkafka_mock.h>

/* Swift imports no variadic functions: one error, answered without a delay of its own. */
static inline rd_kafka_resp_err_t loader_mock_broker_push_error(
    rd_kafka_mock_cluster_t *cluster, int32_t broker, int16_t request, rd_kafka_resp_err_t error) {
    return rd_kafka_mock_broker_push_request_error_rtts(cluster, broker, request, 1, error, 0);
}
