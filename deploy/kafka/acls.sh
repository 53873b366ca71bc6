#!/usr/bin/env bash
# What the loader needs on brokers with ACLs, and nothing else. It runs kafka-acls.sh, once for each right:
#
#   BOOTSTRAP=kafka:9092 COMMAND_CONFIG=admin.properties PRINCIPAL=User:orders-loader GROUP=orders-loader \
#       TOPICS="orders payments" DEAD_LETTER_TOPIC=orders.dead-letters deploy/kafka/acls.sh
#
# BOOTSTRAP          brokers to ask, with COMMAND_CONFIG as whom: somebody who may alter the cluster
# PRINCIPAL          as whom the brokers know the loader: User:name by SASL, User:CN=… by a certificate
# GROUP              kafka.group with its prefix and suffix
# TOPICS             those of the routes; for an expression a name with * behind it, which means all that begin so
# DEAD_LETTER_TOPIC  dead_letters.topic, where there is one
# IDEMPOTENT_WRITE   1 before Kafka 2.8, where the right to write is not enough for an idempotent producer
# KAFKA_ACLS         the program; kafka-acls.sh by default, echo to see what it would be told
set -euo pipefail

: "${BOOTSTRAP:?}" "${PRINCIPAL:?}" "${GROUP:?}" "${TOPICS:?}"

allow() {
    "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
        --add --allow-principal "$PRINCIPAL" "$@"
}

# A topic of this name, or all whose names begin so.
on_topic() {
    local name=$1
    shift
    case $name in
        *'*') allow "$@" --resource-pattern-type prefixed --topic "${name%\*}" ;;
        *) allow "$@" --topic "$name" ;;
    esac
}

# Without a file's names in place of a *.
set -f
# Messages, and where they end. READ brings DESCRIBE along.
for topic in $TOPICS; do on_topic "$topic" --operation Read; done

# No other group, not even one whose name begins so.
allow --operation Read --group "$GROUP"

if [ -n "${DEAD_LETTER_TOPIC:-}" ]; then
    # Letters go there, and `loader dead-letters replay --from-topic` takes them back, in a group of its own.
    on_topic "$DEAD_LETTER_TOPIC" --operation Write --operation Read
    allow --operation Read --group "$GROUP-dead-letters"
    if [ "${IDEMPOTENT_WRITE:-0}" = 1 ]; then allow --operation IdempotentWrite --cluster; fi
fi
