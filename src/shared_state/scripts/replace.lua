-- Replaces a record with compare-and-swap. Returns {1, used} if it did, {0, used} if the store has another version, and
-- {-1, used} if there is no space; `used` is the capacity in use.
-- KEYS: meta, record, expiries, usage.
-- ARGV: hash key, id, expected version (empty: no record), version of the new record (empty: remove), owner (empty: no
-- lease), tenant, weight, payload, lease in ms, retention in ms, capacity, share of a tenant, prefix of
-- records, time after which a new record is not inserted any more.
-- A record: format, version, owner, end of the lease, expiry, tenant, weight, payload (record_format.rs).
local MAX_EXPIRED = 50
local NO_OWNER = string.rep('\0', 16)

if redis.call('HGET', KEYS[1], 'hash_key') ~= ARGV[1] then
  return redis.error_reply('REPLACED the data of the store was replaced')
end
local id, expected, version, owner, tenant, weight, payload = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local lease, retention, capacity, share, prefix = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The caller was told that this failed. A connection that stalls may deliver it long after.
if expected == '' and version ~= '' and now > tonumber(ARGV[14]) then
  return redis.error_reply('LATE the command arrived too late')
end

local function read(key)
  local record = redis.call('GET', key)
  if not record then
    return nil
  end
  local format, version, owner, _, expires, tenant, weight = struct.unpack('>Bc8c16I8I8c16I4', record)
  return {format = format, version = version, owner = owner, expires = expires, tenant = tenant, weight = weight}
end

local function used(field)
  return tonumber(redis.call('HGET', KEYS[4], field) or '0')
end

local function add_usage(tenant, weight)
  redis.call('HINCRBY', KEYS[4], 'total', weight)
  if redis.call('HINCRBY', KEYS[4], 'tenant:' .. tenant, weight) <= 0 then
    redis.call('HDEL', KEYS[4], 'tenant:' .. tenant)
  end
end

local function remove(key, id, record)
  redis.call('DEL', key)
  redis.call('ZREM', KEYS[3], id)
  add_usage(record.tenant, -record.weight)
end

local function remove_expired()
  for _, due in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, MAX_EXPIRED)) do
    local record = read(prefix .. due)
    if record then
      remove(prefix .. due, due, record)
    else
      redis.call('ZREM', KEYS[3], due)
    end
  end
end

local old = read(KEYS[2])
if old and old.format ~= 1 then
  return redis.error_reply('FORMAT ' .. old.format)
end
if old and old.expires <= now then
  remove(KEYS[2], id, old)
  old = nil
end
local has_lease = owner ~= ''
if not has_lease then
  owner = NO_OWNER
end
-- The response to the same replacement was lost.
if old and old.version == version and old.owner == owner then
  return {1, used('total')}
end
if (old and old.version or '') ~= expected then
  return {0, used('total')}
end
if version == '' then
  if old then
    remove(KEYS[2], id, old)
  end
  return {1, used('total')}
end

local freed = old and old.weight or 0
local function fits()
  if weight <= freed then
    return true
  end
  local of_tenant = used('tenant:' .. tenant)
  return used('total') - freed + weight <= capacity and of_tenant - freed + weight <= share
end
if not old or not fits() then
  remove_expired()
end
if not fits() then
  return {-1, used('total')}
end
local leased_until = 0
local expires = now + retention
if has_lease then
  leased_until = now + lease
  expires = leased_until + retention
end
-- First, because a server without memory rejects a script's first write.
redis.call('SET', KEYS[2], struct.pack('>Bc8c16I8I8c16I4', 1, version, owner, leased_until, expires, tenant, weight) .. payload)
redis.call('ZADD', KEYS[3], expires, id)
if old then
  add_usage(old.tenant, -old.weight)
end
add_usage(tenant, weight)
return {1, used('total')}
