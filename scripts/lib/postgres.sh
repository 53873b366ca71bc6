# shellcheck shell=bash
# Sourced by the scripts: the demo's own PostgreSQL cluster, on a free loopback port.
#
# postgres_start, postgres_stop, postgres_remove. The superuser is `demo`; its password is made up at the first start.

# shellcheck source=scripts/lib/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"

demo_directory=${DEMO_DIRECTORY:-$local_directory/demo}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

# Where the cluster is, or nothing if there is none.
postgres_directory() {
    [ ! -r "$demo_directory/postgres-directory" ] || cat "$demo_directory/postgres-directory"
}

# The postmaster's id, if it runs: the file may be left over from a crash, and its number taken by another process.
postgres_process() {
    local directory pid
    directory=$(postgres_directory)
    [ -n "$directory" ] && [ -r "$directory/data/postmaster.pid" ] || return 1
    pid=$(head -n 1 "$directory/data/postmaster.pid")
    if [ -r "/proc/$pid/cmdline" ]; then
        tr '\0' ' ' <"/proc/$pid/cmdline"
    else
        ps -o args= -p "$pid" 2>/dev/null
    fi | grep -q -F -- "$directory/data" || return 1
    echo "$pid"
}

postgres_create() {
    local directory=$demo_directory/postgres binaries
    binaries=$(postgres_binaries)
    mkdir -p "$directory"
    if ! as_postgres test -x "$directory"; then
        # The way to the project is closed to the user that PostgreSQL runs as.
        rmdir "$directory"
        directory=$(mktemp -d "${TMPDIR:-/tmp}/loader-demo-postgres.XXXXXX")
    fi
    chmod 700 "$directory"
    echo "$directory" >"$demo_directory/postgres-directory"
    (umask 077 && od -An -N 12 -t x1 /dev/urandom | tr -d ' \n' >"$demo_directory/postgres-password")
    (umask 077 && cp "$demo_directory/postgres-password" "$directory/password")
    [ "$(id -u)" -ne 0 ] || chown -R postgres "$directory"
    as_postgres "$binaries/initdb" -D "$directory/data" -U demo -A scram-sha-256 --pwfile "$directory/password" \
        -E UTF8 --locale=C >"$demo_directory/initdb.log" 2>&1 ||
        die "initdb failed, see .local/demo/initdb.log"
    rm "$directory/password"
}

# Starts the cluster, creating it first if need be. Exports PGPORT and PGPASSWORD.
postgres_start() {
    local directory binaries
    binaries=$(postgres_binaries)
    directory=$(postgres_directory)
    if [ -z "$directory" ] || [ ! -e "$directory/data/PG_VERSION" ]; then
        postgres_remove
        postgres_create
        directory=$(postgres_directory)
    fi
    PGPASSWORD=$(cat "$demo_directory/postgres-password")
    export PGPASSWORD PGPORT
    if postgres_process >/dev/null; then
        PGPORT=$(sed -n 4p "$directory/data/postmaster.pid")
        return
    fi
    # A file of a process that has gone, whose number another one has now.
    rm -f "$directory/data/postmaster.pid"
    PGPORT=$(free_port)
    as_postgres "$binaries/pg_ctl" start -w -s -D "$directory/data" -l "$directory/log" \
        -o "-p $PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" </dev/null >/dev/null ||
        die "PostgreSQL did not start, see $directory/log"
}

postgres_stop() {
    postgres_process >/dev/null || return 0
    as_postgres "$(postgres_binaries)/pg_ctl" stop -w -s -m fast -D "$(postgres_directory)/data"
}

# Stops the cluster and removes all of it.
postgres_remove() {
    postgres_stop
    local directory
    directory=$(postgres_directory)
    [ -z "$directory" ] || rm -rf "$directory"
    rm -f "$demo_directory"/postgres-{directory,password}
}
