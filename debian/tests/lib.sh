# shellcheck shell=sh
# Sourced by the tests: things that run, each on a port of its own, until the test ends.
work=$(mktemp -d)
pids=
finish() {
    code=$?
    for pid in $pids; do
        kill "$pid" 2>/dev/null || :
    done
    wait
    if [ "$code" != 0 ]; then
        tail -n 50 "$work"/*.log >&2
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

# start NAME COMMAND...: in the background, with what it says in $work/NAME.log.
start() {
    name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pid=$!
    pids="$pid $pids"
}

# wait_for NAME SED-SCRIPT: until a line of NAME's log makes it print something; sets $found.
wait_for() {
    tries=0
    until found=$(sed -n "$2" "$work/$1.log" | head -n 1) && [ -n "$found" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || ! kill -0 "$pid"; then
            echo "$1 never said what was waited for: $2" >&2
            exit 1
        fi
        sleep 0.1
    done
}

start_nats() {
    start nats nats-server --addr 127.0.0.1 --port -1
    wait_for nats 's/.*Listening for client connections on \(.*\)/\1/p'
    NATS_URL=nats://$found
    export NATS_URL
}

# A web server that answers with the file `hello`; sets $origin.
start_origin() {
    mkdir "$work/www"
    echo "hello from the origin" >"$work/www/hello"
    start origin python3 -u -m http.server --bind 127.0.0.1 --directory "$work/www" 0
    wait_for origin 's/.*(\(http:[^)]*\)\/).*/\1/p'
    origin=$found
    start sidecar nrt serve hello.nats "$origin"
    wait_for sidecar '/^serving hello.nats/p'
}

expect() {
    if [ "$1" != "$2" ]; then
        echo "got \"$1\" instead of \"$2\"" >&2
        exit 1
    fi
}
