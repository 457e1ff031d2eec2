wrk.method = "PUT"
wrk.body = '{"maxCalls": 5, "maxIncomingCalls": null}'
wrk.headers["Content-Type"] = "application/json"
