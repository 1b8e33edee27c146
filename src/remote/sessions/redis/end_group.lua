-- KEYS: sessions of the group, that it was ended. ARGV: ended at, seconds to remember. Its sessions: those that join from here
-- on see the mark.
local at, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = redis.call('GET', KEYS[2])
if before and tonumber(before) > at then at = tonumber(before) end
if redis.call('TTL', KEYS[2]) > ttl then ttl = redis.call('TTL', KEYS[2]) end
redis.call('SET', KEYS[2], string.format('%.0f', at), 'EX', string.format('%.0f', ttl))
return redis.call('ZRANGE', KEYS[1], 0, -1)
