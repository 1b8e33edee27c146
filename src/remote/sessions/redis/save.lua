-- KEYS: session, that it was ended. ARGV: body, renewals, started, used, seconds to live, whether it is new (1) or known (0),
-- number of the turn or ''. 0: ended before, 1: done, 2: not there, 3: another has had the turn since.
-- The head is: renewals, started, used, number of the last turn, and what was noted.
local ended = redis.call('GET', KEYS[2])
if ended and tonumber(ARGV[3]) <= tonumber(ended) then return 0 end
local head = redis.call('HGET', KEYS[1], 'h')
if not head and ARGV[6] == '0' then return 2 end
local renewals, turn, note = 0, '0', ''
if head then
  renewals, turn, note = string.match(head, '^(%d+) %d+ %d+ (%d+) ?(.*)$')
end
if ARGV[7] ~= '' and tonumber(turn) > tonumber(ARGV[7]) then return 3 end
if tonumber(renewals) > tonumber(ARGV[2]) then return 1 end
head = ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. turn .. ' ' .. note
redis.call('HSET', KEYS[1], 'b', ARGV[1], 'h', head)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
