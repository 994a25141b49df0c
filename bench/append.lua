-- Appends one message of about 500 characters, to each of several sessions in turn.
-- Arguments: the path of a session up to its number, and how many sessions there are (0: no number).
local prefix, sessions, sent = nil, 0, 0
local body = '{"content":"' .. string.rep("a word or two, ", 33) .. '","message_type":"user"}'

function init(arguments)
  prefix, sessions = arguments[1], tonumber(arguments[2])
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-User-Id"] = "bench"
end

function request()
  sent = sent + 1
  local path = prefix
  if sessions > 0 then
    path = prefix .. (sent % sessions) .. "/messages"
  end
  return wrk.format("POST", path, nil, body)
end
