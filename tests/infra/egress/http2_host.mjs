// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 host over TLS, on loopback: `node http2_host.mjs CERTIFICATE`, which tells its port.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";

const pem = readFileSync(process.argv[2]);
const server = createSecureServer({ key: pem, cert: pem, allowHTTP1: false });
server.on("stream", (stream, headers) => {
  stream.respond({ ":status": 200 });
  stream.end(`${headers[":path"]} `.repeat(10_000));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
