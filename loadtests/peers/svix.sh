# Starts Svix, or another command of its server, in $PEERS: sh svix.sh; sh svix.sh migrate
cd "$PEERS" || exit 1
export SVIX_DB_DSN=postgresql://peers@127.0.0.1:15432/peers SVIX_REDIS_DSN=redis://127.0.0.1:16379
export SVIX_QUEUE_TYPE=redis SVIX_CACHE_TYPE=redis SVIX_JWT_SECRET=a-secret-of-the-bench
export SVIX_LISTEN_ADDRESS=127.0.0.1:18071 SVIX_WHITELIST_SUBNETS='["127.0.0.0/8"]'
export SVIX_WHITELABEL_HEADERS=true SVIX_LOG_LEVEL=info
server=svix-webhooks/server/target/release/svix-server
[ $# = 0 ] || exec "$server" "$@"
nohup "$server" >> run/svix.log 2>&1 &
echo $! > run/server.pid
