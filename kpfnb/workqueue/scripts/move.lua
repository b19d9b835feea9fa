-- A person moves items. ARGV: requeue, park or cancel; length of events; why; names.
-- Answer: for each its state before (empty: unknown) and after.
local FROM = {
  requeue = {failed = true, parked = true, cancelled = true, done = true},
  park = {waiting = true, failed = true, running = true},
  cancel = {waiting = true, failed = true, running = true, parked = true},
}
local TO = {park = 'parked', cancel = 'cancelled'}
local action, cap, why = ARGV[1], ARGV[2], ARGV[3]
local answer = {}
for position = 4, #ARGV do
  local name = ARGV[position]
  local before = state_of(name)
  if before and FROM[action][before] then
    if before == 'running' then record(name, TO[action], cap, why) end
    if action == 'requeue' then
      renew(name, 'normal')
    else
      withdraw(name)
      enter(name, TO[action], now)
      if why ~= '' then redis.call('HSET', item_key(name), 'error', why) end
    end
  end
  answer[#answer + 1] = {before or '', state_of(name) or ''}
end
return answer
