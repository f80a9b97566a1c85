// The JSON shapes of /api/v1, as firmware/types/src/status.rs writes them. Times are integer ms since 1970 UTC.

export type CameraState =
  | "connecting"
  | "recording"
  | "degraded"
  | "auth-failed"
  | "stalled"
  | "garbage"
  | "storage-blocked"
  | "offline";

export type StreamKind = "main" | "sub";

export type GapCause =
  | "disconnected"
  | "stalled"
  | "auth-failed"
  | "garbage"
  | "stopped"
  | "power-cut"
  | "storage"
  | "quiet"
  | "lost";

export type Role = "viewer" | "operator" | "admin";

export interface Session {
  username: string;
  role: Role;
  device: string;
  version: string;
  now_ms: number;
}

export interface StreamStatus {
  kind: StreamKind;
  state: CameraState;
  codecs: string;
  width: number;
  height: number;
  fps: number;
  bitrate: number;
  gop_s: number;
  dropped_units: number;
  sessions: number;
  error: string | null;
}

export interface ZoneView {
  id: string;
  points: [number, number][];
}

export interface CameraStatus {
  id: string;
  name: string;
  state: CameraState;
  mend: string;
  detect: boolean;
  streams: StreamStatus[];
  zones: ZoneView[];
}

export interface OutputStatus {
  id: string;
  line: string;
  driver: string;
  on: boolean;
  safe_on: boolean;
  until_ms: number | null;
  cause: string | null;
  moved_ms: number | null;
  moves: number;
  error: string | null;
}

export type InputKind = "contact" | "pir" | "door" | "panic" | "key-switch" | "ac-fail";

export interface InputStatus {
  id: string;
  line: string;
  kind: InputKind;
  active: boolean;
  changed_ms: number | null;
}

export interface Arm {
  armed: boolean;
  since_ms: number;
  by: string;
}

export interface RuleView {
  id: string;
  sentence: string;
  fired: number;
  fired_ms: number | null;
}

export interface RulesText {
  text: string;
  /** In place of those in the configuration. */
  is_own: boolean;
}

/** A place in the picture, as fractions of it. */
export type Corner = readonly [x: number, y: number];

/** What things of a class must be like. */
export interface SightLimits {
  min_score?: number;
  min_width?: number;
  max_width?: number;
  min_height?: number;
  max_height?: number;
}

export interface SightMask {
  points: readonly Corner[];
}

export interface SightLine extends SightMask {
  id: string;
}

export interface SightZone extends SightLine {
  classes: string[];
  filter: Record<string, SightLimits>;
}

/** What counts in a camera's picture. */
export interface Sight {
  classes: string[];
  filter: Record<string, SightLimits>;
  mask: SightMask[];
  line: SightLine[];
  zone: SightZone[];
}

export interface SightView {
  sight: Sight;
  /** In place of what the configuration says. */
  is_own: boolean;
}

/** One move that was or would have been. */
export interface Move {
  at_ms: number;
  output: string;
  on: boolean;
  fate: "same" | "new" | "gone";
  cause: string;
}

export interface Rehearsal {
  rules: RuleView[];
  moves: Move[];
  /** Null: nothing is known of what was seen and heard. */
  since_ms: number | null;
  left_out: number;
}

export interface Span {
  from_ms: number;
  to_ms: number;
}

export interface GapView {
  from_ms: number;
  to_ms: number | null;
  cause: GapCause;
  words: string;
}

export interface Coverage {
  spans: Span[];
  gaps: GapView[];
}

