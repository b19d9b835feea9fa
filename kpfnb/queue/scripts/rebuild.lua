-- Make the queue agree with the disk. ARGV: priority, 1 for a dry run, then pairs of name and 1
-- (done) or 0 (not). Answer: for each its state before (empty: unknown) and after. Running
-- items are left to their workers.
local priority, dry = ARGV[1], ARGV[2] == '1'
local answer = {}

local function should_be(before, done)
  if before == 'running' then return before end
  if done then return 'done' end
  if not before or before == 'done' then return 'waiting' end
  return before
end

for position = 3, #ARGV, 2 do
  local name = ARGV[position]
  local before = state_of(name)
  local after = should_be(before, ARGV[position + 1] == '1')
  if before ~= after and not dry then
    reset_item(name, priority)
    if after == 'done' then
      withdraw(name)
      enter(name, 'done', now)
      -- It has no details
      redis.call('DEL', item_key(name))
    end
  end
  answer[#answer + 1] = {before or '', after}
end
return answer
