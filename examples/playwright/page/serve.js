import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const files = new Map([
  ["/", { name: "index.html", type: "text/html; charset=utf-8" }],
  ["/capacities.js", { name: "capacities.js", type: "text/javascript; charset=utf-8" }],
]);

const server = createServer(async (request, response) => {
  const file = files.get(new URL(request.url ?? "/", "http://page").pathname);
  if (!file) return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": file.type }).end(await readFile(new URL(file.name, import.meta.url)));
});
server.listen(0, () => {
  const address = server.address();
  if (address && typeof address === "object") console.log(`The page is at port ${address.port}`);
});
