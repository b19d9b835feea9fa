-- Make the queue agree with the disk. ARGV: priority, then pairs of name and 1 (done) or 0 (not).
-- Answer: for each its state before (empty: unknown) and after. What runs is left to its worker.
local answer = {}
for position = 2, #ARGV, 2 do
  local name, done = ARGV[position], ARGV[position + 1] == '1'
  local before = state_of(name)
  if done and before ~= 'done' and before ~= 'running' then
    withdraw(name)
    redis.call('HSETNX', item_key(name), 'priority', ARGV[1])
    redis.call('HSETNX', item_key(name), 'loaded', whole(now))
    enter(name, 'done', now)
  elseif not done and (not before or before == 'done') then
    renew(name, ARGV[1])
  end
  answer[#answer + 1] = {before or '', state_of(name)}
end
return answer
