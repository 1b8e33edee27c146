-- KEYS: session, that it was ended. ARGV: body, renewals, started, used, seconds to live, whether it is new (1) or known (0),
-- number of the turn or ''. 0: ended before, 1: done, 2: not there, 3: another has had the turn since.
-- A session is one value, since fields of their own would take a third more room: a line with renewals, started, used, the number of
-- the last turn and what was noted; and the body.
local ended = redis.call('GET', KEYS[2])
if ended and tonumber(ARGV[3]) <= tonumber(ended) then return 0 end
local value = redis.call('GET', KEYS[1])
if not value and ARGV[6] == '0' then return 2 end
local renewals, turn, note = 0, '0', ''
if value then
  renewals, turn, note = string.match(value, '^(%d+) %d+ %d+ (%d+) ([^\n]*)\n')
end
if ARGV[7] ~= '' and tonumber(turn) > tonumber(ARGV[7]) then return 3 end
if tonumber(renewals) > tonumber(ARGV[2]) then return 1 end
local head = ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. turn .. ' ' .. note
redis.call('SET', KEYS[1], head .. '\n' .. ARGV[1], 'EX', ARGV[5])
return 1
