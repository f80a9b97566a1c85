// What the recorder says → signals that components read. Changed only by the functions here.
import { computed, signal } from "@preact/signals";
import { api, ApiError } from "./api.ts";
import { BoxBuffer } from "./boxes.ts";
import { parseRoute, type Route } from "./route.ts";
import type {
  Arm,
  CameraStatus,
  Detections,
  EventView,
  Health,
  InputStatus,
  Notice,
  OutputStatus,
  RuleView,
  Session,
} from "./types.ts";

/** Where the page stands: asking, shut out, or in. */
export type Gate = "asking" | "unreachable" | "setup" | "login" | "in";

export const gate = signal<Gate>("asking");
/** A sentence the login page shows once, e.g. why one was sent there. */
export const gateNote = signal("");
export const session = signal<Session | null>(null);
/** The update stream is connected. */
export const linked = signal(true);

/** null = not answered yet. */
export const cameras = signal<CameraStatus[] | null>(null);
export const outputs = signal<OutputStatus[] | null>(null);
export const inputs = signal<InputStatus[] | null>(null);
export const arm = signal<Arm | null>(null);
export const rules = signal<RuleView[] | null>(null);
export const health = signal<Health | null>(null);
/** The newest event that the update stream brought. */
export const eventNews = signal<EventView | null>(null);
export const notices = signal<Notice[]>([]);
/** Counts refetches after lost updates: pages that hold lists of their own fetch again when it changes. */
export const epoch = signal(0);

export const route = signal<Route>(parseRoute(typeof location === "undefined" ? "" : location.hash));

/** Recorder's clock minus this device's, ms: what is "now" for the recorder may not be so here. */
let clockOffset = 0;
export const serverNow = (): number => Date.now() + clockOffset;

const boxBuffers = new Map<string, BoxBuffer>();
export function boxesOf(camera: string): BoxBuffer {
  let buffer = boxBuffers.get(camera);
  if (!buffer) {
    buffer = new BoxBuffer();
    boxBuffers.set(camera, buffer);
  }
  return buffer;
}

export const cameraNames = computed(() => new Map((cameras.value ?? []).map((c) => [c.id, c.name || c.id])));
export const cameraName = (id: string): string => cameraNames.value.get(id) ?? id;
export const mayOperate = computed(() => session.value !== null && session.value.role !== "viewer");

export const isAdmin = computed(() => session.value?.role === "admin");

export function enter(who: Session): void {
  clockOffset = who.now_ms - Date.now();
  session.value = who;
  gateNote.value = "";
  gate.value = "in";
}

export function leave(next: "login" | "setup" = "login"): void {
  session.value = null;
  cameras.value = null;
  outputs.value = null;
  inputs.value = null;
  arm.value = null;
  rules.value = null;
  health.value = null;
  eventNews.value = null;
  notices.value = [];
  boxBuffers.clear();
  gate.value = next;
}

/** Asks who is logged in, and with that whether anyone can be. False when the recorder does not answer; `stay` then keeps the page. */
export async function knock(stay = false): Promise<boolean> {
  try {
    enter(await api.session());
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) leave(error.setupNeeded ? "setup" : "login");
    else {
      if (!stay) gate.value = "unreachable";
      return false;
    }
  }
  return true;
}

/** An answer of 401 anywhere sends to the login page; true when it was one. */
export function sentOut(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.status !== 401) return false;
  leave(error.setupNeeded ? "setup" : "login");
  return true;
}

/** Fetches everything that the update stream keeps fresh. What fails keeps its old value. */
export async function refetch(): Promise<void> {
  await Promise.all([
    api.cameras().then((v) => (cameras.value = v)),
    api.outputs().then((v) => (outputs.value = v)),
    api.inputs().then((v) => (inputs.value = v)),
    api.arm().then(applyArm),
    api.health().then((v) => (health.value = v)),
    fetchRules(),
  ]).catch(sentOut);
  epoch.value += 1;
}

export async function fetchRules(): Promise<void> {
  if (session.value === null) return; // logged out while it was due
  rules.value = await api.rules();
}

/** Puts a changed item in its place, or at the end. */
function replaced<T extends { id: string }>(list: readonly T[] | null, item: T): T[] {
  const old = list ?? [];
  return old.some((o) => o.id === item.id) ? old.map((o) => (o.id === item.id ? item : o)) : [...old, item];
}

export const applyCamera = (camera: CameraStatus): void => void (cameras.value = replaced(cameras.value, camera));
export const applyOutput = (output: OutputStatus): void => void (outputs.value = replaced(outputs.value, output));
export const applyInput = (input: InputStatus): void => void (inputs.value = replaced(inputs.value, input));
export const applyArm = (now: Arm): void => void (arm.value = now);
export const applyHealth = (all: Health): void => void (health.value = all);
export const applyDetections = (seen: Detections): void => boxesOf(seen.camera).push(seen);
export const applyEvent = (event: EventView): void => void (eventNews.value = event);

const NOTICE_MS = 8_000;
const NOTICES = 3;
export function applyNotice(notice: Notice): void {
  notices.value = [...notices.value, notice].slice(-NOTICES);
  setTimeout(() => dropNotice(notice), NOTICE_MS);
}
export function dropNotice(notice: Notice): void {
  notices.value = notices.value.filter((n) => n !== notice);
}
