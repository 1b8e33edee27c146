-- KEYS: session. ARGV: what is noted of it. A session that is gone is not made.
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
local head, body = string.match(value, '^(%d+ %d+ %d+ %d+ )[^\n]*(\n.*)$')
redis.call('SET', KEYS[1], head .. ARGV[1] .. body, 'KEEPTTL')
return 1
