#!lua name=moat_log_v1
-- Append-if-absent for decisions of one shard. Everything a call touches lies in the shard's slot.
--
-- keys[1]                 the shard's stream of decisions
-- keys[2]                 the shard's stream of intents
-- keys[2 + n]             what is remembered of the n-th request id: its decision, digest and record
-- args[1]                 seconds to remember a request id
-- args[2]                 how many decisions may wait in the stream
-- args[2 + 5 (n - 1) + …] of the n-th item: decision id, digest, record, intent, '1' if it was spooled
--
-- Answers one pair an item: what became of it, and the earlier record where there is one.
local APPENDED, EXISTS, REUSED, DUPLICATE, FULL = 0, 1, 2, 3, 4

local function append_one(keys, number, id, digest, record, intent, spooled, ttl)
  local known = redis.call('HMGET', keys[2 + number], 'id', 'digest', 'record')
  if known[1] then
    if known[1] == id then
      return { APPENDED, '' }
    end
    if not spooled then
      if known[2] ~= digest then
        return { REUSED, '' }
      end
      return { EXISTS, known[3] }
    end
    -- It was answered from a spool: it is a decision all the same, once, and its intent belongs to the other one.
    local marks = redis.call('HSETNX', keys[2 + number], 'spooled:' .. id, '1')
    if marks == 1 then
      redis.call('XADD', keys[1], '*', 'record', record, 'duplicate_of', known[1])
    end
    return { DUPLICATE, known[3] }
  end
  redis.call('HSET', keys[2 + number], 'id', id, 'digest', digest, 'record', record)
  redis.call('EXPIRE', keys[2 + number], ttl)
  redis.call('XADD', keys[1], '*', 'record', record)
  if intent ~= '' then
    redis.call('XADD', keys[2], '*', 'intent', intent)
  end
  return { APPENDED, '' }
end

local function append(keys, args)
  local ttl, longest = args[1], tonumber(args[2])
  local answers = {}
  local full = redis.call('XLEN', keys[1]) >= longest
  for number = 1, #keys - 2 do
    local at = 2 + 5 * (number - 1)
    if full then
      answers[number] = { FULL, '' }
    else
      answers[number] = append_one(
        keys, number, args[at + 1], args[at + 2], args[at + 3], args[at + 4], args[at + 5] == '1', ttl)
    end
  end
  return answers
end

redis.register_function('moat_append', append)
