-- Returns a record and whether its lease has lapsed; nothing if there is none, or it has expired.
-- KEYS: meta, record. ARGV: hash key.
-- 100,000 writes with long keys, far beyond the size of a request.
local MAX_RECORD = 16 * 1024 * 1024
if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local record = redis.pcall('GET', KEYS[2])
if not record then
  return false
end
if type(record) ~= 'string' or #record < 61 then
  return redis.error_reply('FORMAT the record is damaged')
end
if #record > MAX_RECORD then
  return redis.error_reply('FORMAT the record is too large')
end
if string.byte(record, 1) ~= 1 then
  return redis.error_reply('FORMAT ' .. string.byte(record, 1))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leased_until, expires = struct.unpack('>I8I8', record, 26)
if expires <= now then
  return false
end
local lapsed = 0
if leased_until ~= 0 and leased_until <= now then
  lapsed = 1
end
return {record, lapsed}
