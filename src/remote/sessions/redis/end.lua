-- ARGV: prefix, kind, name, ended at, seconds to remember, word for other processes, how many of those are kept.
local prefix, kind, name, at, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local mark = prefix .. 'x:' .. name
local before = redis.call('GET', mark)
if before and tonumber(before) > at then at = tonumber(before) end
if redis.call('TTL', mark) > ttl then ttl = redis.call('TTL', mark) end
redis.call('SET', mark, at, 'EX', ttl)
if kind == 'session' then
  redis.call('DEL', prefix .. 's:' .. name)
else
  local index = prefix .. name
  for _, id in ipairs(redis.call('SMEMBERS', index)) do
    local key = prefix .. 's:' .. id
    local started = redis.call('HGET', key, 's')
    if kind == 'sid' or not started or tonumber(started) <= at then
      redis.call('DEL', key)
      redis.call('SREM', index, id)
    end
  end
end
local number = redis.call('INCR', prefix .. 'ends:last')
local process, line = string.match(ARGV[6], '^(%S+) (.*)$')
redis.call('ZADD', prefix .. 'ends', number, process .. ' ' .. number .. ' ' .. line)
redis.call('ZREMRANGEBYRANK', prefix .. 'ends', 0, -tonumber(ARGV[7]) - 1)
return number
