-- A call of an instance in one sandbox after the other. Arguments: the path of the instance, the number of sandboxes, and
-- PUT if the call is to change the instance. Otherwise it is a GET.
local requests, turn = {}, 0

function init(arguments)
  local method, body, headers = "GET", nil, {}
  if arguments[3] == "PUT" then
    method, body = "PUT", '{"maxCalls": 5, "maxIncomingCalls": null}'
    headers["Content-Type"] = "application/json"
  end
  for number = 1, tonumber(arguments[2]) do
    requests[number] = wrk.format(method, "/_sandboxes/bench-" .. number .. arguments[1], headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
