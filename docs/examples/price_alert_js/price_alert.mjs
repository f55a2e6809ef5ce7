// Price alert over plain HTTP: node price_alert.mjs http://127.0.0.1:8441 TOKEN-FILE
import { readFileSync } from "node:fs";

const [url, file] = process.argv.slice(2);
const base = `${url}/api/v1/remote/price_alert_js`;
const headers = { Authorization: `Bearer ${readFileSync(file, "utf8").trim()}` };
let [last, own, offers, wanted, watches] = ["", null, new Map(), new Set(), {}];

const ask = async (path, body) => {
  const sent = body === undefined ? { headers } : { headers, method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(`${base}/${path}`, sent);
  const said = await answer.json();
  if (!answer.ok) console.error(`${said.code}: ${said.detail}`);
  return answer.ok ? said : null;
};

function fold({ id, line, kind, record }) {
  if (kind === "offer.submit") offers.set(id, { id, line, ...record });
  else if (kind === "offer.withdraw" && offers.get(record.offer)?.line === line) offers.delete(record.offer);
  else if (kind === "demand.submit" && line === own.line) wanted.add(record.ref);
}

function hits(now) {
  return [...offers.values()].flatMap((offer) => {
    const watch = watches[offer.item.code];
    const { amount } = offer.tiers.at(-1);
    const fits = watch && now < offer.valid_until_ms && watch.currency === offer.currency
      && amount * watch.base <= watch.amount * offer.base;
    return fits ? [{ watch, offer, price: { amount, base: offer.base, currency: offer.currency } }] : [];
  });
}

function due(now) {
  return hits(now).flatMap(({ watch, offer, price }) => {
    const ref = `alert-${offer.id.slice(0, 12)}`; // follows from what was read: twice is once
    const record = { is_firm: false, item: offer.item, max_price: price, min_quantity: 1, quantity: watch.quantity, ref, zone: "ALL" };
    return wanted.has(ref) ? [] : [{ kind: "demand.submit", record, refs: [offer.id] }];
  });
}

async function called({ what, name, body, now_ms }) {
  if (what === "view" && name === "alerts") {
    return { reply: hits(now_ms).map(({ offer, price }) => ({ item: offer.item.code, amount: price.amount, base: price.base })) };
  }
  if (what !== "command" || name !== "watch") return { refusal: { code: `service.no_${what}`, detail: `there is no ${name}` } };
  const watch = JSON.parse(Buffer.from(body, "base64"));
  if (![watch.amount, watch.base, watch.quantity].every(Number.isSafeInteger)) {
    return { refusal: { code: "alert.watch", detail: "expected item, currency, amount, base and quantity" } };
  }
  watches[watch.item] = watch;
  await ask("storage", { put: { [watch.item]: watch }, schema_version: 1 });
  return { reply: { watching: watch.item } };
}

async function take(event, data) {
  if (event === "record") fold(data);
  else if (event === "step") await ask("answers", { step: data.step, ...(data.what === "turn" ? { publications: due(data.now_ms) } : await called(data)) });
  else if (event === "reset" || (event === "welcome" && data.begins_anew)) [own, offers, wanted] = [data, new Map(), new Set()];
}

for (;; await new Promise((done) => setTimeout(done, 1000))) {
  try {
    watches = (await ask("storage"))?.values ?? {};
    const feed = await fetch(`${base}/feed`, { headers: { ...headers, "Last-Event-ID": last } });
    let held = "";
    for await (const text of feed.body.pipeThrough(new TextDecoderStream())) {
      const events = (held + text).split("\n\n");
      held = events.pop();
      for (const lines of events) {
        const fields = Object.fromEntries(lines.split("\n").map((line) => line.match(/^(\w*): ?(.*)$/).slice(1)));
        if (fields.event) await take(fields.event, JSON.parse(fields.data));
        last = fields.id ?? last;
      }
    }
  } catch (fault) { console.error(`asks again: ${fault.message}`); }
}
