// /api/v1/updates (server-sent events) → the store. One connection; comes back by itself, with growing pauses.
import { urls } from "./api.ts";
import { backOff } from "./chase.ts";
import {
  applyArm,
  applyCamera,
  applyDetections,
  applyEvent,
  applyHealth,
  applyInput,
  applyNotice,
  applyOutput,
  fetchRules,
  gate,
  knock,
  linked,
  refetch,
  sentOut,
} from "./store.ts";

/** A connection that drops and is back within this is not worth a notice. */
const GRACE_MS = 1_500;

const kinds: Record<string, (data: never) => void> = {
  camera: applyCamera,
  output: (output: Parameters<typeof applyOutput>[0]) => {
    applyOutput(output);
    // An output moves because a rule fired or a test ran: the counts beside the rules change with it.
    clearTimeout(rulesSoon);
    rulesSoon = setTimeout(() => void fetchRules().catch(sentOut), 300);
  },
  input: applyInput,
  arm: applyArm,
  event: applyEvent,
  detections: applyDetections,
  health: applyHealth,
  notice: applyNotice,
};

let source: EventSource | null = null;
let tries = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let rulesSoon: ReturnType<typeof setTimeout> | undefined;
let grace: ReturnType<typeof setTimeout> | undefined;

function lost(): void {
  grace ??= setTimeout(() => (linked.value = false), GRACE_MS);
}

function found(): void {
  clearTimeout(grace);
  grace = undefined;
  tries = 0;
  linked.value = true;
}

export function connectUpdates(): void {
  closeUpdates();
  const mine = new EventSource(urls.updates);
  source = mine;
  let first = true;
  mine.onopen = () => {
    found();
    // The stream begins with the present state; after a break the lists of the pages are stale as well.
    if (!first || tries > 0) void refetch();
    first = false;
  };
  mine.onerror = () => {
    if (source !== mine) return;
    lost();
    if (mine.readyState === EventSource.CLOSED) again();
  };
  for (const [name, apply] of Object.entries(kinds)) {
    mine.addEventListener(name, (message) => {
      try {
        apply(JSON.parse((message as MessageEvent<string>).data) as never);
      } catch (error) {
        console.warn(`update "${name}" is not understood`, error);
      }
    });
  }
  mine.addEventListener("resync", () => void refetch());
}

/** The browser gives up after an HTTP error: find out whether the session ended, then try again. */
function again(): void {
  clearTimeout(retry);
  retry = setTimeout(() => {
    // Without an answer the page stays, with its notice: the recorder may only be starting again.
    void knock(true).then((answered) => {
      if (!answered) again();
      else if (gate.value === "in") connectUpdates();
    });
  }, backOff(tries, Math.random()));
  tries += 1;
}

export function closeUpdates(): void {
  clearTimeout(rulesSoon);
  clearTimeout(retry);
  clearTimeout(grace);
  grace = undefined;
  source?.close();
  source = null;
}
