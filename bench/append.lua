-- Appends one message, to each of several sessions in turn.
-- Arguments: the path of a session up to its number, how many sessions there are (0: no number), a
-- file of texts, one a line, which nothing in JSON escapes, and, for ids of the client, how they
-- begin.
local prefix, sessions, ids, sent = nil, 0, nil, 0
local texts = {}

function init(arguments)
  prefix, sessions, ids = arguments[1], tonumber(arguments[2]), arguments[4]
  for line in io.lines(arguments[3]) do
    texts[#texts + 1] = '"content":"' .. line .. '","message_type":"user"}'
  end
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-User-Id"] = "bench"
end

function request()
  sent = sent + 1
  local path = prefix
  if sessions > 0 then
    path = prefix .. (sent % sessions) .. "/messages"
  end
  local body = "{" .. texts[sent % #texts + 1]
  if ids then
    body = '{"id":"' .. ids .. "-" .. sent .. '",' .. texts[sent % #texts + 1]
  end
  return wrk.format("POST", path, nil, body)
end
