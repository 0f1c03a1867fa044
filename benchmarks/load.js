// Puts load on one address and tells how it answered: counts, and percentiles of the accepted ones' times in milliseconds.
//   node load.js URL REQUESTS.json RATE CALLERS SECONDS
// RATE is requests a second, sent at even distances whatever becomes of the earlier ones; 0 lets CALLERS ask as fast as
// they get answers. REQUESTS is a list of {headers, body}, sent in turn. The first two seconds are not counted: hundreds
// of connections are made in them.
const fs = require("fs");
const autocannon = require("autocannon");

const [url, file, ...numbers] = process.argv.slice(2);
const [rate, callers, seconds] = numbers.map(Number);
const requests = JSON.parse(fs.readFileSync(file));
const UNCOUNTED_S = 2;
const begin = performance.now() + 1000 * UNCOUNTED_S;
const times = [];
let failed = 0;
const refusals = [];

function percentile(sorted, share) {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

// autocannon alone sends a second's requests in one burst at its beginning. So each connection is a run of its own that
// sends one request a second, and they start one after the other. Each has other comments than those beside it.
const connections = rate || callers;
const none = { __custom: true, recordValue() {}, recordValueWithExpectedInterval() {}, destroy() {} };
const uncounted = { histograms: { latencies: none, requests: none, throughput: none }, skipAggregateResult: true };

function start(i) {
  return new Promise((resolve) => setTimeout(resolve, (1000 * i) / connections)).then(() => {
    const own = requests.filter((_, j) => j % connections === i % requests.length);
    const run = autocannon({
      url,
      method: "POST",
      requests: own,
      connections: 1,
      duration: UNCOUNTED_S + seconds,
      ...uncounted, // hundreds of histograms would cost more than the requests
      ...(rate ? { connectionRate: 1 } : {}),
    });
    run.on("response", (client, status, bytes, milliseconds) => {
      const sent = performance.now() - milliseconds;
      if (sent < begin || sent > begin + 1000 * seconds) return;
      if (status === 200 || status === 204) times.push(milliseconds);
      else if (status === 429) refusals.push(milliseconds);
      else failed += 1;
    });
    return run;
  });
}

Promise.all(Array.from({ length: connections }, (_, i) => start(i))).then((results) => {
  for (const result of results) failed += result.errors;
  times.sort((a, b) => a - b);
  refusals.sort((a, b) => a - b);
  const accepted = { accepted: times.length, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  const refused = { refused: refusals.length, refused_p99: percentile(refusals, 0.99) };
  console.log(JSON.stringify({ ...accepted, ...refused, failed, seconds }));
});
