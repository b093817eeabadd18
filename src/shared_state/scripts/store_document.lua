-- Stores the text of a document, and removes those that were not used for longest if there is no space. Returns whether it did.
-- KEYS: meta, texts, times of use, bytes. ARGV: hash key, id, text, maximum age in ms, maximum of all bytes.
local OVERHEAD = 128
local MAX_REMOVED = 1000
if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local id, text, max_age, max_bytes = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function remove(id)
  redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[2], id) + OVERHEAD)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end

if redis.call('ZCARD', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[4])
end
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - max_age, 'LIMIT', 0, MAX_REMOVED)) do
  remove(expired)
end
if redis.call('ZSCORE', KEYS[3], id) then
  remove(id)
end
local bytes = #text + OVERHEAD
for _ = 1, MAX_REMOVED do
  if tonumber(redis.call('GET', KEYS[4]) or '0') + bytes <= max_bytes then
    redis.call('HSET', KEYS[2], id, text)
    redis.call('ZADD', KEYS[3], now, id)
    redis.call('INCRBY', KEYS[4], bytes)
    for key = 2, 4 do
      redis.call('PEXPIRE', KEYS[key], max_age)
    end
    return 1
  end
  local oldest = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if not oldest then
    return 0
  end
  remove(oldest)
end
return 0
