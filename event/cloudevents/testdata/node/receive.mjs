// Receives events with the CloudEvents SDK of Node. Prints its port, then each
// event that the SDK finds valid as a line of JSON. It answers 500 the first
// time that it sees an event whose ID begins with "again".
import http from "node:http";
import { HTTP } from "cloudevents";

const seen = new Set();
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    try {
      const event = HTTP.toEvent({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      event.validate();
      if (event.id.startsWith("again") && !seen.has(event.id)) {
        seen.add(event.id);
        response.writeHead(500).end("not now");
        return;
      }
      console.log(JSON.stringify({ path: request.url, event: event.toJSON() }));
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume(); // ends with who started it
