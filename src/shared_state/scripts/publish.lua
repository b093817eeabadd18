-- Publishes messages, in order. Returns their number.
-- KEYS: meta. ARGV: hash key, channel, messages.
if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
for number = 3, #ARGV do
  redis.call('PUBLISH', ARGV[2], ARGV[number])
end
return #ARGV - 2
