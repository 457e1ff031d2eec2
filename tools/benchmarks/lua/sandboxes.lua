-- GET of an instance in one sandbox after the other. Arguments: the path of the instance, the number of sandboxes.
local requests, turn = {}, 0

function init(arguments)
  for number = 1, tonumber(arguments[2]) do
    requests[number] = wrk.format("GET", "/_sandboxes/bench-" .. number .. arguments[1])
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
