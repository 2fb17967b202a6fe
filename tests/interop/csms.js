// A CSMS on npm `ocpp-rpc` with strict validation. Lines of JSON: what it sees goes to standard output,
// calls to the station come from standard input.
//   node csms.js ocpp1.6        ->  {"port": 12345}
//   {"id": 1, "action": "Reset", "payload": {...}}   ->  {"id": 1, "answer": {...}} or {"id": 1, "error": "..."}
const { RPCServer } = require("ocpp-rpc");
const readline = require("readline");

const protocol = process.argv[2];
const now = "2026-01-01T00:00:00Z";
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const accepted = protocol === "ocpp1.6" ? { idTagInfo: { status: "Accepted" } } : { idTokenInfo: { status: "Accepted" } };
const answers = {
  BootNotification: { status: "Accepted", currentTime: now, interval: 300 },
  Heartbeat: { currentTime: now },
  Authorize: accepted,
  SignCertificate: { status: "Accepted" },
  StartTransaction: { transactionId: 4711, ...accepted },
};
let station = null;

const server = new RPCServer({ protocols: [protocol], strictMode: true });
server.auth((accept) => accept({}, protocol));
server.on("client", (client) => {
  station = client;
  client.on("strictValidationFailure", (event) => say({ invalid: `${event.error && event.error.message} ${JSON.stringify(event)}` }));
  client.on("badMessage", (event) => say({ invalid: `bad message ${event.error && event.error.message}` }));
  client.handle(({ method, params }) => {
    say({ action: method, payload: params });
    return answers[method] || {};
  });
});
server.listen(0, "127.0.0.1").then((http) => say({ port: http.address().port }));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, action, payload } = JSON.parse(line);
  station.call(action, payload).then(
    (answer) => say({ id, answer }),
    (error) => say({ id, error: `${error.rpcErrorCode || ""} ${error.message}` }),
  );
}).on("close", () => process.exit(0));
