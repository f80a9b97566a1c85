// A fresh recorder's address and setup code → the story of its first owner with a phone, step by step, with screenshots.

import { join } from "node:path";
import { DESKTOP, PHONE, ask, camera, claim, deliver, isDrawnOn, open, picture, tell, until } from "./page.mjs";

const { NIGHTJAR_BASE: base, NIGHTJAR_SETUP_CODE: code, NIGHTJAR_SCREENSHOTS: shots } = process.env;
const user = "owner";
const password = "a long pass phrase 1";

const chromium = await open(process.env.NIGHTJAR_CHROMIUM, base);
const { page, faults } = chromium;
const { photograph, shoot } = camera(page, shots);
page.setDefaultTimeout(20_000);
const id = (name) => page.getByTestId(name);
const output = async (name) => (await ask(page, "/api/v1/outputs")).find((one) => one.id === name);

/** How often the recorder has started, as its audit says. */
const starts = async () => (await ask(page, "/api/v1/audit?limit=200")).filter((entry) => entry.what.startsWith("started")).length;

/** Taps "put in force" or "back" of a draft, says yes, and waits until the recorder has started again. */
async function startsAgain(name, what) {
  const before = await starts();
  await id(`${name}-${what}`).click();
  await id(`${name}-confirm`).click();
  await until("the recorder has started again", 60, async () => (await starts().catch(() => 0)) > before);
  // While it did nobody answered.
  faults.splice(0, Infinity, ...faults.filter((fault) => !/net::ERR_(CONNECTION|EMPTY|INCOMPLETE|SOCKET)/.test(fault)));
}

const sightOf = (camera) => ask(page, `/api/v1/cameras/${camera}/sight`);
const audited = async (words) => (await ask(page, "/api/v1/audit?limit=50")).find((one) => one.what.includes(words))?.who;

async function fill(values) {
  for (const [name, value] of Object.entries(values)) await id(name).fill(value);
}

