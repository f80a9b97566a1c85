// A camera's newest still with shapes on it; one of them has corners that a thumb or the arrow keys move.
import { useEffect, useRef, useState } from "preact/hooks";
import { urls } from "../api.ts";
import { Trouble } from "../parts/small.tsx";
import type { Corner } from "../types.ts";
import { t } from "../words.ts";
import { added, moved } from "./polygon.ts";
import { wayIn, type Shape } from "./shapes.ts";
import { seldom } from "./words.ts";

/** A recorder that has just started has no picture yet. */
const AGAIN_MS = 2_000;

interface CanvasProps {
  camera: string;
  shapes: readonly Shape[];
  /** The shape that is drawn. */
  at: number;
  /** Its corner that was touched last. */
  corner: number;
  onCorner: (n: number) => void;
  onPoints: (points: readonly Corner[]) => void;
}

export function Canvas({ camera, shapes, at, corner, onCorner, onPoints }: CanvasProps) {
  const stage = useRef<HTMLDivElement>(null);
  /** How often the picture was asked for. */
  const [tries, setTries] = useState(1);
  const [isBlind, setBlind] = useState(false);
  useEffect(() => {
    if (!isBlind) return;
    const timer = setTimeout(() => setTries(tries + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [isBlind, tries]);
  const shape = shapes[at];
  const corners = shape?.points ?? [];
  const w = seldom.zone;

  function place(e: PointerEvent): Corner {
    const box = stage.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1);
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
  }
  /** A tap beside the corners makes one where the nearest side is. */
  function tap(e: PointerEvent): void {
    if (e.target instanceof HTMLButtonElement || !shape || shape.kind === "line") return;
    const spot = place(e);
    const next = added(corners, spot);
    onPoints(next);
    onCorner(Math.max(0, next.indexOf(spot)));
  }
  /** Arrow keys move a corner by a hundredth. */
  function key(e: KeyboardEvent, n: number): void {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    const old = corners[n];
    if (!step || !old) return;
    e.preventDefault();
    onPoints(moved(corners, n, [old[0] + (step[0] ?? 0) / 100, old[1] + (step[1] ?? 0) / 100]));
  }

  return (
    <>
      {isBlind && <Trouble>{t.live.noPicture}</Trouble>}
      <div class="canvas" ref={stage} data-testid="zone-canvas" onPointerDown={tap}>
        <img
          key={tries}
          src={urls.snapshot(camera)}
          alt={w.still}
          draggable={false}
          onLoad={() => setBlind(false)}
          onError={() => setBlind(true)}
        />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          {shapes.map((one, n) => (
            <Outline key={n} shape={one} isDrawn={n === at} />
          ))}
        </svg>
        {corners.map(([x, y], n) => (
          <button
            key={n}
            type="button"
            class={n === corner ? "corner held" : "corner"}
            data-testid="zone-corner"
            aria-label={w.corner(n + 1)}
            style={{ left: `${x * 100}%`, top: `${y * 100}%` }}
            onPointerDown={(e) => {
              e.currentTarget.setPointerCapture(e.pointerId);
              onCorner(n);
            }}
            onPointerMove={(e) => {
              if (e.currentTarget.hasPointerCapture(e.pointerId)) onPoints(moved(corners, n, place(e)));
            }}
            onKeyDown={(e) => key(e, n)}
          />
        ))}
      </div>
    </>
  );
}

/** A line's arrow points the way that rules call "in". */
function Outline({ shape, isDrawn }: { shape: Shape; isDrawn: boolean }) {
  const text = (points: readonly Corner[]): string => points.map((point) => point.join(",")).join(" ");
  const style = `${shape.kind}${isDrawn ? " drawn" : ""}`;
  if (shape.kind !== "line") return <polygon class={style} points={text(shape.points)} />;
  return (
    <g class={style}>
      <polyline points={text(shape.points)} />
      <polyline class="way" points={text(wayIn(shape.points))} />
    </g>
  );
}
