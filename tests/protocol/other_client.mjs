// The `openai` package for JavaScript, from upload to chat: node other_client.mjs NODE_FOLDER BASE_URL KEY FILE
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, baseURL, apiKey, path] = process.argv.slice(2);
const require = createRequire(join(folder, "here.js"));
const { OpenAI, NotFoundError, BadRequestError } = require("openai");
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const refused = async (promise, kind) => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof kind) return { status: error.status, code: error.code, param: error.param };
    throw error;
  }
  throw new Error("was not refused");
};

const uploaded = await client.files.create({ file: createReadStream(path), purpose: "fine-tune" });
const file = await client.files.waitForProcessing(uploaded.id, { pollInterval: 20, maxWait: 20000 });
let job = await client.fineTuning.jobs.create({
  model: "tally",
  training_file: file.id,
  suffix: "js",
  seed: 3,
  metadata: { from: "javascript" },
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 2 } } },
});
const deadline = Date.now() + 20000;
while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
  if (Date.now() > deadline) throw new Error(`still ${job.status}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  job = await client.fineTuning.jobs.retrieve(job.id);
}

const steps = [];
for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 7 })) {
  if (event.type === "metrics") steps.push(event.data.step);
}
const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id);
const mine = [];
for await (const found of client.fineTuning.jobs.list({ metadata: { from: "javascript" } })) mine.push(found.id);
const reply = await client.chat.completions.create({
  model: job.fine_tuned_model,
  messages: [{ role: "user", content: "where is my money" }],
  logprobs: true,
  top_logprobs: 2,
  temperature: 0,
});

console.log(
  JSON.stringify({
    file,
    job,
    steps,
    mine,
    checkpoints: checkpoints.data.length,
    choice: reply.choices[0],
    usage: reply.usage,
    content: await (await client.files.content(file.id)).text(),
    unknown: await refused(client.models.retrieve("nope"), NotFoundError),
    wrong: await refused(client.fineTuning.jobs.create({ model: "tally", training_file: "file-none" }), BadRequestError),
  }),
);
