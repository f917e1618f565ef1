# Starts, empty, or ends what stands below a peer: PEERS=folder sh servers.sh start|stop svix|outpost
# All of it is in $PEERS/run. PostgreSQL refuses to run as root, so there it runs as its own user.
set -eu
cd "$PEERS"
run=$PWD/run pg=${PG:-/usr/lib/postgresql/15/bin} rabbit=${RABBIT:-/usr/lib/rabbitmq/bin}
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
export RABBITMQ_MNESIA_BASE="$run/rabbit" RABBITMQ_LOG_BASE="$run/rabbit-log"
export RABBITMQ_PID_FILE="$run/rabbit.pid" RABBITMQ_ENABLED_PLUGINS_FILE="$run/plugins"
export RABBITMQ_NODENAME=peers@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_NODE_PORT=15672 RABBITMQ_DIST_PORT=25673 ERL_EPMD_ADDRESS=127.0.0.1 HOME="$run"

start() {
  rm -rf "$run"
  mkdir -p "$run/redis" "$run/pg"
  [ "$(id -u)" != 0 ] || chown postgres "$run/pg"
  as_postgres "$pg/initdb" -D "$run/pg" -A trust -U peers > "$run/initdb.log"
  as_postgres "$pg/pg_ctl" -D "$run/pg" -w -l "$run/pg/log" \
    -o "-p 15432 -h 127.0.0.1 -k $run/pg -c max_connections=200" start
  "$pg/createdb" -h 127.0.0.1 -p 15432 -U peers peers
  redis-server --port 16379 --bind 127.0.0.1 --dir "$run/redis" --appendonly yes \
    --daemonize yes --pidfile "$run/redis.pid" > "$run/redis.log"
  [ "$1" = outpost ] || return 0
  echo '[].' > "$run/plugins"
  nohup "$rabbit/rabbitmq-server" > "$run/rabbit.log" 2>&1 &
  "$rabbit/rabbitmqctl" wait --timeout 60 "$run/rabbit.pid"
}

stop() {
  kill "$(cat "$run/server.pid")" || true
  [ "$1" != outpost ] || { timeout 30 "$rabbit/rabbitmqctl" stop "$run/rabbit.pid" && epmd -kill; } || true
  redis-cli -p 16379 shutdown nosave || true
  as_postgres "$pg/pg_ctl" -D "$run/pg" -m fast stop
}

"$@"
