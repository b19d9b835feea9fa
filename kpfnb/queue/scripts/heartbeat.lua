-- A worker's heartbeat. ARGV: worker, lease (ms), name, token, note. Answer: 1 if it holds the
-- lease.
-- A lease that has run out is renewed, if no other worker has taken the item over.
local worker, lease, name, token = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
redis.call('ZADD', prefix .. 'workers', whole(now), worker)
local state, holder = unpack(redis.call('HMGET', item_key(name), 'state', 'token'))
if state ~= 'running' or holder ~= token then return 0 end
redis.call('ZADD', prefix .. 'state:running', whole(now + lease), name)
if ARGV[5] ~= '' then redis.call('HSET', item_key(name), 'note', ARGV[5]) end
return 1
