-- Asks Sidegate about each request: an action for HAProxy 2.6 and later.
--
--   http-request lua.sidegate ADDRESS:PORT PREFIX IDENTITY-HEADER,IDENTITY-HEADER,…
--
-- A request that may pass gets the fields that say who is calling, and the variable `txn.sidegate` the text `allow`; without that
-- text haproxy.cfg refuses it, so that an error in here lets nobody pass. Any other answer of Sidegate's goes to the client.

local MAX_COOKIES = 5

-- Fields about the connection or the body, which a question and an answer have of their own.
local own = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true,
    ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}

-- The values of one field, which HAProxy counts from 0.
local function list(values)
    local found = {}
    local index = 0
    while values[index] ~= nil do
        found[#found + 1] = values[index]
        index = index + 1
    end
    return found
end

local function headers(txn)
    local sent = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not own[name] then
            sent[name] = list(values)
        end
    end
    sent["x-forwarded-method"] = { txn.f:method() }
    sent["x-forwarded-uri"] = { txn.f:pathq() }
    return sent
end

local function refuse(txn, status, fields, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(fields) do
        if not own[name] then
            for _, value in ipairs(list(values)) do
                reply:add_header(name, value)
            end
        end
    end
    if txn.f:method() ~= "HEAD" then
        reply:set_body(body)
    end
    txn:done(reply)
end

-- Takes one field from the answer, empty ones as none.
local function take(txn, fields, name)
    txn.http:req_del_header(name)
    local value = fields[name] and fields[name][0]
    if value ~= nil and value ~= "" then
        txn.http:req_set_header(name, value)
    end
end

local function allow(txn, fields, identity)
    for name in string.gmatch(identity, "[^,]+") do
        take(txn, fields, name)
    end
    -- What is left of the credentials, and the name under which Sidegate has logged the request.
    take(txn, fields, "cookie")
    take(txn, fields, "authorization")
    take(txn, fields, "x-request-id")
    for index, cookie in ipairs(list(fields["set-cookie"] or {})) do
        if index <= MAX_COOKIES then
            txn:set_var("txn.sidegate_cookie_" .. index, cookie)
        end
    end
    txn:set_var("txn.sidegate", "allow")
end

core.register_action("sidegate", { "http-req" }, function(txn, address, prefix, identity)
    local question = "http://" .. address .. prefix .. "/verify/haproxy"
    local answer = core.httpclient():get({ url = question, headers = headers(txn) })
    if answer == nil or answer.status == nil or answer.status < 200 or answer.headers == nil then
        refuse(txn, 503, {}, "")
    elseif answer.status == 200 then
        allow(txn, answer.headers, identity)
    elseif answer.status < 300 then
        refuse(txn, 503, {}, "")
    else
        refuse(txn, answer.status, answer.headers, answer.body or "")
    end
end, 3)
