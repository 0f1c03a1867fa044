// npm's perspective-api-client, whose address is hard-coded: `redirect.js` and a private authority redirect it.
//   node --require ./redirect.js perspective.js KEY      prints the answers as JSON
const Perspective = require("perspective-api-client");

async function main(apiKey) {
  const client = new Perspective({ apiKey });
  const answer = await client.analyze("What a <b>good</b> plan.", { attributes: ["toxicity", "insult"] });
  const error = await client.analyze("a", { attributes: ["nope"] }).catch((failed) => ({
    name: failed.name,
    message: failed.message,
    status: failed.response && failed.response.status,
  }));
  console.log(JSON.stringify({ answer, error }));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
