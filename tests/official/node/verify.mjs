// Says of each line of standard input (JSON: secret, headers, body) what the official library says.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("valid");
  } catch {
    console.log("invalid");
  }
}
