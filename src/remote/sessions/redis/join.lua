-- KEYS: sessions of the group, that it was ended. ARGV: session, started, seconds to live, whether those that begin later live
-- (1) or not (0), the second now. 0: ended before, 1: done.
local ended = redis.call('GET', KEYS[2])
if ended and (ARGV[4] == '0' or tonumber(ARGV[2]) <= tonumber(ended)) then return 0 end
local now, ttl = tonumber(ARGV[5]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
if redis.call('TTL', KEYS[1]) < ttl then redis.call('EXPIRE', KEYS[1], ttl) end
return 1
