"""An editor that speaks the Language Server Protocol, written by others: the client of pygls, with the types of lsprotocol.

    editor.py COMMAND [ARGUMENT...]

starts a language server. Each line that comes in is JSON; for each, one line of JSON is printed:

    {"request": METHOD, "params": {...}}    {"result": ...} or {"error": {"code": ..., "message": ...}}
    {"notify": METHOD, "params": {...}}     {}
    {"findings": URI, "version": N}         the diagnostics of that version of the document; of any, without a version
    {"end": true}                           {"status": exit status, "faults": [what the client could not read]}
"""

import asyncio
import json
import sys

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

ANSWER_WITHIN_S = 20


class Editor(LanguageClient):
    def __init__(self):
        super().__init__("editor-of-the-tests", "1")
        self.published = {}
        self.faults = []
        self.news = asyncio.Condition()
        self.registered = []

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params):
            async with self.news:
                self.published[params.uri] = params
                self.news.notify_all()

        @self.feature(types.CLIENT_REGISTER_CAPABILITY)
        def registered(params):
            self.registered += [one.method for one in params.registrations]

    def report_server_error(self, error, source):
        self.faults.append(f"{source.__name__}: {error}")

    def plain(self, value):
        return self.protocol._converter.unstructure(value)

    def typed(self, method, params):
        wanted = types.METHOD_TO_TYPES[method][2]
        return None if wanted is None else self.protocol._converter.structure(params or {}, wanted)

    async def request(self, method, params):
        try:
            return {"result": self.plain(await self.protocol.send_request_async(method, self.typed(method, params)))}
        except JsonRpcException as error:
            return {"error": {"code": error.code, "message": error.message}}

    async def findings(self, uri, version):
        def there():
            last = self.published.get(uri)
            return last is not None and (version is None or last.version == version)

        async with self.news:
            await self.news.wait_for(there)
            return self.plain(self.published[uri].diagnostics)


async def main():
    editor = Editor()
    await editor.start_io(*sys.argv[1:])
    lines = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        order = json.loads(line)
        if "request" in order:
            answer = await asyncio.wait_for(editor.request(order["request"], order.get("params")), ANSWER_WITHIN_S)
        elif "notify" in order:
            editor.protocol.notify(order["notify"], editor.typed(order["notify"], order.get("params")))
            answer = {}
        elif "findings" in order:
            answer = await asyncio.wait_for(editor.findings(order["findings"], order.get("version")), ANSWER_WITHIN_S)
        else:
            status = await asyncio.wait_for(editor._server.wait(), ANSWER_WITHIN_S)
            answer = {"status": status, "faults": editor.faults, "registered": editor.registered}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
