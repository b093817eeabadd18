-- Returns the text of a document, and notes its use; nothing if there is none, it has expired, or it is too long.
-- KEYS: meta, texts, times of use, bytes. ARGV: hash key, id, maximum age in ms, maximum length.
if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used = redis.call('ZSCORE', KEYS[3], ARGV[2])
if not used or used + ARGV[3] <= now or redis.call('HSTRLEN', KEYS[2], ARGV[2]) > tonumber(ARGV[4]) then
  return false
end
local text = redis.call('HGET', KEYS[2], ARGV[2])
-- A server without memory can still be read.
redis.pcall('ZADD', KEYS[3], now, ARGV[2])
for key = 2, 4 do
  redis.pcall('PEXPIRE', KEYS[key], ARGV[3])
end
return text
