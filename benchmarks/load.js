// Puts load on one address and tells how it answered: counts, and percentiles of the accepted ones' times in milliseconds.
//   node load.js URL BODIES.json RATE CONNECTIONS SECONDS
// RATE 0 is as fast as the connections get answers; BODIES is a list of request bodies, sent in turn.
const fs = require("fs");
const autocannon = require("autocannon");

const [url, file, rate, connections, duration] = process.argv.slice(2);
const times = [];
const counts = { refused: 0, failed: 0 };

function percentile(sorted, share) {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

const run = autocannon(
  {
    url,
    method: "POST",
    headers: { "content-type": "application/json" },
    requests: JSON.parse(fs.readFileSync(file)).map((body) => ({ body: JSON.stringify(body) })),
    connections: Number(connections),
    duration: Number(duration),
    ...(Number(rate) ? { overallRate: Number(rate) } : {}),
  },
  (error, result) => {
    if (error) throw error;
    times.sort((a, b) => a - b);
    const of = { accepted: times.length, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
    counts.failed += result.errors;
    console.log(JSON.stringify({ ...of, ...counts, seconds: result.duration }));
  }
);
run.on("response", (client, status, bytes, milliseconds) => {
  if (status === 200 || status === 204) times.push(milliseconds);
  else counts[status === 429 ? "refused" : "failed"] += 1;
});
