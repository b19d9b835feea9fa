-- A worker reports the attempts that it has ended, and claims new items.
--
-- ARGV: worker, request (repeated: same answer), number of items wanted, lease (ms), attempts
-- until an item is parked, number of done items whose details are kept, length of events, reports as JSON:
-- [{name, token, ending (done, failed, returned), result, error, log, seconds, delay (ms), final (1: park it)}]
-- Answer: verdicts on the reports (the item's state, or refused), claims (name, token, attempt),
-- ms until an item may be available (-1: unknown), last entry of bell, draining (1), items to retry
local worker, request = ARGV[1], ARGV[2]
local want, lease, limit = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local keep, cap = tonumber(ARGV[6]), ARGV[7]
local ME = prefix .. 'worker:' .. worker
local FORGET_MS = math.max(3600000, 2 * lease)

local function park_or_else(name, final, otherwise)
  if final == '1' or tonumber(get(name, 'attempts')) >= limit then
    withdraw(name)
    enter(name, 'parked', now)
  else
    otherwise()
  end
end

local settle = {}

function settle.done(report)
  local name = report.name
  withdraw(name)
  enter(name, 'done', now)
  redis.call('HSET', item_key(name), 'result', report.result, 'seconds', report.seconds)
  redis.call('HDEL', item_key(name), 'error', 'log')
  -- A done item stays done; only its details are deleted
  redis.call('ZADD', prefix .. 'kept', report.token, name)
  while redis.call('ZCARD', prefix .. 'kept') > keep do
    redis.call('DEL', item_key(redis.call('ZPOPMIN', prefix .. 'kept')[1]))
  end
end

function settle.failed(report)
  local name = report.name
  redis.call('HSET', item_key(name), 'error', report.error, 'log', report.log,
    'seconds', report.seconds)
  park_or_else(name, report.final, function()
    withdraw(name)
    enter(name, 'failed', now + tonumber(report.delay))
    -- Waiting workers learn when to call again
    ring()
  end)
end

function settle.returned(report)
  redis.call('HINCRBY', item_key(report.name), 'attempts', -1)
  offer(report.name, 'returned')
end

local function apply(report)
  local state, token, settled = unpack(redis.call(
    'HMGET', item_key(report.name), 'state', 'token', 'settled'))
  if settled == report.token then
    return report.ending == 'done' and 'done' or state
  end
  if state ~= 'running' or token ~= report.token then return 'refused' end
  record(report.name, report.ending, cap, report.error)
  redis.call('HSET', item_key(report.name), 'settled', report.token)
  settle[report.ending](report)
  return get(report.name, 'state') or 'done'
end

local claims = {}

local function grant(name)
  -- Never given twice, even by a server that restarted with old data
  local last = tonumber(redis.call('GET', prefix .. 'fence') or '0')
  local token = whole(math.max(last + 1, clock[1] * 1000000 + clock[2]))
  redis.call('SET', prefix .. 'fence', token)
  enter(name, 'running', now + lease)
  redis.call('HSET', item_key(name), 'worker', worker, 'token', token, 'begun', whole(now))
  local attempt = redis.call('HINCRBY', item_key(name), 'attempts', 1)
  claims[#claims + 1] = {name, token, whole(attempt)}
end

local function offer_due()
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'state:failed', '-inf', whole(now),
    'LIMIT', 0, 100)
  for _, name in ipairs(due) do offer(name) end
end

-- Ms until leases count: after a start of the server, their holders first get time to call
local function restart_grace()
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return uptime and math.max(0, lease - tonumber(uptime) * 1000) or 0
end

local function take_over(left)
  local late = redis.call('ZRANGEBYSCORE', prefix .. 'state:running', '-inf', whole(now),
    'LIMIT', 0, left)
  if #late == 0 or restart_grace() > 0 then return end
  for _, name in ipairs(late) do
    local why = 'worker ' .. get(name, 'worker') .. ' was lost: killed, paused or cut off'
    record(name, 'lost', cap, why)
    redis.call('HSET', item_key(name), 'error', why, 'log', '')
    park_or_else(name, '0', function()
      local lane, entry = unpack(redis.call('HMGET', item_key(name), 'lane', 'entry'))
      redis.call('XCLAIM', prefix .. 'ready:' .. lane, GROUP, worker, 0, entry, 'JUSTID')
      grant(name)
    end)
  end
end

local function read_lane(lane, left)
  local stream = prefix .. 'ready:' .. lane
  if left == 0 or redis.call('EXISTS', stream) == 0 then return end
  local streams = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', left,
    'STREAMS', stream, '>')
  for _, entry in ipairs(streams and streams[1][2] or {}) do grant(entry[2][2]) end
end

-- Workers that disappeared; they hold nothing: their leases ran out long ago
local function forget_workers()
  local lost_workers = redis.call('ZRANGEBYSCORE', prefix .. 'workers', '-inf', whole(now - FORGET_MS),
    'LIMIT', 0, 10)
  for _, name in ipairs(lost_workers) do
    for _, lane in ipairs(LANES) do
      if redis.call('EXISTS', prefix .. 'ready:' .. lane) == 1 then
        redis.call('XGROUP', 'DELCONSUMER', prefix .. 'ready:' .. lane, GROUP, name)
      end
    end
    redis.call('ZREM', prefix .. 'workers', name)
    redis.call('DEL', prefix .. 'worker:' .. name)
  end
end

local function give_claims()
  if redis.call('HGET', ME, 'request') == request then
    for _, claim in ipairs(cjson.decode(redis.call('HGET', ME, 'claims'))) do
      local state, token = unpack(redis.call('HMGET', item_key(claim[1]), 'state', 'token'))
      if state == 'running' and token == claim[2] then claims[#claims + 1] = claim end
    end
    return
  end
  offer_due()
  take_over(want)
  for _, lane in ipairs(LANES) do read_lane(lane, want - #claims) end
  if #claims == 0 then forget_workers() end
  redis.call('HSET', ME, 'request', request, 'claims', cjson.encode(claims))
end

local function until_next()
  local waits = {}
  for _, state in ipairs({'failed', 'running'}) do
    local score = redis.call('ZRANGE', prefix .. 'state:' .. state, 0, 0, 'WITHSCORES')[2]
    if score then waits[#waits + 1] = math.max(tonumber(score) - now, 0) end
  end
  if #waits == 0 then return '-1' end
  return whole(math.max(math.min(unpack(waits)), 1))
end

local verdicts = {}
for position, report in ipairs(cjson.decode(ARGV[8])) do verdicts[position] = apply(report) end
redis.call('ZADD', prefix .. 'workers', whole(now), worker)
local draining = redis.call('EXISTS', prefix .. 'draining')
if want > 0 and draining == 0 then give_claims() end
local bell = redis.call('XREVRANGE', prefix .. 'bell', '+', '-', 'COUNT', 1)[1]
return {verdicts, claims, until_next(), bell and bell[1] or '0-0', draining,
  redis.call('ZCARD', prefix .. 'state:failed')}
