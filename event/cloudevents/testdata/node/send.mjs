// Sends events with the CloudEvents SDK of Node: send.mjs URL. Prints a line of
// JSON for each answer.
import { CloudEvent, emitterFor, httpTransport, HTTP, Mode } from "cloudevents";

const url = process.argv[2];
const event = (id) =>
  new CloudEvent({
    id,
    source: "/node/till",
    type: "order.placed",
    subject: "customer-7",
    time: "2026-01-02T03:04:05.006Z",
    datacontenttype: "application/json",
    sequence: 12,
    data: { total: 12, name: "größe" },
  });

for (const [id, mode] of [["binary", Mode.BINARY], ["structured", Mode.STRUCTURED], ["structured", Mode.STRUCTURED]]) {
  const emit = emitterFor(httpTransport(url), { mode });
  const answer = await emit(event(id));
  console.log(JSON.stringify({ id, body: JSON.parse(answer.body) }));
}

// The transport tells no status: so once by hand, with the SDK's own message.
const message = HTTP.structured(event("by-hand"));
const answer = await fetch(url, { method: "POST", headers: message.headers, body: message.body });
console.log(JSON.stringify({ id: "by-hand", status: answer.status, body: await answer.json() }));

const batch = [event("batch-1"), event("batch-2")];
const answers = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/cloudevents-batch+json" },
  body: JSON.stringify(batch),
});
console.log(JSON.stringify({ id: "batch", status: answers.status, body: await answers.json() }));
