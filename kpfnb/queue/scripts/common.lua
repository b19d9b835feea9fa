-- Shared code, which is put before each script. A script runs as one step: nobody sees a queue
-- half changed. KEYS[1] is the prefix of all keys of one queue.
--
-- item:NAME   hash: everything known about an item
-- state:S     sorted set: the items in state S, by the time (ms) at which they came into it;
--             running: by the end of the lease; failed: by the time of the next attempt
-- ready:LANE  stream, consumer group `workers`: one entry per waiting or running item
-- kept        sorted set: done items whose details are kept, by their tokens
-- bell        stream of length one: a new entry wakes waiting workers
-- events      stream: the end of each attempt
-- worker:ID   hash: the last request of a worker and its claims
-- workers     sorted set: workers by the time (ms) of their last call
-- fence       the last token
local prefix = KEYS[1]
local GROUP = 'workers'
local LANES = {'returned', 'high', 'normal', 'low'}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local rang = false

local function whole(number)
  return string.format('%.0f', number)
end

local function item_key(name)
  return prefix .. 'item:' .. name
end

local function get(name, field)
  return redis.call('HGET', item_key(name), field)
end

-- False for an item that nobody has loaded
local function state_of(name)
  local state = get(name, 'state')
  if state then return state end
  -- Done long ago: its details were deleted
  return redis.call('ZSCORE', prefix .. 'state:done', name) and 'done'
end

local function enter(name, state, score)
  local old = state_of(name)
  if old then redis.call('ZREM', prefix .. 'state:' .. old, name) end
  redis.call('HSET', item_key(name), 'state', state, 'since', whole(now))
  redis.call('ZADD', prefix .. 'state:' .. state, whole(score), name)
end

local function withdraw(name)
  local lane, entry = unpack(redis.call('HMGET', item_key(name), 'lane', 'entry'))
  if entry then
    redis.call('XACK', prefix .. 'ready:' .. lane, GROUP, entry)
    redis.call('XDEL', prefix .. 'ready:' .. lane, entry)
    redis.call('HDEL', item_key(name), 'lane', 'entry')
  end
end

local function ring()
  if not rang then redis.call('XADD', prefix .. 'bell', 'MAXLEN', 1, '*', 'work', 1) end
  rang = true
end

local function offer(name, lane)
  withdraw(name)
  lane = lane or get(name, 'priority')
  local stream = prefix .. 'ready:' .. lane
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  local entry = redis.call('XADD', stream, '*', 'item', name)
  enter(name, 'waiting', now)
  redis.call('HSET', item_key(name), 'lane', lane, 'entry', entry)
  redis.call('HDEL', item_key(name), 'worker')
  ring()
end

-- As if new, in any earlier state
local function reset_item(name, priority)
  -- First: an old server refuses for lack of memory only the first change of a script
  redis.call('HSETNX', item_key(name), 'priority', priority)
  redis.call('ZREM', prefix .. 'kept', name)
  redis.call('HSETNX', item_key(name), 'loaded', whole(now))
  redis.call('HSET', item_key(name), 'attempts', 0)
  redis.call('HDEL', item_key(name), 'error', 'log', 'note', 'result', 'seconds')
  offer(name)
end

-- The beginning of a text: a number of bytes at most, no partial character (UTF-8)
local function truncate(text, bytes)
  while bytes < #text and math.floor(string.byte(text, bytes + 1) / 64) == 2 do bytes = bytes - 1 end
  return string.sub(text, 1, bytes)
end

-- The end of the running attempt
local function record(name, ending, cap, why)
  local worker, attempt, token, begun = unpack(redis.call(
    'HMGET', item_key(name), 'worker', 'attempts', 'token', 'begun'))
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', cap, '*', 'item', name,
    'ending', ending, 'worker', worker or '', 'attempt', attempt or '0', 'token', token or '0',
    'begun', begun or whole(now), 'why', truncate(why or '', 200))
end
