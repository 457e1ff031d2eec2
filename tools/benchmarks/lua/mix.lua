-- Nine reads, then one write, each of one of a hundred instances. Argument: the path of their collection.
local READS, INSTANCES = 9, 100
local BODY = '{"maxCalls": 5, "maxIncomingCalls": null}'
local reads, writes, turn = {}, {}, 0

function init(arguments)
  math.randomseed(1)
  local headers = { ["Content-Type"] = "application/json" }
  for number = 1, INSTANCES do
    local path = arguments[1] .. "instance-" .. number .. "/"
    reads[number] = wrk.format("GET", path)
    writes[number] = wrk.format("PUT", path, headers, BODY)
  end
end

function request()
  turn = turn + 1
  local requests = turn % (READS + 1) == 0 and writes or reads
  return requests[math.random(INSTANCES)]
end
