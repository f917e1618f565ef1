"""What Redis does in one step, in its own language: the keys' layout, the bounds, the buckets.

A script with a first line of its own is refused as a whole when Redis has no room, not half done.
"""

from __future__ import annotations

PUT = """#!lua
-- KEYS[1] begins every key. Besides the values there are, for the bounds:
--   held     hash, of each name: its size and owner     owner:X  names of X by the time of the put
--   ends     names by the time at which they end        entries, bytes  owners by what they hold
--   total    bytes of all values
local p, name, owner, value = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local ttl_ms, index_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local entries_max, bytes_max = tonumber(ARGV[6]), tonumber(ARGV[7])
local forgotten_max, unless_there = tonumber(ARGV[8]), ARGV[9]
if unless_there == '1' then
    local there = redis.call('GET', p .. 'value:' .. name)
    if there then return there end
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function begin_anew()
    redis.call('DEL', p .. 'held', p .. 'ends', p .. 'entries', p .. 'bytes', p .. 'total')
end

local function add(whose, entries, bytes)
    redis.call('INCRBY', p .. 'total', bytes)
    redis.call('ZINCRBY', p .. 'bytes', bytes, whose)
    if tonumber(redis.call('ZINCRBY', p .. 'entries', entries, whose)) <= 0 then
        redis.call('ZREM', p .. 'entries', whose)
        redis.call('ZREM', p .. 'bytes', whose)
    end
end

local function forget(old)
    redis.call('DEL', p .. 'value:' .. old)
    redis.call('ZREM', p .. 'ends', old)
    local held = redis.call('HGET', p .. 'held', old)
    if held then
        local size, whose = held:match('^(%d+) (.*)$')
        redis.call('HDEL', p .. 'held', old)
        redis.call('ZREM', p .. 'owner:' .. whose, old)
        add(whose, -1, -size)
    end
end

local function bound_passed()
    if tonumber(redis.call('GET', p .. 'total')) > bytes_max then return 'bytes' end
    if redis.call('HLEN', p .. 'held') > entries_max then return 'entries' end
end

local function forget_oldest_of_who_holds_most(bound)
    local most = redis.call('ZREVRANGE', p .. bound, 0, 0)[1]
    if not most then return begin_anew() end
    local names = p .. 'owner:' .. most
    if redis.call('ZCARD', names) ~= tonumber(redis.call('ZSCORE', p .. 'entries', most)) then
        redis.call('DEL', names)
        return begin_anew()
    end
    forget(redis.call('ZRANGE', names, 0, 0)[1])
    return true
end

-- They are there together or not at all, unless Redis had no room and evicted some: then the
-- figures would stay wrong, here as above. Values that are no longer counted end by themselves.
if redis.call('EXISTS', p .. 'held', p .. 'ends', p .. 'entries', p .. 'bytes', p .. 'total') < 5
then begin_anew() end
for _, old in ipairs(redis.call(
    'ZRANGE', p .. 'ends', '-inf', now, 'BYSCORE', 'LIMIT', 0, forgotten_max
)) do forget(old) end
forget(name)
redis.call('SET', p .. 'value:' .. name, value, 'PX', ttl_ms)
redis.call('HSET', p .. 'held', name, #value .. ' ' .. owner)
redis.call('ZADD', p .. 'ends', now + ttl_ms * 1000, name)
redis.call('ZADD', p .. 'owner:' .. owner, now, name)
add(owner, 1, #value)
for _ = 1, forgotten_max do
    local bound = bound_passed()
    if not bound or not forget_oldest_of_who_holds_most(bound) then break end
end
for _, index in ipairs({'held', 'ends', 'entries', 'bytes', 'total', 'owner:' .. owner}) do
    redis.call('PEXPIRE', p .. index, index_ms)
end
"""
"""Put one value, unless asked to leave one that is there, and keep the bounds.

What is too much goes from whoever holds most, oldest first.

It is one step for everybody else, and at most so many values are forgotten in it.
"""

TAKE = """#!lua
-- The bucket is kept as the time at which it will be full, in microseconds of Redis' own clock.
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
-- Should the clock go back, nobody waits longer than for a whole bucket.
full_at = math.min(full_at, now + burst * interval)
local wait = full_at - now - (burst - 1) * interval
if wait > 0 then return math.ceil(wait) end
full_at = full_at + interval
local ttl_ms = math.max(math.ceil((full_at - now) / 1000), 1)
-- Redis would write a number with fourteen digits, which these have more than.
redis.call('SET', KEYS[1], string.format('%.17g', full_at), 'PX', ttl_ms)
return 0
"""
"""Take one token of a bucket: 0, or the microseconds until there will be one."""
