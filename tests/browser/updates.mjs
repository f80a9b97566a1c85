// A recorder whose board gets an update agent, and its first owner → he sends a bundle, stops, cancels, starts the new system,
// which is rolled back; what Health says of the cameras' network. Screenshots. For what the phone cannot do itself (boot a board)
// a file is left as a sign.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, camera, claim, logIn, open, tell, until } from "./page.mjs";

const { NIGHTJAR_BASE: base, NIGHTJAR_USER: user, NIGHTJAR_PASSWORD: password, NIGHTJAR_SCREENSHOTS: shots } = process.env;
const { NIGHTJAR_BUNDLE: bundle, NIGHTJAR_SIGNS: signs } = process.env;

const chromium = await open(process.env.NIGHTJAR_CHROMIUM, base);
const { page } = chromium;
const { photograph, shoot } = camera(page, shots);
page.setDefaultTimeout(20_000);
const id = (name) => page.getByTestId(name);
const sign = (name) => writeFileSync(join(signs, name), "");
const step = (name) => page.locator(`[data-testid="update"][data-step="${name}"]`);
const entry = (result) => page.locator(`[data-testid="update-entry"][data-result="${result}"]`);
/** Where the page begins, from the document's top. */
const top = () => page.locator("main").evaluate((main) => main.getBoundingClientRect().top + scrollY);
const STATUS = "/api/v1/update/status";

async function send(file) {
  await id("update-file").setInputFiles(file);
  await id("update-send").click();
}

const steps = {
  async "log in"() {
    await logIn(page, base, user, password);
    await id("tab-health").click();
  },

  async "Health lists who tried to get out of the cameras' network"() {
    await until("both attempts are listed", 60, async () => (await id("attempt").count()) === 2);
    const words = await id("attempt").first().innerText();
    claim(words === "camera Front door (127.9.0.12) tried 8.8.8.8: blocked 41 times", words);
    await id("isolation").scrollIntoViewIfNeeded();
    await shoot("isolation");
  },

  async "a machine without an agent says so"() {
    await id("update-open").click();
    await id("update-none").waitFor();
    claim((await page.getByRole("alert").count()) === 0, "which is no fault");
    claim((await id("tab-health").getAttribute("aria-current")) === "page", "the way back is marked");
    await shoot("update-none");
    sign("no-agent");
  },

  async "an agent that comes is shown, and a wrong address in its words"() {
    await until("what runs is shown", 30, async () => (await id("update-system").innerText().catch(() => "")).includes("1.0"));
    await id("update-url").fill("ftp://10.0.0.1/nightjar.raucb");
    await id("update-fetch").click();
    await page.getByRole("alert").waitFor();
    claim((await page.getByRole("alert").innerText()).includes("https:// or http://"), "as the agent says it");
    await shoot("update");
    await id("update-url").fill("http://127.0.0.1:9/nightjar.raucb");
    await id("update-fetch").click();
    await entry("refused").waitFor();
  },

  async "a bundle is sent, with how far it is, and stopped"() {
    const devtools = await page.context().newCDPSession(page);
    const slow = (uploadThroughput) =>
      devtools.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
    await slow(400_000);
    await send({ name: "nightjar.raucb", mimeType: "application/octet-stream", buffer: Buffer.alloc(8 << 20) });
    await until("a part of it has left", 20, async () => {
      const percent = await id("update-progress").evaluate((bar) => bar.value).catch(() => 0);
      return percent > 5 && percent < 90;
    });
    await shoot("update-sends");
    await id("update-stop").click();
    await id("update-send").waitFor();
    claim((await page.getByRole("alert").count()) === 0, "who stops it needs no trouble");
    await slow(-1);
  },

  async "what is installed waits to be started, and can be cancelled"() {
    // an upload that was stopped is known as such at the agent's next read
    await until("the agent takes another one", 20, async () => {
      if (await id("update-send").isVisible().catch(() => false)) await send(bundle).catch(() => undefined);
      return step("installed").isVisible();
    });
    await shoot("update-installed");
    await id("update-cancel").click();
    await entry("cancelled").waitFor();
  },

  async "how far a copy is is shown"() {
    // RAUC is done with this bundle at once: only here an answer is changed on its way.
    await page.route(`**${STATUS}`, async (route) => {
      const answer = await route.fetch();
      const status = await answer.json();
      const copies = { step: "installing", target: "2.0", origin: "page", can_cancel: true, progress: { percent: 42, words: "Copying image to rootfs.1" } };
      for (const key of Object.keys(copies)) claim(key in status, `the agent says ${key}`);
      await route.fulfill({ response: answer, json: { ...status, ...copies } });
    });
    await step("installing").waitFor();
    claim((await id("update-progress").evaluate((bar) => bar.value)) === 42, "per cent");
    claim((await step("installing").innerText()).includes("42 % · Copying image to rootfs.1"), "and words");
    await shoot("update-copies");
    await page.unroute(`**${STATUS}`);
    await step("installing").waitFor({ state: "hidden" });
  },

  async "the restart asks first"() {
    await send(bundle);
    await step("installed").waitFor();
    await id("update-restart").click();
    await shoot("update-restart-asks");
    await id("restart-cancel").click();
    claim((await ask(page, STATUS)).step === "installed", "cancel starts nothing");
    await id("update-restart").click();
    await id("restart-confirm").click();
    await id("restart-confirm").waitFor({ state: "hidden" });
    sign("restarts");
  },

  async "while the board starts anew the page says so and goes on by itself"() {
    await id("update-away").waitFor({ timeout: 60_000 });
    claim((await id("update-restart").count()) === 0, "and nothing can be asked of who is away");
    await id("offline-notice").waitFor();
    const whileAway = await top();
    await shoot("update-away");
    sign("away");
    await step("trial").waitFor({ timeout: 90_000 });
    await id("update-away").waitFor({ state: "hidden" });
    await id("offline-notice").waitFor({ state: "hidden" });
    claim((await top()) === whileAway, "the notice moves nothing that a thumb may be over");
    await until("it says what is lacking", 60, async () =>
      (await id("update-lacks").innerText().catch(() => "")).includes('camera "yard" does not record again'));
    claim((await id("update-system").innerText()).includes("2.0"), "the new system runs");
    await shoot("update-trial");
    sign("trial");
  },

  async "what was rolled back is in the history with its reason and cost"() {
    await entry("rolled-back").waitFor({ timeout: 120_000 });
    const words = await entry("rolled-back").innerText();
    console.log(`  ${words.replaceAll("\n", " | ")}`);
    claim(words.includes("1.0 → 2.0") && words.includes('camera "yard" does not record again'), words);
    claim(words.includes("slot B") && words.includes("not recorded"), words);
    const results = await page.locator('[data-testid="update-entry"]').evaluateAll((rows) => rows.map((row) => row.dataset.result));
    claim(JSON.stringify(results) === '["rolled-back","cancelled","refused"]', `the newest first: ${results}`);
    await shoot("update-rolled-back");
    await entry("refused").scrollIntoViewIfNeeded();
    await shoot("update-history");
    const audit = await ask(page, "/api/v1/audit?limit=100");
    for (const words of ["sends an update", "cancels the update", "starts the new system"]) {
      claim(audit.some((line) => line.who.includes(user) && line.what.includes(words)), `audited: ${words}`);
    }
  },
};

/** While the board is away nobody answers, and what the agent refuses the page tells in words. */
const isExpected = (fault) => /net::ERR_/.test(fault) || /status of (400|409|50[0-9]) .*\/api\/v1\/update\//.test(fault);

await tell(chromium, steps, { photograph, failed: "updates-failed", isExpected });
