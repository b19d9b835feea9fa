-- A person moves items. ARGV: requeue, park or cancel; 1 for a dry run; length of events; why;
-- names.
-- Answer: for each its state before (empty: unknown) and after.
local FROM = {
  requeue = {failed = true, parked = true, cancelled = true, done = true},
  park = {waiting = true, failed = true, running = true},
  cancel = {waiting = true, failed = true, running = true, parked = true},
}
local TO = {requeue = 'waiting', park = 'parked', cancel = 'cancelled'}
local action, dry, cap, why = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]
local answer = {}

local function move(name, before)
  if before == 'running' then record(name, TO[action], cap, why) end
  if action == 'requeue' then
    reset_item(name, 'normal')
  else
    withdraw(name)
    enter(name, TO[action], now)
    -- The earlier error says more
    redis.call('HSETNX', item_key(name), 'error', why)
  end
end

for position = 5, #ARGV do
  local name = ARGV[position]
  local before = state_of(name)
  local moves = before and FROM[action][before]
  if moves and not dry then move(name, before) end
  answer[#answer + 1] = {before or '', moves and TO[action] or before or ''}
end
return answer
