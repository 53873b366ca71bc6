# shellcheck shell=bash
# Sourced by the scripts: where things are, how to say what happens, which processes are ours.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Everything that the scripts make, but for Swift's build directories.
local_directory=$root/.local
export root local_directory

if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
else
    bold='' plain=''
fi

say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# When the process started, in whatever unit the system has: with the id it names a process for good.
started_at() {
    if [ -r "/proc/$1/stat" ]; then
        # The command's name, in parentheses, may hold anything.
        sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
    else
        LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null || true
    fi
}

# Writes down a process that this script has started.
remember_process() {
    printf '%s\n%s\n' "$2" "$(started_at "$2")" >"$1"
}

# The id in such a file, if that very process still runs.
remembered_process() {
    local pid='' start=''
    [ -r "$1" ] || return 1
    { read -r pid && read -r start; } <"$1" || return 1
    [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ] || return 1
    echo "$pid"
}

# Ends such a process, if it still runs, and waits until it has gone.
end_process() {
    local pid
    if pid=$(remembered_process "$1"); then
        kill "$pid"
        for _ in $(seq 100); do
            remembered_process "$1" >/dev/null || break
            sleep 0.05
        done
        ! remembered_process "$1" >/dev/null || kill -KILL "$pid"
    fi
    rm -f "$1"
}

# A loopback port that nobody listens on.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "no free port between 20000 and 32000"
}
