#!lua name=moat_context_v1
-- Sliding windows of one shard of one tenant. A window is a ring of buckets in a hash: a field holds "bucket:count",
-- and a bucket that comes round again overwrites what is too old. So memory per subject is bounded, without sweeping.
--
-- keys[1] names the shard's slot; every key below begins with it and lies in the same slot.
-- args[1] is a list of operations in MessagePack; each answers a list of numbers, or for writes 1 (done) or 0 (repeat).

-- name → seconds a bucket, buckets in the ring (one more than the window has, for the bucket that is filling)
local WINDOWS = { s10 = { 2, 6 }, m1 = { 10, 7 }, m2 = { 20, 7 }, m10 = { 60, 11 }, h1 = { 300, 13 }, h24 = { 3600, 25 } }
local IDLE_SECONDS = 2 * 86400
local MOST_MEMBERS = 256

local function bump(key, measure, window, now)
  local seconds, ring = WINDOWS[window][1], WINDOWS[window][2]
  local bucket = math.floor(now / seconds)
  local field = measure .. window .. (bucket % ring)
  local held = redis.call('HGET', key, field)
  local count = 0
  if held then
    local at, value = string.match(held, '^(%d+):(%d+)$')
    if tonumber(at) == bucket then count = tonumber(value) end
  end
  redis.call('HSET', key, field, string.format('%d:%d', bucket, count + 1))
end

local function read(key, wanted, now)
  local fields, owners = {}, {}
  for number, one in ipairs(wanted) do
    local ring = WINDOWS[one[2]][2]
    for slot = 0, ring - 1 do
      fields[#fields + 1] = one[1] .. one[2] .. slot
      owners[#owners + 1] = number
    end
  end
  local held = redis.call('HMGET', key, unpack(fields))
  local sums = {}
  for number = 1, #wanted do sums[number] = 0 end
  for position, value in ipairs(held) do
    if value then
      local number = owners[position]
      local seconds, ring = WINDOWS[wanted[number][2]][1], WINDOWS[wanted[number][2]][2]
      local at, count = string.match(value, '^(%d+):(%d+)$')
      local age = math.floor(now / seconds) - tonumber(at)
      if age >= 0 and age < ring then sums[number] = sums[number] + tonumber(count) end
    end
  end
  return sums
end

local function count_repeat(key, seconds)
  if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, seconds) end
end

local function remember(key, members, now)
  for _, member in ipairs(members) do redis.call('ZADD', key, now, member) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - 600)
  redis.call('ZREMRANGEBYRANK', key, 0, -(MOST_MEMBERS + 1))
  redis.call('EXPIRE', key, 600)
end

local function members(key, now)
  return redis.call('ZCOUNT', key, now - 600, '+inf')
end

local function number(value)
  return tonumber(value or 0) or 0
end

local OPERATIONS = {}

-- {'user', user, digest, now}
OPERATIONS.user = function(tag, one)
  local key, now = tag .. 'u:' .. one[2], one[4]
  local sums = read(key, { { 'm', 's10' }, { 'm', 'm1' }, { 'm', 'm10' }, { 'v', 'm10' }, { 'v', 'h1' }, { 'v', 'h24' },
    { 'e', 'm10' }, { 'd', 'm10' } }, now)
  sums[#sums + 1] = number(redis.call('GET', tag .. 'r:' .. one[2] .. ':' .. one[3]))
  sums[#sums + 1] = members(tag .. 'to:' .. one[2], now)
  local facts = redis.call('HMGET', key, 'total', 'fact:created_unix_seconds', 'fact:verified')
  sums[#sums + 1] = number(facts[1])
  sums[#sums + 1] = number(facts[2])
  sums[#sums + 1] = number(facts[3])
  return sums
end

-- {'channel', channel, digest, now}
OPERATIONS.channel = function(tag, one)
  local key, now = tag .. 'c:' .. one[2], one[4]
  local sums = read(key, { { 'm', 's10' }, { 'm', 'm1' }, { 'v', 'm10' }, { 'j', 'm1' } }, now)
  sums[#sums + 1] = number(redis.call('GET', tag .. 'cr:' .. one[2] .. ':' .. one[3]))
  return sums
end

-- {'target', target, author, now}; whether the author is new to it is told too
OPERATIONS.target = function(tag, one)
  local now = one[4]
  local sums = read(tag .. 't:' .. one[2], { { 'm', 'm10' }, { 'v', 'm10' } }, now)
  local authors = tag .. 'by:' .. one[2]
  sums[#sums + 1] = members(authors, now)
  sums[#sums + 1] = redis.call('ZSCORE', authors, one[3]) and 0 or 1
  return sums
end

local function first(tag, kind, id, seconds)
  return redis.call('SET', tag .. 'seen:' .. kind .. ':' .. id, '1', 'NX', 'EX', seconds)
end

-- {'count_user', user, digest, now, decision, violation, targets}
OPERATIONS.count_user = function(tag, one)
  if not first(tag, 'u', one[5], 3600) then return 0 end
  local key, now = tag .. 'u:' .. one[2], one[4]
  for _, window in ipairs({ 's10', 'm1', 'm10' }) do bump(key, 'm', window, now) end
  if one[6] then
    for _, window in ipairs({ 'm10', 'h1', 'h24' }) do bump(key, 'v', window, now) end
  end
  redis.call('HINCRBY', key, 'total', 1)
  redis.call('EXPIRE', key, IDLE_SECONDS)
  count_repeat(tag .. 'r:' .. one[2] .. ':' .. one[3], 600)
  if #one[7] > 0 then remember(tag .. 'to:' .. one[2], one[7], now) end
  return 1
end

-- {'count_channel', channel, digest, now, decision, violation}
OPERATIONS.count_channel = function(tag, one)
  if not first(tag, 'c', one[5], 3600) then return 0 end
  local key, now = tag .. 'c:' .. one[2], one[4]
  for _, window in ipairs({ 's10', 'm1' }) do bump(key, 'm', window, now) end
  if one[6] then bump(key, 'v', 'm10', now) end
  redis.call('EXPIRE', key, 3600)
  count_repeat(tag .. 'cr:' .. one[2] .. ':' .. one[3], 120)
  return 1
end

-- {'count_target', target, author, now, decision, violation}
OPERATIONS.count_target = function(tag, one)
  if not first(tag, 't' .. one[2], one[5], 3600) then return 0 end
  local key, now = tag .. 't:' .. one[2], one[4]
  bump(key, 'm', 'm10', now)
  if one[6] then bump(key, 'v', 'm10', now) end
  redis.call('EXPIRE', key, 3600)
  remember(tag .. 'by:' .. one[2], { one[3] }, now)
  return 1
end

-- {'happened', subject kind ('u' or 'c'), subject, now, event, measure, windows, facts}
OPERATIONS.happened = function(tag, one)
  if not first(tag, 'event', one[5], 86400) then return 0 end
  local key = tag .. one[2] .. ':' .. one[3]
  for _, window in ipairs(one[7]) do bump(key, one[6], window, one[4]) end
  for name, value in pairs(one[8]) do redis.call('HSET', key, 'fact:' .. name, tostring(value)) end
  redis.call('EXPIRE', key, IDLE_SECONDS)
  return 1
end

local function run(keys, args)
  local answers = {}
  for position, one in ipairs(cmsgpack.unpack(args[1])) do
    answers[position] = OPERATIONS[one[1]](keys[1], one)
  end
  return answers
end

redis.register_function('moat_context', run)
