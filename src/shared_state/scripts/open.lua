-- Returns the hash key of the data, and whether it was created now.
-- KEYS: meta. ARGV: format, hash key for new data.
local format = redis.call('HGET', KEYS[1], 'format')
if not format then
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'hash_key', ARGV[2])
  return {ARGV[2], 1}
end
if format ~= ARGV[1] then
  return redis.error_reply('FORMAT ' .. format)
end
return {redis.call('HGET', KEYS[1], 'hash_key'), 0}
