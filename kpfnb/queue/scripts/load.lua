-- Put items on the queue, each once. ARGV: priority, 1 for a dry run, names.
-- Answer: for each its state before, empty for a new one.
local answer = {}
for position = 3, #ARGV do
  local name = ARGV[position]
  local state = state_of(name)
  answer[#answer + 1] = state or ''
  if not state and ARGV[2] ~= '1' then reset_item(name, ARGV[1]) end
end
return answer
