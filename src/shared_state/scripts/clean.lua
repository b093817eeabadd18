-- Removes expired records, and notes the time, which shows whether the server accepts changes. Returns how many records
-- have expired, which is `maximum` if there may be more, and the capacity in use.
-- KEYS: meta, expiries, usage. ARGV: hash key, prefix of records, maximum.
redis.call('HSET', KEYS[1], 'cleaned_at', now)
return {remove_expired(ARGV[2], now, tonumber(ARGV[3])), used('total')}
