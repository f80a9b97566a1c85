// A camera's newest still → a zone drawn with a thumb, as the lines that go into the configuration.
import { useRef, useState } from "preact/hooks";
import { urls } from "../api.ts";
import { Empty, Head, Loading, Trouble } from "../parts/small.tsx";
import { added, FEWEST, FIRST, isCrossed, MOST, moved, removed, toToml, type Corner } from "./polygon.ts";
import { linkTo } from "../route.ts";
import { cameras } from "../store.ts";
import type { CameraStatus } from "../types.ts";
import { t } from "../words.ts";
import { seldom } from "./words.ts";

export function ZonePage({ id }: { id: string | null }) {
  if (cameras.value === null) return <Loading />;
  const camera = cameras.value.find((c) => c.id === id);
  return camera ? <Drawing camera={camera} /> : <Empty icon="live" title={t.live.empty} />;
}

/** An id that the recorder takes. */
const asId = (text: string): string => text.toLowerCase().replace(/[^a-z0-9_-]/g, "-");

function Drawing({ camera }: { camera: CameraStatus }) {
  const stage = useRef<HTMLDivElement>(null);
  const still = urls.snapshot(camera.id);
  const [blind, setBlind] = useState(false);
  const [corners, setCorners] = useState<readonly Corner[]>(FIRST);
  const [held, setHeld] = useState(0);
  const [name, setName] = useState("zone");
  const w = seldom.zone;

  function at(e: PointerEvent): Corner {
    const box = stage.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1);
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
  }
  function change(next: readonly Corner[], n: number): void {
    setCorners(next);
    setHeld(Math.min(n, next.length - 1));
  }
  /** A tap beside the corners makes one where the nearest side is. */
  function tap(e: PointerEvent): void {
    if (e.target instanceof HTMLButtonElement) return;
    const spot = at(e);
    const next = added(corners, spot);
    change(next, next.indexOf(spot));
  }
  /** Arrow keys move a corner by a hundredth. */
  function key(e: KeyboardEvent, n: number): void {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    const corner = corners[n];
    if (!step || !corner) return;
    e.preventDefault();
    setCorners(moved(corners, n, [corner[0] + (step[0] ?? 0) / 100, corner[1] + (step[1] ?? 0) / 100]));
  }

  return (
    <>
      <Head title={t.live.draw} back={linkTo("live", camera.id)}>
        <p class="faint">{camera.name || camera.id}</p>
      </Head>
      <p class="faint">{w.how}</p>
      {blind && <Trouble>{t.live.noPicture}</Trouble>}
      <div class="canvas" ref={stage} data-testid="zone-canvas" onPointerDown={tap}>
        <img src={still} alt={w.still} draggable={false} onError={() => setBlind(true)} />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          <polygon points={corners.map((corner) => corner.join(",")).join(" ")} />
        </svg>
        {corners.map(([x, y], n) => (
          <button
            key={n}
            type="button"
            class={n === held ? "corner held" : "corner"}
            data-testid="zone-corner"
            aria-label={w.corner(n + 1)}
            style={{ left: `${x * 100}%`, top: `${y * 100}%` }}
            onPointerDown={(e) => {
              e.currentTarget.setPointerCapture(e.pointerId);
              setHeld(n);
            }}
            onPointerMove={(e) => {
              if (e.currentTarget.hasPointerCapture(e.pointerId)) setCorners(moved(corners, n, at(e)));
            }}
            onKeyDown={(e) => key(e, n)}
          />
        ))}
      </div>
      <div class="toolbar">
        <button
          type="button"
          class="button"
          data-testid="zone-remove"
          disabled={corners.length <= FEWEST}
          onClick={() => change(removed(corners, held), held)}
        >
          {w.remove(held + 1)}
        </button>
        <button type="button" class="button" onClick={() => change(FIRST, 0)}>
          {w.again}
        </button>
      </div>
      <label class="field">
        <span>{w.name}</span>
        <input
          data-testid="zone-name"
          value={name}
          maxLength={32}
          autocapitalize="none"
          spellcheck={false}
          onInput={(e) => setName(asId(e.currentTarget.value))}
        />
      </label>
      {corners.length >= MOST && <p class="faint">{w.most(MOST)}</p>}
      {isCrossed(corners) ? (
        <Trouble>{w.crossed}</Trouble>
      ) : (
        <>
          <pre data-testid="zone-toml">{toToml(camera.id, name, corners)}</pre>
          <p class="faint">{seldom.limit.where}</p>
        </>
      )}
    </>
  );
}
