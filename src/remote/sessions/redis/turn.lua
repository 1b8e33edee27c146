-- KEYS: turn, what is renewed. ARGV: who takes it, its seconds, seconds to live of what is renewed or '' if it must be there.
-- The number of the turn, 0 if another has it, -1 if there is nothing; and what is renewed as it is now.
local head = redis.call('HGET', KEYS[2], 'h')
if ARGV[3] == '' and not head then return {-1, false} end
local number = 0
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  local before, turn, note = string.match(head or '0 0 0 0 ', '^(%d+ %d+ %d+ )(%d+)(.*)$')
  number = tonumber(turn) + 1
  redis.call('HSET', KEYS[2], 'h', before .. number .. note)
  if ARGV[3] ~= '' and redis.call('TTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
end
return {number, redis.call('HGET', KEYS[2], 'b')}
