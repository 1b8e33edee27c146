-- KEYS: session. ARGV: what is noted of it. A session that is gone is not made.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'm', ARGV[1])
return 1
