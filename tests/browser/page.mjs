// A Chromium page → the same page with everything that went wrong in it written down, and small questions to it.

import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", // the tests run as root in a container
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

export const PHONE = { width: 375, height: 812 };
export const DESKTOP = { width: 1280, height: 800 };

/** Opens one page; `faults` fills with console errors, exceptions, CSP violations and requests to strangers. */
export async function open(executablePath, base) {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const context = await browser.newContext({ viewport: PHONE, hasTouch: true, isMobile: true, locale: "en-GB", reducedMotion: "reduce" });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack ?? error}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && !message.text().includes("Content Security Policy")) return;
    // The question "am I logged in?" is answered with 401 before the login, which Chromium reports as an error.
    const asksWhoIAm = message.location().url.endsWith("/api/v1/session") && message.text().includes("401");
    // So is a fault in a draft that is tried, which the page tells in words.
    const triesDraft = message.location().url.endsWith("/rehearse") && message.text().includes("422");
    // A recorder that has just started again has no still of a camera for a moment.
    const hasNoStillYet = /\/cameras\/[^/]+\/snapshot\.jpg/.test(message.location().url) && message.text().includes("404");
    // A context of Playwright's is a private window, in which Chromium asks nobody for push messages; the page tells that in words.
    const isPrivate = message.text().includes("Push API in incognito mode");
    if (!asksWhoIAm && !triesDraft && !hasNoStillYet && !isPrivate) faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("request", (request) => {
    const url = request.url();
    const isOurs = url.startsWith(base) || url.startsWith(base.replace("http", "ws"));
    if (!isOurs && !url.startsWith("blob:") && !url.startsWith("data:")) faults.push(`asks a stranger: ${url}`);
  });
  await context.exposeFunction("nightjarFault", (text) => faults.push(text));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.nightjarFault(`CSP: ${event.violatedDirective} stopped ${event.blockedURI}`);
    });
  });
  return { browser, page, faults };
}

export function claim(holds, words) {
  if (!holds) throw new Error(words);
}

/** Takes pictures of a page into a folder. */
export function camera(page, folder) {
  const photograph = (name) => page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
  return {
    photograph,
    /** One page in both colour schemes at the phone's width. */
    async shoot(name) {
      const { width } = page.viewportSize();
      for (const colorScheme of ["dark", "light"]) {
        await page.emulateMedia({ colorScheme });
        claim(!(await sticksOut(page)), `${name} is wider than ${width} px`);
        await photograph(`${name}-${width}-${colorScheme}`);
      }
      await page.emulateMedia({ colorScheme: null });
    },
  };
}

/** Types a name and a password into the login. */
export async function logIn(page, base, user, password) {
  await page.goto(base);
  await page.getByTestId("login-user").fill(user);
  await page.getByTestId("login-password").fill(password);
  await page.getByTestId("login-submit").click();
}

/** Goes through a story step by step and closes the browser; what fails is told and photographed as `failed`. Faults of the page that
 *  `isExpected` are none. */
export async function tell({ browser, faults }, steps, { photograph, failed, isExpected = () => false }) {
  try {
    for (const [name, step] of Object.entries(steps)) {
      await step();
      console.log(`ok: ${name}`);
    }
    const others = faults.filter((fault) => !isExpected(fault));
    claim(others.length === 0, `the page has faults:\n${others.join("\n")}`);
  } catch (error) {
    console.error(`FAILED: ${error.stack}\nfaults so far:\n${faults.join("\n")}`);
    await photograph(failed);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** Asks until the answer is truthy; throws with `what` when the seconds are over. */
export async function until(what, seconds, ask) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`after ${seconds} s still not: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Waits for a promise; throws with `what` when the seconds are over. */
async function within(what, seconds, promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`after ${seconds} s still not: ${what}`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a video element shows: its time, its size, mean and spread of its brightness (0..255). */
export async function picture(video) {
  return video.evaluate((element) => {
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 48;
    const pen = canvas.getContext("2d");
    pen.drawImage(element, 0, 0, canvas.width, canvas.height);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < data.length; i += 4) {
      const light = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
      sum += light;
      squares += light * light;
    }
    const count = data.length / 4;
    const mean = sum / count;
    const spread = Math.sqrt(Math.max(0, squares / count - mean * mean));
    return { time: element.currentTime, width: element.videoWidth, height: element.videoHeight, mean, spread };
  });
}

/** Whether anything is drawn on a canvas. */
export async function isDrawnOn(canvas) {
  return canvas.evaluate((element) => {
    if (!element.width || !element.height) return false;
    const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
    return data.some((value) => value > 0);
  });
}

/** JSON from the API with the page's own login. */
export async function ask(page, path) {
  return page.evaluate(async (path) => (await fetch(path)).json(), path);
}

/** Hands a push message to the page's service worker, as the browser does when its maker's push service sends one → the notification that
 *  the browser then shows. `getNotifications()` is not asked: while it looks, Chromium forgets one that is just about to be shown. */
export async function deliver(page, origin, data) {
  const devtools = await page.context().newCDPSession(page);
  const known = new Promise((done) => {
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && done(registrations[0]));
  });
  const shown = new Promise((done) => {
    devtools.on("BackgroundService.backgroundServiceEventReceived", ({ backgroundServiceEvent: event }) => {
      if (event.eventName === "Notification displayed") done(event);
    });
  });
  await devtools.send("BackgroundService.setRecording", { shouldRecord: true, service: "notifications" });
  await devtools.send("BackgroundService.startObserving", { service: "notifications" });
  await devtools.send("ServiceWorker.enable");
  const { registrationId } = await within("the worker is known", 10, known);
  await devtools.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data });
  const { instanceId, eventMetadata } = await within("the notification is shown", 10, shown);
  await devtools.detach();
  const told = Object.fromEntries(eventMetadata.map(({ key, value }) => [key, value]));
  return { tag: instanceId, title: told.Title, body: told.Body };
}

/** Whether anything sticks out of the page's width: a phone must not scroll sideways. */
export async function sticksOut(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
}
