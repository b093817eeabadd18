// Runs every audit of graphql-http against the gateway at the given URL. Fails unless each is "ok": a warning or a notice
// is a failure too.
import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
if (!url) {
  console.error("usage: node audit.mjs http://ADDR/graphql");
  process.exit(2);
}

let ok = 0;
const audits = serverAudits({ url, fetchFn: fetch });
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status === "ok") {
    ok += 1;
  } else {
    console.log(`${result.status.padEnd(6)} ${audit.id} ${audit.name}: ${result.reason}`);
  }
}
console.log(`${ok} of ${audits.length} ok`);
process.exit(ok === audits.length && audits.length === 61 ? 0 : 1);
