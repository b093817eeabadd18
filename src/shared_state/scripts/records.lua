-- What scripts that change records begin with. Their last two keys are expiries and usage.
-- A record: format, version, owner, end of the lease, expiry, tenant, weight, payload (record_format.rs).
local HEADER = 61
local EXPIRIES, USAGE = KEYS[#KEYS - 1], KEYS[#KEYS]

-- A record; one that is damaged has the format 0.
local function read(key)
  local record = redis.pcall('GET', key)
  if not record then
    return nil
  end
  if type(record) ~= 'string' or #record < HEADER then
    return {format = 0, tenant = '', weight = 0}
  end
  local format, version, owner, _, expires, tenant, weight = struct.unpack('>Bc8c16I8I8c16I4', record)
  return {format = format, version = version, owner = owner, expires = expires, tenant = tenant, weight = weight}
end

local function used(field)
  return tonumber(redis.call('HGET', USAGE, field) or '0')
end

local function add_usage(tenant, weight)
  redis.call('HINCRBY', USAGE, 'total', weight)
  if redis.call('HINCRBY', USAGE, 'tenant:' .. tenant, weight) <= 0 then
    redis.call('HDEL', USAGE, 'tenant:' .. tenant)
  end
end

local function remove(key, id, record)
  redis.call('DEL', key)
  redis.call('ZREM', EXPIRIES, id)
  if record.weight > 0 then
    add_usage(record.tenant, -record.weight)
  end
end

-- Removes some of the records that have expired, and returns how many were found.
local function remove_expired(prefix, now, max)
  local expired = redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', now, 'LIMIT', 0, max)
  for _, id in ipairs(expired) do
    local record = read(prefix .. id)
    if record then
      remove(prefix .. id, id, record)
    else
      redis.call('ZREM', EXPIRIES, id)
    end
  end
  return #expired
end

if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

