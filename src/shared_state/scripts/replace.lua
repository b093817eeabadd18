-- Replaces a record with compare-and-swap. Returns {1, used} if it did, {0, used} if the store has another version, and
-- {-1, used} if there is no space; `used` is the capacity in use.
-- KEYS: meta, record, expiries, usage.
-- ARGV: hash key, id, expected version (empty: no record), version of the new record (empty: remove), owner (empty: no
-- lease), tenant, weight, payload, lease in ms, retention in ms, capacity, share of a tenant, prefix of
-- records, time after which a new record is not inserted any more.
local MAX_EXPIRED = 50
-- If there is no space otherwise.
local MAX_EXPIRED_IF_FULL = 1000
local NO_OWNER = string.rep('\0', 16)

local id, expected, version, owner, tenant, weight, payload = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local lease, retention, capacity, share, prefix = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13]

-- The caller was told that this failed. A connection that stalls may deliver it long after.
if expected == '' and version ~= '' and now > tonumber(ARGV[14]) then
  return redis.error_reply('LATE the command arrived too late')
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
if not old then
  remove_expired(prefix, now, MAX_EXPIRED)
end
if not fits() then
  remove_expired(prefix, now, MAX_EXPIRED_IF_FULL)
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
