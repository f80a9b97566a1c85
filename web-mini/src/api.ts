// Typed calls of /api/v1 → its JSON, or an ApiError whose message a person can read. Every call has a deadline.
import type {
  Arm,
  CameraStatus,
  Coverage,
  EventPage,
  EventView,
  Health,
  Holds,
  InputStatus,
  OutputStatus,
  RuleView,
  Session,
  StreamKind,
} from "./types.ts";
import { t } from "./words.ts";

const BASE = "/api/v1";
const DEADLINE_MS = 15_000;

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    message: string,
    readonly setupNeeded: boolean = false,
  ) {
    super(message);
  }
}

type Params = Record<string, string | number | null | undefined>;

export function apiUrl(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(key, String(value));
  }
  const tail = query.toString();
  return `${BASE}${path}${tail ? `?${tail}` : ""}`;
}

/** A fetch that gives up; network trouble becomes an ApiError with status 0. */
async function reach(url: string, init: RequestInit): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), DEADLINE_MS);
  try {
    return await fetch(url, { credentials: "same-origin", signal: abort.signal, ...init });
  } catch {
    throw new ApiError(0, abort.signal.aborted ? t.noAnswer : t.unreachable);
  } finally {
    clearTimeout(timer);
  }
}

export async function refusal(answer: Response): Promise<ApiError> {
  const said: unknown = await answer.json().catch(() => null);
  const body = typeof said === "object" && said !== null ? (said as { error?: unknown; setup_needed?: unknown }) : {};
  const words = typeof body.error === "string" && body.error ? body.error : t.unknownError(answer.status);
  return new ApiError(answer.status, words, body.setup_needed === true);
}

export async function call<T>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown, params?: Params): Promise<T> {
  const init: RequestInit = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { accept: "application/json", "content-type": "application/json" };
  }
  const answer = await reach(apiUrl(path, params), init);
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204 || answer.headers.get("content-length") === "0") return undefined as T;
  return (await answer.json()) as T;
}

export const id = encodeURIComponent;

export interface EventFilter {
  camera?: string | null;
  label?: string | null;
  from?: number;
  to?: number;
  before?: string | null;
  limit?: number;
}

export const api = {
  session: () => call<Session>("GET", "/session"),
  cameras: () => call<CameraStatus[]>("GET", "/cameras"),
  outputs: () => call<OutputStatus[]>("GET", "/outputs"),
  switchOff: (output: string) => call<OutputStatus>("POST", `/outputs/${id(output)}/off`),
  inputs: () => call<InputStatus[]>("GET", "/inputs"),
  arm: () => call<Arm>("GET", "/arm"),
  setArmed: (armed: boolean) => call<Arm>("POST", "/arm", { armed }),
  rules: () => call<RuleView[]>("GET", "/rules"),
  health: () => call<Health>("GET", "/health"),
  coverage: (camera: string, stream: StreamKind, from: number, to: number) =>
    call<Coverage>("GET", `/cameras/${id(camera)}/coverage`, undefined, { stream, from, to }),
  events: (filter: EventFilter) => call<EventPage>("GET", "/events", undefined, { ...filter }),
  event: (event: string) => call<EventView>("GET", `/events/${id(event)}`),
  testOutput: (output: string, ms: number) =>
    call<OutputStatus>("POST", `/outputs/${id(output)}/test`, { confirm: output, ms }),
  holds: () => call<Holds>("GET", "/holds"),
};

export const urls = {
  updates: apiUrl("/updates"),
  snapshot: (camera: string) => apiUrl(`/cameras/${id(camera)}/snapshot.jpg`),
  eventSnapshot: (event: EventView) =>
    // A running event's picture gets better: its address changes with the score, so that no old copy is shown.
    apiUrl(`/events/${id(event.id)}/snapshot.jpg`, event.end_ms === null ? { v: Math.round(event.score * 1e4) } : {}),
  video: (camera: string, stream: StreamKind, from: number, to: number, download = false) =>
    apiUrl(`/cameras/${id(camera)}/video.mp4`, {
      stream,
      from: Math.round(from),
      to: Math.round(to),
      download: download ? 1 : null,
    }),
  live: (camera: string, stream: StreamKind) =>
    `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${apiUrl(`/cameras/${id(camera)}/live/${stream}`)}`,
};

/**
 * Asks for one byte of a video before a player does: refusals come with words, and the recorder may say in
 * `x-nightjar-start-ms` at which wall time the first picture is (a key frame at or before `from`). Null = it did not say.
 */
export async function probeVideo(url: string): Promise<number | null> {
  const abort = new AbortController();
  const answer = await reach(url, { headers: { range: "bytes=0-0" }, signal: abort.signal });
  if (!answer.ok) throw await refusal(answer);
  abort.abort(); // a server without ranges would send all of it
  const start = Number(answer.headers.get("x-nightjar-start-ms") ?? "");
  return Number.isFinite(start) && start > 0 ? start : null;
}
