-- Creates and deletes instances by names that no other run uses, in turn. Arguments: the path of the collection, the
-- names' beginning. Only what was answered as created is deleted: requests of several connections may overtake another.
local headers = { ["Content-Type"] = "application/json" }
local collection, beginning, tried
local answered, first, last = {}, 1, 0
local threads = {}
created = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  collection, beginning = arguments[1], arguments[2]
end

function request()
  if not tried then
    -- wrk asks once before it starts, to see what it gets, and does not send it.
    tried = true
    return wrk.format("GET", collection)
  end
  if first <= last then
    local path = answered[first]
    answered[first] = nil
    first = first + 1
    return wrk.format("DELETE", path)
  end
  created = created + 1
  local body = '{"name": "' .. beginning .. created .. '", "isDefault": false, "maxCalls": 5}'
  return wrk.format("POST", collection, headers, body)
end

function response(status, _, body)
  if status == 201 then
    last = last + 1
    answered[last] = collection .. body:match('"name": ?"([^"]+)"') .. "/"
  end
end

function done()
  print("Created: " .. threads[1]:get("created"))
end
