"""The echo as a bare ASGI application: what uvicorn costs with nothing on top."""

import orjson

HEADERS = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": orjson.dumps({"y": orjson.loads(body)["x"]})})
