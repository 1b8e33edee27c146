-- KEYS: session. ARGV: what is noted of it. A session that is gone is not made.
local head = redis.call('HGET', KEYS[1], 'h')
if not head then return 0 end
redis.call('HSET', KEYS[1], 'h', string.match(head, '^%d+ %d+ %d+ %d+') .. ' ' .. ARGV[1])
return 1
