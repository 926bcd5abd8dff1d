#!lua name=moat_context_v2
-- Sliding windows of one shard of one tenant. A window is a ring of buckets in a hash: a field holds "bucket:count",
-- and a bucket that comes round again overwrites what is too old. So memory per subject is bounded, without sweeping.
--
-- keys[1] names the shard's slot; every key below begins with it and lies in the same slot.
-- args[1] is a list of operations in MessagePack; each answers a list of numbers, or for writes 1 (done) or 0 (repeat).

-- name → seconds a bucket, buckets in the ring (one more than the window has, for the bucket that is filling)
local WINDOWS = { s10 = { 2, 6 }, m1 = { 10, 7 }, m2 = { 20, 7 }, m10 = { 60, 11 }, h1 = { 300, 13 }, h24 = { 3600, 25 } }
local IDLE_SECONDS = 2 * 86400
local MOST_MEMBERS = 256

-- 'm' .. 's10' .. slot → the window it belongs to, and that window's name: what a field of a hash is. Filled at first use:
-- while a library is loaded there is no `pairs`.
local FIELDS = {}
local function fill_fields()
  for _, measure in ipairs({ 'm', 'v', 'e', 'd', 'j', 'l' }) do
    for window, shape in pairs(WINDOWS) do
      for slot = 0, shape[2] - 1 do
        FIELDS[measure .. window .. slot] = { name = measure .. window, seconds = shape[1], ring = shape[2] }
      end
    end
  end
end

