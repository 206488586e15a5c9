-- What listeners are told: one message per listener and script, with the ids that changed. Needs keys.
local news = {}

local function tell(id, listeners)
  for listener in string.gmatch(listeners, '%S+') do
    local ids = news[listener] or {}
    ids[#ids + 1] = id
    news[listener] = ids
  end
end

local function write_news()
  for listener, ids in pairs(news) do call('PUBLISH', news_channel(listener), table.concat(ids, ' ')) end
end
