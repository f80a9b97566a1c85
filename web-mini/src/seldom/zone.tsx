// A camera's newest still → zones, lines and masks drawn with a thumb, tried on what happened before they are put in force.
import { useState } from "preact/hooks";
import { Empty, Head, Loading, Trouble } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { cameras } from "../store.ts";
import type { CameraStatus, SightView } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Canvas } from "./canvas.tsx";
import { Draft, KeptHead, useKept } from "./draft.tsx";
import { FEWEST, isCrossed, MOST, removed } from "./polygon.ts";
import { asId, begun, nameOf, shapesOf, withShapes, type Kind, type Shape } from "./shapes.ts";
import { seldom } from "./words.ts";

const KINDS: readonly Kind[] = ["zone", "line", "mask"];

export function ZonePage({ id }: { id: string | null }) {
  if (cameras.value === null) return <Loading />;
  const camera = cameras.value.find((c) => c.id === id);
  return camera ? <Drawing camera={camera} /> : <Empty icon="live" title={t.live.empty} />;
}

function Drawing({ camera: { id, name } }: { camera: CameraStatus }) {
  const { kept, renew, ...state } = useKept(() => asks.sight(id));
  return (
    <>
      <Head title={t.live.draw} back={linkTo("live", id)}>
        <p class="faint">{name || id}</p>
      </Head>
      <KeptHead kept={kept} {...state} />
      {kept && <Editor camera={id} kept={kept} onBack={() => asks.saveSight(id, null).then(renew)} />}
    </>
  );
}

function Editor({ camera, kept, onBack }: { camera: string; kept: SightView; onBack: () => Promise<void> }) {
  const [shapes, setShapes] = useState<readonly Shape[]>(() => {
    const found = shapesOf(kept.sight);
    return found.length > 0 ? found : [begun("zone", [])];
  });
  const [at, setAt] = useState(0);
  const [corner, setCorner] = useState(0);
  const w = seldom.zone;
  const shape = shapes[at];

  function change(next: Shape): void {
    setShapes(shapes.map((old, n) => (n === at ? next : old)));
  }
  function choose(n: number): void {
    setAt(n);
    setCorner(0);
  }
  function add(kind: Kind): void {
    setShapes([...shapes, begun(kind, shapes)]);
    choose(shapes.length);
  }
  const title = (one: Shape, n: number): string =>
    nameOf(one) ?? w.maskOf(shapes.slice(0, n + 1).filter((other) => other.kind === "mask").length);

  const crossed = shapes.findIndex((one) => one.kind !== "line" && isCrossed(one.points));
  const sight = withShapes(kept.sight, shapes);
  return (
    <>
      <Canvas
        camera={camera}
        shapes={shapes}
        at={at}
        corner={corner}
        onCorner={setCorner}
        onPoints={(points) => shape && change({ ...shape, points })}
      />
      <div class="toolbar" role="group" aria-label={w.shapes}>
        {shapes.map((one, n) => (
          <button
            key={n}
            type="button"
            class={`button ${one.kind}`}
            data-testid="zone-shape"
            aria-pressed={n === at}
            onClick={() => choose(n)}
          >
            {title(one, n)}
          </button>
        ))}
        {KINDS.map((kind) => (
          <button key={kind} type="button" class="text-button" data-testid={`zone-add-${kind}`} onClick={() => add(kind)}>
            + {w.kinds[kind]}
          </button>
        ))}
      </div>
      {shape && (
        <>
          <p class="faint">{w.how[shape.kind]}</p>
          {shape.kind !== "mask" && (
            <label class="field">
              <span>{w.name}</span>
              <input
                data-testid="zone-name"
                value={shape.id}
                maxLength={32}
                autocapitalize="none"
                spellcheck={false}
                onInput={(e) => change({ ...shape, id: asId(e.currentTarget.value) })}
              />
            </label>
          )}
          <div class="toolbar">
            {shape.kind !== "line" && (
              <button
                type="button"
                class="button"
                data-testid="zone-corner-remove"
                disabled={shape.points.length <= FEWEST}
                onClick={() => {
                  change({ ...shape, points: removed(shape.points, corner) });
                  setCorner(Math.min(corner, shape.points.length - 2));
                }}
              >
                {w.removeCorner(corner + 1)}
              </button>
            )}
            <button
              type="button"
              class="button"
              data-testid="zone-remove"
              onClick={() => {
                setShapes(shapes.filter((_, n) => n !== at));
                choose(0);
              }}
            >
              {w.remove(title(shape, at))}
            </button>
          </div>
          {shape.kind !== "line" && shape.points.length >= MOST && <p class="faint">{w.most(MOST)}</p>}
        </>
      )}
      {crossed >= 0 && <Trouble>{w.crossed}</Trouble>}
      <p class="faint">{w.tried}</p>
      <Draft
        draft={JSON.stringify(sight)}
        name="zone"
        isBad={crossed >= 0}
        onTry={(hours) => asks.rehearseSight(camera, sight, hours)}
        onSave={() => asks.saveSight(camera, sight)}
        onBack={kept.is_own ? onBack : null}
      />
    </>
  );
}
