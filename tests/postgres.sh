#!/usr/bin/env bash
# A private PostgreSQL for the tests: its own data folder, its own port on 127.0.0.1, no password, no trace left.
#   eval "$(tests/postgres.sh start FOLDER)"   starts it, prints `export TANDEM_TEST_POSTGRES=postgres://...`
#   tests/postgres.sh stop FOLDER              stops it and removes the folder
set -euo pipefail
action=${1:?start or stop} folder=${2:?data folder}
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "postgres.sh: no PostgreSQL under /usr/lib/postgresql; docker/packages.sh test installs it" >&2; exit 1; }

# PostgreSQL refuses to run as root.
as_postgres() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

case "$action" in
    start)
        mkdir -p "$folder"
        if [ "$(id -u)" -eq 0 ]; then chown postgres "$folder"; fi
        chmod 700 "$folder"
        port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
        cd /
        as_postgres "$bin/initdb" -D "$folder/data" -U tandem -A trust -E UTF8 --no-sync >"$folder.log" 2>&1 ||
            { tail -n 5 "$folder.log" >&2; exit 1; }
        as_postgres "$bin/pg_ctl" -D "$folder/data" -w -t 60 -l "$folder/server.log" \
            -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off -c max_connections=200" start >>"$folder.log" 2>&1 ||
            { tail -n 5 "$folder.log" "$folder/server.log" >&2; exit 1; }
        as_postgres "$bin/createdb" -h 127.0.0.1 -p "$port" -U tandem tandem_test >>"$folder.log" 2>&1
        echo "export TANDEM_TEST_POSTGRES=postgres://tandem@127.0.0.1:$port/tandem_test"
        ;;
    stop)
        cd /
        [ -d "$folder/data" ] && as_postgres "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
        rm -rf "$folder" "$folder.log"
        ;;
    *) echo "postgres.sh: unknown action '$action'" >&2; exit 2 ;;
esac
