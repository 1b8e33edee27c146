-- ARGV: prefix, session, person, login or '', body, renewals, started, seconds to live. 0: ended before, 1: done.
local prefix, id, person, login = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ttl = tonumber(ARGV[8])
if redis.call('EXISTS', prefix .. 'x:' .. id) == 1 then return 0 end
if login ~= '' and redis.call('EXISTS', prefix .. 'x:' .. login) == 1 then return 0 end
local ended = redis.call('GET', prefix .. 'x:' .. person)
if ended and tonumber(ARGV[7]) <= tonumber(ended) then return 0 end
local key = prefix .. 's:' .. id
local renewals = redis.call('HGET', key, 'r')
if renewals and tonumber(renewals) > tonumber(ARGV[6]) then return 1 end
redis.call('HSET', key, 'b', ARGV[5], 'r', ARGV[6], 's', ARGV[7])
redis.call('EXPIRE', key, ttl)
for _, group in ipairs({person, login}) do
  if group ~= '' then
    local index = prefix .. group
    redis.call('SADD', index, id)
    if redis.call('TTL', index) < ttl then redis.call('EXPIRE', index, ttl) end
    -- Somebody who signs in all day: sessions that are over leave the index a few at a time.
    if redis.call('SCARD', index) > 100 then
      for _, member in ipairs(redis.call('SRANDMEMBER', index, 10)) do
        if redis.call('EXISTS', prefix .. 's:' .. member) == 0 then redis.call('SREM', index, member) end
      end
    end
  end
end
return 1
