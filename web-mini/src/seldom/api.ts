// The calls of /api/v1 that only what is opened seldom makes.
import { call, id } from "../api.ts";
import type {
  AlarmView,
  Clock,
  Hold,
  Night,
  NightJob,
  PushView,
  Rehearsal,
  RulesText,
  Session,
  Sight,
  SightView,
  StorageView,
  Told,
  UpdateEntry,
  UpdateStatus,
} from "../types.ts";

export const asks = {
  setup: (code: string, username: string, password: string) =>
    call<Session>("POST", "/setup", { code, username, password }),
  login: (username: string, password: string) => call<Session>("POST", "/login", { username, password }),
  logout: () => call<void>("POST", "/logout"),
  rulesText: () => call<RulesText>("GET", "/rules/text"),
  rehearse: (text: string, hours: number) => call<Rehearsal>("POST", "/rules/rehearse", { text, hours }),
  /** Null: those of the configuration again. */
  saveRules: (text: string | null) => call<void>("POST", "/rules", { text }),
  sight: (camera: string) => call<SightView>("GET", `/cameras/${id(camera)}/sight`),
  rehearseSight: (camera: string, sight: Sight, hours: number) =>
    call<Rehearsal>("POST", `/cameras/${id(camera)}/sight/rehearse`, { sight, hours }),
  /** Null: what the configuration says again. */
  saveSight: (camera: string, sight: Sight | null) => call<void>("POST", `/cameras/${id(camera)}/sight`, { sight }),
  alarms: () => call<AlarmView[]>("GET", "/alarms"),
  testAlarm: (alarm: string) => call<AlarmView>("POST", `/alarms/${id(alarm)}/test`),
  tellAgain: (alarm: string, message: number) => call<Told>("POST", `/alarms/${id(alarm)}/messages/${message}/again`),
  push: () => call<PushView>("GET", "/push"),
  subscribe: (browser: PushSubscriptionJSON) => call<void>("POST", "/push", browser),
  unsubscribe: (endpoint: string) => call<void>("DELETE", "/push", { endpoint }),
  releaseCamera: (camera: string) => call<void>("POST", `/cameras/${id(camera)}/eye/release`),
  storage: () => call<StorageView>("GET", "/storage"),
  /** No camera means all. */
  hold: (cameras: string[], from_ms: number, to_ms: number, note: string) =>
    call<Hold>("POST", "/holds", { cameras, from_ms, to_ms, note }),
  release: (hold: number) => call<Hold>("DELETE", `/holds/${hold}`),
  night: () => call<Night>("GET", "/night"),
  lookAgain: (camera: string, from_ms: number, to_ms: number, label: string | null) =>
    call<NightJob>("POST", "/night", { camera, from_ms, to_ms, label }),
  dropJob: (job: number) => call<NightJob>("DELETE", `/night/${job}`),
  update: () => call<UpdateStatus>("GET", "/update/status"),
  updates: () => call<{ entries: UpdateEntry[] }>("GET", "/update/history"),
  install: (url: string) => call<void>("POST", "/update/install", { url }),
  cancelUpdate: () => call<void>("POST", "/update/cancel"),
  startUpdate: () => call<void>("POST", "/update/reboot"),
  setClock: (now_ms: number) => call<Clock>("POST", "/clock", { now_ms }),
};
