// The small parts that several pages share: chip, notice, fact list, segmented choice, empty page.
import type { ComponentChildren } from "preact";
import type { CameraState } from "../types.ts";
import { t } from "../words.ts";
import { Icon, type IconName } from "./icon.tsx";

export type Tone = "good" | "busy" | "warn" | "bad" | "calm";

const stateTone: Record<CameraState, Tone> = {
  recording: "good",
  connecting: "busy",
  degraded: "warn",
  stalled: "warn",
  garbage: "bad",
  "auth-failed": "bad",
  "storage-blocked": "bad",
  offline: "bad",
};

export function Chip({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`chip ${tone}`}>{children}</span>;
}

export function StateChip({ state }: { state: CameraState }) {
  return <Chip tone={stateTone[state] ?? "calm"}>{t.state[state] ?? state}</Chip>;
}

export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
}

export function Segments<T extends string>({ label, value, choices, onChoose }: SegmentsProps<T>) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {choices.map(([key, word]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => onChoose(key)}>
          {word}
        </button>
      ))}
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** A sentence about trouble, read out when it appears. */
export function Trouble({ children }: { children: ComponentChildren }) {
  return (
    <p class="trouble" role="alert">
      <Icon name="alert" />
      <span>{children}</span>
    </p>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      {t.loading}
    </p>
  );
}

interface HeadProps {
  title: string;
  back?: string;
  children?: ComponentChildren;
}

/** A page's heading; with `back`, the way up. */
export function Head({ title, back, children }: HeadProps) {
  return (
    <header class="head">
      {back && (
        <a class="icon-button" href={back} aria-label={t.back}>
          <Icon name="back" />
        </a>
      )}
      <h1>{title}</h1>
      <div class="head-side">{children}</div>
    </header>
  );
}
