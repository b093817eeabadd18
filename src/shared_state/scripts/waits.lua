-- Returns the waits that were added after a position, with the position to continue from, and keeps further waits.
-- KEYS: meta, ends (wait -> end in ms), order (wait -> number of the change), changes (the last number).
-- ARGV: hash key, position, maximum of waits to return, maximum of waits to keep, then each new wait with its rest in ms.
-- Returns {position, whether there may be more, {{wait, rest in ms}, ...}}.
local MAX_EXPIRED = 1000
local RETENTION = 24 * 60 * 60 * 1000

if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local position, max_returned, max_kept = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local waits = {}
local changed = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. position, '+inf', 'WITHSCORES', 'LIMIT', 0, max_returned)
for i = 1, #changed, 2 do
  local rest = tonumber(redis.call('ZSCORE', KEYS[2], changed[i]) or '0') - now
  if rest > 0 then
    waits[#waits + 1] = {changed[i], rest}
  end
  position = changed[i + 1]
end
local more = #changed / 2 >= max_returned

if #ARGV > 4 then
  local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, MAX_EXPIRED)
  if #expired > 0 then
    redis.call('ZREM', KEYS[2], unpack(expired))
    redis.call('ZREM', KEYS[3], unpack(expired))
  end
  for i = 5, #ARGV, 2 do
    local ends = now + tonumber(ARGV[i + 1])
    local old = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or '0')
    if old < ends and (old > 0 or redis.call('ZCARD', KEYS[2]) < max_kept) then
      local change = redis.call('INCR', KEYS[4])
      -- Above all earlier numbers, for replicas that have not noticed that the data were lost.
      if change == 1 then
        change = now
        redis.call('SET', KEYS[4], change)
      end
      redis.call('ZADD', KEYS[2], ends, ARGV[i])
      redis.call('ZADD', KEYS[3], change, ARGV[i])
      -- The replica knows its own.
      if not more then
        position = tostring(change)
      end
    end
  end
  redis.call('PEXPIRE', KEYS[2], RETENTION)
  redis.call('PEXPIRE', KEYS[3], RETENTION)
end
return {position, more and 1 or 0, waits}
