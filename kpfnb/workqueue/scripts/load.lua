-- Put items onto the queue, each once. ARGV: priority, names.
-- Answer: for each its state before, empty for a new one.
local answer = {}
for position = 2, #ARGV do
  local name = ARGV[position]
  local state = state_of(name)
  answer[#answer + 1] = state or ''
  if not state then renew(name, ARGV[1]) end
end
return answer
