-- KEYS: turn, what is renewed. ARGV: who takes it, its seconds, seconds to live of what is renewed or '' if it must be there.
-- The number of the turn, 0 if another has it, -1 if there is nothing; and what is renewed as it is now.
local value = redis.call('GET', KEYS[2])
if ARGV[3] == '' and not value then return {-1, false} end
local number = 0
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  local before, turn, rest = string.match(value or '0 0 0 0 \n', '^(%d+ %d+ %d+ )(%d+)(.*)$')
  number = tonumber(turn) + 1
  local new = before .. number .. rest
  if value then redis.call('SET', KEYS[2], new, 'KEEPTTL') else redis.call('SET', KEYS[2], new, 'EX', ARGV[3]) end
end
local body = value and string.match(value, '^[^\n]*\n(.+)$')
return {number, body or false}
