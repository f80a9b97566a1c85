// Web Push on this device: whether and how the browser can be asked, and the asking. The recorder's messages are shown by `public/sw.js`.
import { asks } from "./api.ts";
import { seldom } from "./words.ts";

const DEADLINE_MS = 15_000;

/** What stands between this browser and messages. */
export type PushWay = "ready" | "insecure" | "home-screen" | "unable" | "denied";

interface Browser {
  isSecure: boolean;
  hasPush: boolean;
  isApple: boolean;
  /** "granted", "denied" or "default". */
  permission: string;
}

export function wayOf({ isSecure, hasPush, isApple, permission }: Browser): PushWay {
  if (!isSecure) return "insecure";
  if (!hasPush) return isApple ? "home-screen" : "unable";
  return permission === "denied" ? "denied" : "ready";
}

/** Safari on a phone has no `PushManager` until the page is on the home screen. An iPad says that it is a Mac. */
export function isApplePhone(agent: string, touches: number): boolean {
  return /iPhone|iPad|iPod/.test(agent) || (agent.includes("Macintosh") && touches > 1);
}

export const way = (): PushWay =>
  wayOf({
    isSecure: isSecureContext,
    hasPush: "serviceWorker" in navigator && "PushManager" in window && "Notification" in window,
    isApple: isApplePhone(navigator.userAgent, navigator.maxTouchPoints),
    permission: "Notification" in window ? Notification.permission : "default",
  });

/** URL-safe base64 → bytes: not every browser takes the key as text. */
export function keyBytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

export async function subscription(): Promise<PushSubscription | null> {
  const worker = await navigator.serviceWorker.getRegistration();
  return (await worker?.pushManager.getSubscription()) ?? null;
}

/** Asks the browser, then the recorder. False: the person said no. */
export async function subscribe(publicKey: string): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false;
  await navigator.serviceWorker.register("/sw.js");
  const worker = await navigator.serviceWorker.ready;
  await (await worker.pushManager.getSubscription())?.unsubscribe(); // it may be of another key
  const asked = worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: keyBytes(publicKey) });
  const made = await Promise.race([asked, late()]);
  await asks.subscribe(made.toJSON());
  return true;
}

/** Without the internet some browsers try for ever. */
function late(): Promise<never> {
  return new Promise((_, fail) => setTimeout(() => fail(new Error(seldom.push.silent)), DEADLINE_MS));
}

export async function unsubscribe(): Promise<void> {
  const now = await subscription();
  if (!now) return;
  await asks.unsubscribe(now.endpoint);
  await now.unsubscribe();
}
