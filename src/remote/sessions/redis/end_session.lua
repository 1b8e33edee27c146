-- KEYS: session, that it was ended, as it was renewed. ARGV: the latest start of those that end, seconds to remember. 0: it
-- began later, 1: ended. One that is about to be stored sees the mark.
local started = string.match(redis.call('GETRANGE', KEYS[1], 0, 63), '^%d+ (%d+)')
local latest, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
if started and tonumber(started) > latest then return 0 end
local before = redis.call('GET', KEYS[2])
if before and tonumber(before) > latest then latest = tonumber(before) end
if redis.call('TTL', KEYS[2]) > ttl then ttl = redis.call('TTL', KEYS[2]) end
redis.call('SET', KEYS[2], string.format('%.0f', latest), 'EX', string.format('%.0f', ttl))
redis.call('DEL', KEYS[1], KEYS[3])
return 1
