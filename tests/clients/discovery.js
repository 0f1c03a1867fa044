// Google's own client library: builds its methods from Parley's discovery document and calls both.
//   node discovery.js DISCOVERY_URL KEY      prints the answers as JSON
const { Discovery } = require("googleapis-common");

async function main(url, key) {
  const api = await new Discovery({ debug: false }).discoverAPI(url);
  const service = api({ version: "v1alpha1", auth: key });
  const analyzed = await service.comments.analyze({
    requestBody: {
      comment: { text: "What a good plan. \u{1F600} Really!" },
      requestedAttributes: { TOXICITY: {}, OFF_TOPIC: {} },
      context: { entries: [{ text: "Council votes on the park" }] },
      spanAnnotations: true,
      clientToken: "node-1",
    },
  });
  const suggested = await service.comments.suggestscore({
    requestBody: {
      comment: { text: "What a good plan." },
      attributeScores: { TOXICITY: { summaryScore: { value: 0 } } },
      clientToken: "node-2",
    },
  });
  let error = null;
  try {
    await service.comments.analyze({ requestBody: { comment: { text: "a" }, requestedAttributes: { NOPE: {} } } });
  } catch (failed) {
    error = { status: failed.response.status, message: failed.message };
  }
  console.log(JSON.stringify({ analyzed: analyzed.data, suggested: suggested.data, error }));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
