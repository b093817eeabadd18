-- Returns the capacity in use.
-- KEYS: meta, usage. ARGV: hash key.
if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
return tonumber(redis.call('HGET', KEYS[2], 'total') or '0')