-- Adds 1 to each of `names` ({ measure, window }) and to the plain numbers `totals`: one read, one write.
local function bump(key, names, totals, now)
  local fields, buckets = {}, {}
  for position, one in ipairs(names) do
    local shape = WINDOWS[one[2]]
    buckets[position] = math.floor(now / shape[1])
    fields[position] = one[1] .. one[2] .. (buckets[position] % shape[2])
  end
  for _, total in ipairs(totals) do fields[#fields + 1] = total end
  local held = redis.call('HMGET', key, unpack(fields))
  local written = {}
  for position, field in ipairs(fields) do
    local value, bucket = held[position], buckets[position]
    written[#written + 1] = field
    if bucket then
      local at, count = string.match(value or '', '^(%d+):(%d+)$')
      at = tonumber(at) or 0
      -- What comes so late that its bucket was given to a later time is not counted any more.
      written[#written + 1] = at > bucket and value or string.format('%d:%d', bucket, at == bucket and count + 1 or 1)
    else
      written[#written + 1] = string.format('%d', (tonumber(value or 0) or 0) + 1)
    end
  end
  redis.call('HSET', key, unpack(written))
end

-- The sums by window, and every other field as it stands. The hash has as many fields as rings have buckets, at most;
-- most subjects have few, which is why all of it is read at once.
local function read(key, now)
  local held = redis.call('HGETALL', key)
  local sums, others = {}, {}
  for position = 1, #held, 2 do
    local field = FIELDS[held[position]]
    if field then
      local at, count = string.match(held[position + 1], '^(%d+):(%d+)$')
      local age = math.floor(now / field.seconds) - at
      if age >= 0 and age < field.ring then sums[field.name] = (sums[field.name] or 0) + count end
    else
      others[held[position]] = held[position + 1]
    end
  end
  return sums, others
end

local function picked(sums, names)
  local numbers = {}
  for position, name in ipairs(names) do numbers[position] = sums[name] or 0 end
  return numbers
end

local function count_repeat(key, seconds)
  local times = redis.call('INCR', key)
  if times == 1 then redis.call('EXPIRE', key, seconds) end
  return times
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
  local now = one[4]
  local sums, others = read(tag .. 'u:' .. one[2], now)
  local numbers = picked(sums, { 'ms10', 'mm1', 'mm10', 'vm10', 'vh1', 'vh24', 'em10', 'dm10' })
  numbers[9] = number(redis.call('GET', tag .. 'r:' .. one[2] .. ':' .. one[3]))
  numbers[10] = members(tag .. 'to:' .. one[2], now)
  numbers[11] = number(others.total)
  numbers[12] = number(others['fact:created_unix_seconds'])
  numbers[13] = number(others['fact:verified'])
  return numbers
end

-- {'channel', channel, digest, now, author}; the author counts as one who repeats it, if it has been said
OPERATIONS.channel = function(tag, one)
  local sums = read(tag .. 'c:' .. one[2], one[4])
  local numbers = picked(sums, { 'ms10', 'mm1', 'vm10', 'jm1' })
  local said = one[2] .. ':' .. one[3]
  numbers[5], numbers[6] = number(redis.call('GET', tag .. 'cr:' .. said)), 0
  if numbers[5] > 0 then
    local repeaters = tag .. 'ca:' .. said
    numbers[6] = redis.call('SCARD', repeaters) + 1 - redis.call('SISMEMBER', repeaters, one[5])
  end
  return numbers
end

-- {'target', target, author, now}; whether the author is new to it is told too
OPERATIONS.target = function(tag, one)
  local now = one[4]
  local numbers = picked(read(tag .. 't:' .. one[2], now), { 'mm10', 'vm10' })
  local authors = tag .. 'by:' .. one[2]
  numbers[3] = members(authors, now)
  numbers[4] = redis.call('ZSCORE', authors, one[3]) and 0 or 1
  return numbers
end

local function first(tag, kind, id, seconds)
  return redis.call('SET', tag .. 'seen:' .. kind .. ':' .. id, '1', 'NX', 'EX', seconds)
end

-- {'count_user', user, digest, now, decision, violation, targets}
OPERATIONS.count_user = function(tag, one)
  if not first(tag, 'u', one[5], 3600) then return 0 end
  local key, now = tag .. 'u:' .. one[2], one[4]
  local names = { { 'm', 's10' }, { 'm', 'm1' }, { 'm', 'm10' } }
  if one[6] then
    for _, window in ipairs({ 'm10', 'h1', 'h24' }) do names[#names + 1] = { 'v', window } end
  end
  bump(key, names, { 'total' }, now)
  redis.call('EXPIRE', key, IDLE_SECONDS)
  count_repeat(tag .. 'r:' .. one[2] .. ':' .. one[3], 600)
  if #one[7] > 0 then remember(tag .. 'to:' .. one[2], one[7], now) end
  return 1
end

-- Who has said it after somebody else had. Costs nothing for what is said once, as most is.
local function remember_repeater(counter, repeaters, author)
  if redis.call('SCARD', repeaters) >= MOST_MEMBERS then return end
  redis.call('SADD', repeaters, author)
  redis.call('PEXPIRE', repeaters, math.max(1, redis.call('PTTL', counter)))
end

-- {'count_channel', channel, digest, now, decision, violation, author}
OPERATIONS.count_channel = function(tag, one)
  if not first(tag, 'c', one[5], 3600) then return 0 end
  local key, now = tag .. 'c:' .. one[2], one[4]
  local names = { { 'm', 's10' }, { 'm', 'm1' } }
  if one[6] then names[3] = { 'v', 'm10' } end
  bump(key, names, {}, now)
  redis.call('EXPIRE', key, 3600)
  local said = one[2] .. ':' .. one[3]
  if count_repeat(tag .. 'cr:' .. said, 120) > 1 then
    remember_repeater(tag .. 'cr:' .. said, tag .. 'ca:' .. said, one[7])
  end
  return 1
end

-- {'count_target', target, author, now, decision, violation}
OPERATIONS.count_target = function(tag, one)
  if not first(tag, 't' .. one[2], one[5], 3600) then return 0 end
  local key, now = tag .. 't:' .. one[2], one[4]
  local names = { { 'm', 'm10' } }
  if one[6] then names[2] = { 'v', 'm10' } end
  bump(key, names, {}, now)
  redis.call('EXPIRE', key, 3600)
  remember(tag .. 'by:' .. one[2], { one[3] }, now)
  return 1
end

-- {'happened', subject kind ('u' or 'c'), subject, now, event, measure, windows, facts}
OPERATIONS.happened = function(tag, one)
  if not first(tag, 'event', one[5], 86400) then return 0 end
  local key = tag .. one[2] .. ':' .. one[3]
  local names = {}
  for position, window in ipairs(one[7]) do names[position] = { one[6], window } end
  if #names > 0 then bump(key, names, {}, one[4]) end
  for name, value in pairs(one[8]) do redis.call('HSET', key, 'fact:' .. name, tostring(value)) end
  redis.call('EXPIRE', key, IDLE_SECONDS)
  return 1
end

local function run(keys, args)
  if not FIELDS.ms100 then fill_fields() end
  local answers = {}
  for position, one in ipairs(cmsgpack.unpack(args[1])) do
    answers[position] = OPERATIONS[one[1]](keys[1], one)
  end
  return answers
end

redis.register_function('moat_context_v2', run)
