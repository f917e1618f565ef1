// Receives webhooks with Node's own http: verify, keep once, answer at once, work afterwards.
//   WEBHOOK_SECRETS="whsec_..." WEBHOOK_INBOX=./inbox node receiver.mjs serve 9000
//   node receiver.mjs vectors signature-vectors.json
// With Express: app.post("/webhooks", express.raw({type: "*/*", limit: "1mb"}), handler), and
// request.body is then the raw Buffer; express.json() must not run before it.
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyBy } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const TOLERANCE_SECONDS = 300;
const SIGNATURES_CHARACTERS_MAX = 4096;
const BODY_BYTES_MAX = 1024 * 1024;
const RETRY_MS = 5000;

class VerificationError extends Error {}

/**
 * The webhook-id of a genuine request; `headers` have lower-case names, as Node makes them.
 * `secrets` are `whsec_...` for v1, and `whpk_...` for v1a.
 */
function verify(body, headers, secrets, nowSeconds) {
  const id = one(headers, "webhook-id", /^[A-Za-z0-9_-]{1,128}$/);
  const sentAt = one(headers, "webhook-timestamp", /^[0-9]{1,12}$/);
  const signatures = one(headers, "webhook-signature", /^[\x20-\x7e]+$/);
  if (signatures.length > SIGNATURES_CHARACTERS_MAX) throw new VerificationError("too long");
  if (Math.abs(nowSeconds - Number(sentAt)) > TOLERANCE_SECONDS) {
    throw new VerificationError("webhook-timestamp is too old or too new");
  }
  const signed = Buffer.concat([Buffer.from(`${id}.${sentAt}.`), body]);
  let isGenuine = false;
  for (const isRight of secrets.map((secret) => checkOf(secret, signed))) {
    for (const signature of signatures.split(" ")) {
      if (isRight(signature)) isGenuine = true;
    }
  }
  if (!isGenuine) throw new VerificationError("no signature is right");
  return id;
}

/** What says of a signature whether this key made it; a key never serves another scheme. */
function checkOf(secret, signed) {
  const [, prefix, text] = /^(whsec_|whpk_)([A-Za-z0-9+/]+=*)$/.exec(secret) ?? [];
  if (!prefix) throw new Error("a secret is whsec_ or whpk_ with base64 after it");
  const key = Buffer.from(text, "base64");
  if (key.length === 0) throw new Error("what follows whsec_ or whpk_ is no key");
  if (prefix === "whsec_") {
    const expected = Buffer.from("v1," + createHmac("sha256", key).update(signed).digest("base64"));
    return (signature) => {
      const given = Buffer.from(signature);
      return given.length === expected.length && timingSafeEqual(given, expected);
    };
  }
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
  const publicKey = createPublicKey({ key: jwk, format: "jwk" });
  return (signature) => {
    const given = Buffer.from(signature.slice("v1a,".length), "base64");
    const isWhole = signature === "v1a," + given.toString("base64");
    return isWhole && verifyBy(null, signed, publicKey, given);
  };
}

function one(headers, name, form) {
  const value = headers[name];
  if (typeof value !== "string" || !form.test(value)) {
    throw new VerificationError(`${name} is missing or malformed`);
  }
  return value;
}

/** Keeps each webhook once, durably. In a shop: a table with webhook_id as its primary key. */
class Inbox {
  constructor(directory) {
    this.directory = directory;
    fs.mkdirSync(directory, { recursive: true });
    const names = new Set(fs.readdirSync(directory));
    const left = [...names].filter((name) => name.endsWith(".json"));
    for (const name of left.map((name) => name.slice(0, -".json".length))) {
      if (!names.has(`${name}.done`)) setImmediate(() => this.work(name));
    }
  }

  file(name) {
    return path.join(this.directory, name);
  }

  keep(id, body) {
    // Nothing of this waits, so no other request of this process comes between.
    const draft = this.file(`${process.pid}.tmp`);
    try {
      fs.writeFileSync(draft, body, { flush: true });
      // Linking is the decision: of two processes at the same moment one succeeds.
      fs.linkSync(draft, this.file(`${id}.json`));
    } catch (error) {
      if (error.code === "EEXIST") return; // a repeat
      throw error;
    } finally {
      fs.rmSync(draft, { force: true });
    }
    const place = fs.openSync(this.directory);
    fs.fsyncSync(place);
    fs.closeSync(place);
    setImmediate(() => this.work(id));
  }

  async work(id) {
    try {
      // Here an order is released or stopped; docs/receive.md says by which rule.
      const event = JSON.parse(await fs.promises.readFile(this.file(`${id}.json`), "utf8"));
      console.log("work", id, event.type);
      await fs.promises.writeFile(this.file(`${id}.done`), "");
    } catch (error) {
      console.error(id, error);
      setTimeout(() => this.work(id), RETRY_MS);
    }
  }
}

function serve(port, inbox, secrets) {
  const server = http.createServer(async (request, response) => {
    const answer = (status) => response.writeHead(status).end();
    if (request.method !== "POST" || request.url !== "/webhooks") return answer(404);
    try {
      const chunks = [];
      let bytes = 0;
      for await (const chunk of request) {
        bytes += chunk.length;
        if (bytes > BODY_BYTES_MAX) return answer(413);
        chunks.push(chunk);
      }
      const body = Buffer.concat(chunks); // the raw bytes
      inbox.keep(verify(body, request.headers, secrets, Date.now() / 1000), body);
      answer(204); // the same for a repeat
    } catch (error) {
      if (!(error instanceof VerificationError)) console.error(error);
      answer(error instanceof VerificationError ? 401 : 500);
    }
  });
  server.listen(port, "127.0.0.1");
}

function tellVectors(file) {
  const { vectors, vectors_v1a } = JSON.parse(fs.readFileSync(file, "utf8"));
  for (const vector of [...vectors, ...vectors_v1a]) {
    const named = Object.entries(vector.headers).map(([name, value]) => [name.toLowerCase(), value]);
    try {
      const body = Buffer.from(vector.body, "utf8");
      verify(body, Object.fromEntries(named), vector.secrets, vector.now);
      console.log("valid", vector.name);
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      console.log("invalid", vector.name);
    }
  }
}

const [mode, argument] = process.argv.slice(2);
if (mode === "vectors") {
  tellVectors(argument);
} else {
  const secrets = process.env.WEBHOOK_SECRETS.split(" ");
  serve(Number(argument), new Inbox(process.env.WEBHOOK_INBOX), secrets);
}
