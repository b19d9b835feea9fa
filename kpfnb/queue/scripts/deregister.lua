-- A worker leaves. ARGV: worker. Items that it still holds wait for the end of their leases.
local worker = ARGV[1]
for _, lane in ipairs(LANES) do
  local stream = prefix .. 'ready:' .. lane
  if redis.call('EXISTS', stream) == 1 then
    local held = redis.call('XPENDING', stream, GROUP, '-', '+', 1, worker)
    if #held > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, worker)
  end
end
redis.call('ZREM', prefix .. 'workers', worker)
redis.call('DEL', prefix .. 'worker:' .. worker)
return 1
