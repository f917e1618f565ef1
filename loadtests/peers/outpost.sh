# Starts Outpost, or a command of its tool, in $PEERS: sh outpost.sh; sh outpost.sh migrate apply --yes
cd "$PEERS" || exit 1
export API_PORT=13333 API_KEY=a-key-of-the-bench API_JWT_SECRET=a-secret-of-the-bench
export AES_ENCRYPTION_SECRET=0123456789abcdef TOPICS=invoice.paid
export POSTGRES_URL='postgres://peers@127.0.0.1:15432/peers?sslmode=disable'
export RABBITMQ_SERVER_URL=amqp://guest:guest@127.0.0.1:15672 REDIS_HOST=127.0.0.1 REDIS_PORT=16379
export PUBLISH_MAX_CONCURRENCY=64 DELIVERY_MAX_CONCURRENCY=64 LOG_MAX_CONCURRENCY=64
export DESTINATIONS_WEBHOOK_MODE=standard DISABLE_TELEMETRY=true LOG_LEVEL=warn
[ $# = 0 ] || exec outpost/bin/outpost "$@"
nohup outpost/bin/outpost-server >> run/outpost.log 2>&1 &
echo $! > run/server.pid