/** Fractions of the picture, origin top left. */
export interface BBox {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface EventView {
  id: string;
  camera: string;
  label: string;
  score: number;
  bbox: BBox;
  track: number;
  start_ms: number;
  end_ms: number | null;
  rules: string[];
  snapshot: boolean;
  model: string;
  /** When it was found in a recording; null: seen live. */
  found_ms: number | null;
}

export type NightState = "off" | "idle" | "working" | "storage" | "eye" | "motion" | "load" | "heat";

export interface NightJob {
  id: number;
  camera: string;
  from_ms: number;
  to_ms: number;
  done_ms: number;
  label: string | null;
  reason: "asked" | "unwatched" | "enabled";
  by: string;
  found: number;
}

/** What is looked at again. */
export interface Night {
  state: NightState;
  words: string;
  left_s: number | null;
  jobs: NightJob[];
}

export interface EventPage {
  events: EventView[];
  next: string | null;
}

export type StorageState = "ok" | "slow" | "missing" | "foreign" | "read-only" | "full" | "failing";

export interface StorageStatus {
  state: StorageState;
  path: string;
  quota_bytes: number;
  used_bytes: number;
  slabs: number;
  free_slabs: number;
  payload_bytes: number;
  written_bytes: number;
  slowest_write_ms: number;
  oldest_ms: number | null;
  error: string | null;
}

/** How long footage stays. */
export interface Forecast {
  words: string;
  /** 0 when nothing is known. */
  covers_s: number;
  trend: "unknown" | "steady" | "filling" | "shrinking" | "growing";
  so_far_s: number | null;
  change: { camera: string; stream: StreamKind; times: number | null; ago_s: number } | null;
}

export interface CardLife {
  words: string;
  left_s: number | null;
}

export interface Clock {
  now_ms: number;
  is_sure: boolean;
  hint: string;
}

export interface StorageView {
  state: StorageState;
  words: string;
  mend: string;
  quota_bytes: number;
  used_bytes: number;
  forecast: Forecast;
  streams: { camera: string; stream: StreamKind; forecast: Forecast }[];
  wear: { written_bytes: number; video_bytes: number; ratio: number | null };
  life: CardLife;
  device: {
    name: string | null;
    size_bytes: number | null;
    written_since_boot_bytes: number | null;
    life_used_percent: number | null;
    is_near_end: boolean;
  };
  holds: { count: number; used_bytes: number; budget_bytes: number };
  clock: Clock;
  damaged_records: number;
}

export interface Hold {
  id: number;
  /** Empty: all. */
  cameras: string[];
  from_ms: number;
  to_ms: number;
  note: string;
  by: string;
  made_ms: number;
  bytes: number;
}

export interface Holds {
  holds: Hold[];
  used_bytes: number;
  budget_bytes: number;
}

export interface ModelInfo {
  card: string;
  sha256: string;
  labels: string[];
}

export interface EyeStatus {
  state: "running" | "starting" | "restarting" | "off";
  pid: number | null;
  restarts: number;
  model: ModelInfo;
  decoders: [camera: string, element: string][];
  inference_p50_ms: number;
  decoded: number;
  key_only: number;
  left_out: number;
  cpu: number;
  spacing_ms: number;
  ease: "normal" | "reduced" | "stills";
  eased_by: string | null;
  latency: { stage: string; p50_ms: number; p99_ms: number }[];
  inferred: number;
  skipped_gops: number;
  sandbox: string;
  quarantine: QuarantineView[];
  measured: Measured | null;
  /** Cameras like those now detected on, for which there is room besides them. */
  room: number | null;
  error: string | null;
}

export interface QuarantineView {
  camera: string;
  words: string;
  until_ms: number;
}

export interface Measured {
  version: string;
  board: string;
  cores: number;
  models: { card: string; runtime: string; is_candidate: boolean; look_ms: number | null; fault: string | null }[];
  decoders: { codec: string; element: string; cpu_ms: number | null; fault: string | null }[];
}

/** From one device to one address, refused. */
export interface Attempt {
  from: string;
  /** Empty when it sent with addresses of others. */
  to: string;
  times: number;
  words: string;
}

/** Cameras and the rest of the network. */
export interface Isolation {
  in_force: boolean;
  words: string;
  refused: number;
  /** The most frequent first. */
  attempts: Attempt[];
}

export type UpdateStep =
  | "starting"
  | "idle"
  | "checking"
  | "installing"
  | "installed"
  | "cancelling"
  | "trial"
  | "confirming"
  | "going-back";
export type UpdateOrigin = "page" | "console" | "usb" | "fleet";
export type UpdateResult = "kept" | "rolled-back" | "failed" | "refused" | "cancelled";

/** What became of an update. */
export interface UpdateEntry {
  action: string;
  origin: UpdateOrigin;
  /** That it was for. */
  slot: string;
  version: string;
  from_version: string;
  result: UpdateResult;
  reason: string;
  /** Seconds of recording that the worst camera lacks. */
  gap_s: number | null;
  at_ms: number;
  /** The clock could be believed then. */
  clock_sure: boolean | null;
}

/** As the update agent says it: ota/src/status.rs. */
export interface UpdateStatus {
  version: string;
  slot: string;
  step: UpdateStep;
  words: string;
  action: string | null;
  origin: UpdateOrigin | null;
  target: string | null;
  /** How far the copy is, or what a system on trial lacks. */
  progress: { percent: number; words: string } | null;
  can_cancel: boolean;
  floor: string | null;
  last: UpdateEntry | null;
}

export interface Health {
  ok: boolean;
  problems: string[];
  version: string;
  board: string;
  uptime_s: number;
  rss_bytes: number;
  storage: StorageStatus;
  eye: EyeStatus;
  /** Null on a board that has no camera side. */
  isolation: Isolation | null;
  counters: [name: string, value: number][];
}

export interface Detection {
  label: string;
  score: number;
  bbox: BBox;
  track: number | null;
}

export interface Detections {
  camera: string;
  at_ms: number;
  inferred: boolean;
  boxes: Detection[];
}

export interface Notice {
  at_ms: number;
  text: string;
  event: string | null;
}

export type AlarmState = "idle" | "working" | "retrying" | "broken";
export type Outcome = "delivered" | "refused" | "too-old" | "pushed-out";

/** What became of a message. */
export interface Told {
  id: number;
  subject: string;
  at_ms: number;
  done_ms: number;
  tries: number;
  outcome: Outcome;
  words: string;
}

/** Who outside is told, and how that goes. */
export interface AlarmView {
  id: string;
  kind: "mqtt" | "webhook" | "ntfy" | "email" | "push";
  target: string;
  state: AlarmState;
  waiting: number;
  delivered: number;
  failed: number;
  dropped: number;
  dropped_detections: number;
  error: string | null;
  offline: string;
  history: Told[];
}

/** What a browser needs to ask for messages. */
export interface PushView {
  public_key: string;
  browsers: number;
}

/** First message of the live socket, and again when the stream's parameters change. */
export interface LiveInit {
  type: "init";
  mime: string;
  width: number;
  height: number;
  origin_ms: number;
}

export type LiveText =
  | LiveInit
  | { type: "skipped"; units: number }
  | { type: "ended"; error?: string | null };