const steps = {
  async "the setup code makes the first owner"() {
    await page.goto(base);
    await id("setup-code").waitFor();
    await shoot("setup");
    await fill({ "setup-code": code, "setup-user": user, "setup-password": password, "setup-password2": password });
    await id("setup-submit").click();
    await id("tab-live").waitFor();
  },

  async "logout and login"() {
    if (!(await id("logout").isVisible())) await id("tab-health").click();
    await id("logout").click();
    await id("login-user").waitFor();
    await shoot("login");
    await fill({ "login-user": user, "login-password": password });
    await id("login-submit").click();
    await id("tab-live").waitFor();
  },

  async "live video moves and is not black"() {
    await id("tab-live").click();
    for (const camera of ["cam01", "cam02"]) {
      await id(`live-tile-${camera}`).waitFor();
      const video = id(`live-video-${camera}`);
      const first = await until(`${camera} shows a picture`, 30, async () => {
        const now = await picture(video);
        return now.width > 0 && now.time > 0 && now.mean > 16 && now.spread > 8 && now;
      });
      const second = await until(`${camera} moves on`, 20, async () => {
        const now = await picture(video);
        return now.time > first.time + 1 && now;
      });
      // a machine that is too slow for a moment gets stills, and video again
      await until(`${camera} plays video, not stills`, 90, async () => (await id(`live-rung-${camera}`).getAttribute("data-rung")) === "live");
      console.log(`  ${camera}: ${second.width}x${second.height}, light ${second.mean.toFixed(0)} ± ${second.spread.toFixed(0)}`);
    }
    await until("boxes are drawn over the camera that is looked at", 30, () => isDrawnOn(id("boxes-cam01")));
    await shoot("live");
  },

  async "a tap enlarges a camera"() {
    await id("live-tile-cam01").click();
    await until("the picture fills the width", 10, async () => {
      const box = await id("live-video-cam01").boundingBox();
      return box && box.width > PHONE.width * 0.9;
    });
    await until("it plays", 20, async () => (await id("live-rung-cam01").getAttribute("data-rung")) === "live");
    await shoot("camera");
  },

  async "a tap on the timeline plays the right minute"() {
    await id("tab-timeline").click();
    const strip = id("timeline-strip");
    await strip.waitFor();
    // As close as it goes, so that a pixel is some ten seconds.
    await strip.focus();
    for (let i = 0; i < 6; i += 1) await page.keyboard.press("+");
    const { spans } = await ask(page, `/api/v1/cameras/cam01/coverage?stream=main&from=${Date.now() - 3_600_000}&to=${Date.now()}`);
    claim(spans.length > 0, "there is footage to tap at");
    const wanted = (spans[0].from_ms + spans.at(-1).to_ms) / 2;
    const view = await strip.evaluate((element) => ({ from: Number(element.dataset.from), to: Number(element.dataset.to) }));
    claim(view.from < wanted && wanted < view.to, `the strip shows now: ${JSON.stringify(view)} around ${wanted}`);
    const box = await strip.boundingBox();
    const x = Math.round(((wanted - view.from) / (view.to - view.from)) * box.width);
    const tapped = view.from + (x / box.width) * (view.to - view.from);
    await page.touchscreen.tap(box.x + x, box.y + box.height / 2);
    const playing = await until("the timeline plays", 20, async () => {
      const now = await picture(id("timeline-video"));
      const at = Number(await id("playing-at").getAttribute("data-ms"));
      return now.width > 0 && now.mean > 16 && now.spread > 8 && at > 0 && at;
    });
    console.log(`  tapped ${new Date(tapped).toISOString()}, plays ${new Date(playing).toISOString()}`);
    claim(Math.abs(playing - tapped) <= 30_000, "what plays is the tapped minute");
    await until("it plays on", 20, async () => Number(await id("playing-at").getAttribute("data-ms")) > playing + 1000);
    await shoot("timeline");
  },

  async "an event card opens with its snapshot"() {
    await id("tab-events").click();
    await id("event-card").first().waitFor();
    await shoot("events");
    // The newest may still be waiting for its picture.
    const { events } = await ask(page, "/api/v1/events?camera=cam01");
    const pictured = events.find((event) => event.snapshot);
    await page.locator(`[data-testid="event-card"][data-id="${pictured.id}"]`).click();
    await id("event-detail").waitFor();
    const width = await until("the snapshot is there", 10, () => id("event-snapshot").evaluate((image) => image.naturalWidth));
    console.log(`  snapshot ${width} px wide`);
    await shoot("event");
    await id("false-alarm").click();
    await id("limit-try").waitFor();
    claim(await id("limit-save").isDisabled(), "what was not tried is not put in force");
    await id("limit-try").click();
    await id("rehearsal").waitFor();
    await shoot("event-false-alarm");
    await startsAgain("limit", "save");
    const { sight, is_own } = await sightOf("cam01");
    claim(is_own && sight.filter.person.min_score > 0.3, `the limit is kept: ${JSON.stringify(sight)}`);
    claim((await audited("zones and limits of camera cam01"))?.includes(user), "and audited");
    if (await page.getByTestId("tab-outputs").isHidden()) await page.keyboard.press("Escape");
  },

  async "the relay test asks before it acts"() {
    await id("tab-outputs").click();
    await id("output-siren").waitFor();
    const before = (await output("siren")).moves;
    await shoot("outputs");
    await id("output-test-siren").click();
    await id("output-confirm").waitFor();
    await shoot("outputs-asks");
    await id("output-cancel").click();
    await id("output-confirm").waitFor({ state: "hidden" });
    claim((await output("siren")).moves === before, "cancel moves nothing");
    const off = await id("output-level-siren").innerText();
    await id("output-test-siren").click();
    await id("output-confirm").click();
    const on = await until("the page shows that it is on", 10, async () => {
      const text = await id("output-level-siren").innerText();
      return text !== off && text;
    });
    await until("the page shows that it is off again", 15, async () => (await id("output-level-siren").innerText()) === off);
    const after = await output("siren");
    claim(after.moves === before + 1 && !after.on, `it moved once and is back: ${JSON.stringify(after)}`);
    console.log(`  "${off}" → "${on}" → "${off}"`);
    const audit = await ask(page, "/api/v1/audit?limit=20");
    claim(audit.some((entry) => entry.who.includes(user) && entry.what.includes("siren")), `audited: ${JSON.stringify(audit)}`);
  },

  async "a zone is drawn with a thumb"() {
    await id("tab-live").click();
    await id("live-tile-cam01").click();
    // as after a restart: there is no picture yet, and the page asks again
    const early = { status: 404, contentType: "application/json", body: '{"error":"not yet"}' };
    await page.route("**/cameras/cam01/snapshot.jpg", (route) => route.fulfill(early), { times: 1 });
    await id("zone-draw").click();
    const canvas = id("zone-canvas");
    await until("the still is there", 30, () => canvas.locator("img").evaluate((image) => image.naturalWidth > 0));
    const { x, y, width, height } = await canvas.boundingBox();
    await canvas.click({ position: { x: width / 2, y: height * 0.2 } });
    claim((await id("zone-corner").count()) === 5, "a tap makes a corner");
    const corner = await id("zone-corner").first().boundingBox();
    claim(corner.width >= 44 && corner.height >= 44, `a thumb meets a corner: ${JSON.stringify(corner)}`);
    await page.mouse.move(x + width * 0.1, y + height * 0.5);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.25, y + height * 0.75, { steps: 4 });
    await page.mouse.up();
    await id("zone-name").fill("Front path");
    await id("zone-add-line").click();
    claim((await id("zone-corner").count()) === 2, "a line has two ends");
    await id("zone-name").fill("gate");
    await id("zone-add-mask").click();
    await shoot("zone");
    await id("zone-shape").first().click();
    await id("zone-name").fill("");
    await id("zone-try").click();
    await page.getByRole("alert").waitFor();
    claim((await page.getByRole("alert").innerText()).includes("zone"), "a fault is named");
    await id("zone-name").fill("front-path");
    await id("zone-try").click();
    await id("rehearsal").waitFor();
    await shoot("zone-tried");
    await startsAgain("zone", "save");
    const { sight } = await sightOf("cam01");
    const [zone] = sight.zone;
    claim(zone.id === "front-path" && zone.points.length === 5, `the zone is kept: ${JSON.stringify(sight.zone)}`);
    claim(Math.hypot(zone.points[0][0] - 0.25, zone.points[0][1] - 0.75) < 0.02, `as it was drawn: ${zone.points[0]}`);
    claim(sight.line[0].id === "gate" && sight.mask.length === 1, "so are line and mask");
    claim(sight.filter.person.min_score > 0.3, "and the limit stays");
    const shown = (await ask(page, "/api/v1/cameras")).find((one) => one.id === "cam01").zones;
    claim(shown[0].id === "front-path", `the recorder runs with it: ${JSON.stringify(shown)}`);
    await page.reload();
    await id("zone-back").waitFor();
    await startsAgain("zone", "back");
    await until("the page shows what the configuration says", 30, async () => (await id("zone-back").isHidden()) && (await id("zone-canvas").isVisible()));
    claim(!(await sightOf("cam01")).is_own, "nothing of it is left");
    await page.goBack();
  },

  async "an output goes to its safe level at once"() {
    await id("tab-outputs").click();
    await id("output-test-siren").click();
    await id("output-confirm").waitFor();
    await page.locator("dialog .segments button").last().click();
    await id("output-confirm").click();
    await id("output-off-siren").click();
    await id("output-off-siren").waitFor({ state: "hidden" });
    const siren = await output("siren");
    claim(!siren.on && siren.cause.includes("person"), `its cause is told: ${JSON.stringify(siren)}`);
  },

  async "the device is armed and disarmed, and each is asked first"() {
    await id("input-door").waitFor();
    for (const armed of [true, false]) {
      await id("arm-change").click();
      await id("arm-confirm").waitFor();
      await shoot(armed ? "arm-asks" : "disarm-asks");
      await id("arm-confirm").click();
      await until(`armed: ${armed}`, 10, async () => (await id("arm").getAttribute("data-armed")) === String(armed));
      const now = await ask(page, "/api/v1/arm");
      claim(now.armed === armed && now.by.includes(user), `by whom: ${JSON.stringify(now)}`);
    }
  },

  async "rules are tried on what happened, then put in force"() {
    await id("rules-edit").click();
    const text = await id("rules-text").inputValue();
    claim(text.includes('id = "person-gate"'), `the rules as they are written: ${text}`);
    claim(await id("rules-save").isDisabled(), "what was not tried is not put in force");
    await id("rules-text").fill(text.replace('pulse = "gate"', 'pulse = "gatte"'));
    await id("rules-try").click();
    const trouble = page.getByRole("alert");
    await trouble.waitFor();
    claim((await trouble.innerText()).includes("gatte"), "a fault is named");
    await shoot("rules-fault");
    await id("rules-text").fill(text.replace("person-gate", "person-siren").replace('pulse = "gate"', 'pulse = "siren"'));
    await id("rules-try").click();
    await id("rehearsal").waitFor();
    await shoot("rules");
    await startsAgain("rules", "save");
    const rules = await ask(page, "/api/v1/rules");
    claim(rules[0].id === "person-siren", `the recorder runs with them: ${JSON.stringify(rules)}`);
    claim((await audited("put other rules in force"))?.includes(user), "audited");
  },

  async "who is told is shown, tested and told again"() {
    await id("tab-outputs").click();
    await id("alarms-open").click();
    await id("alarm-barn").waitFor();
    await id("alarm-test-barn").click();
    const told = (outcome) => id("alarm-barn").locator(`[data-testid="alarm-told"][data-outcome="${outcome}"]`);
    await told("refused").waitFor();
    claim((await told("refused").innerText()).includes("400"), "the cause is told");
    await shoot("alarms");
    await told("refused").getByTestId("alarm-again").click();
    await told("delivered").first().waitFor({ state: "attached" }); // what arrived is folded away
    await until("it works", 10, async () => (await id("alarm-barn").getAttribute("data-state")) === "working");
  },

  async "a push message is shown by the service worker, and this browser's refusal in words"() {
    await page.context().grantPermissions(["notifications"], { origin: base });
    await page.reload();
    await until("it may be asked", 10, async () => (await id("push").getAttribute("data-way")) === "ready");
    await id("push-change").click();
    // No push service is to be reached from here, and the page says so.
    const trouble = id("push").getByRole("alert");
    await trouble.waitFor();
    console.log(`  ${await trouble.innerText()}`);
    await shoot("push");
    const text = { id: "barn-7", title: "Barn", text: "Somebody is there", at: new Date().toISOString(), event: null };
    const { tag, title, body } = await deliver(page, base, JSON.stringify(text));
    claim(tag === text.id && title === text.title && body === text.text, `as it was sent: ${JSON.stringify({ tag, title, body })}`);
  },

  async "a part that is gone is told, and comes when the page is loaded anew"() {
    const gone = (route) => route.fulfill({ status: 404, body: "" });
    const other = await page.context().newPage();
    await other.route("**/assets/seldom-*.js", gone);
    await other.goto(`${base}/#/health`);
    await other.getByTestId("seldom-failed").waitFor();
    await other.screenshot({ path: join(shots, "seldom-failed.png") });
    await other.unroute("**/assets/seldom-*.js", gone);
    await other.getByTestId("seldom-again").click();
    await other.getByTestId("storage").waitFor();
    await other.close();
  },

  async "health is shown"() {
    await id("tab-health").click();
    await until("health shows", 10, async () => (await id("health-ok").isVisible()) || (await id("health-problems").isVisible()));
    await shoot("health");
  },

  async "a desktop has room"() {
    await page.setViewportSize(DESKTOP);
    await id("tab-live").click();
    await until("live plays", 20, async () => (await id("live-rung-cam01").getAttribute("data-rung")) === "live");
    await photograph("live-1280");
    await id("tab-timeline").click();
    await id("timeline-strip").locator("rect.footage").first().waitFor({ state: "attached" });
    await id("timeline-strip").focus();
    await page.keyboard.press("Home");
    await until("the day's first footage plays", 20, async () => (await picture(id("timeline-video"))).mean > 16);
    await photograph("timeline-1280");
  },
};

await tell(chromium, steps, { photograph, failed: "failed" });
