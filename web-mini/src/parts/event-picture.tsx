// An event → its snapshot with the box drawn over it, at the box's best moment.
import { useState } from "preact/hooks";
import { urls } from "../api.ts";
import type { EventView } from "../types.ts";
import { labelWord, t } from "../words.ts";
import { Icon } from "./icon.tsx";

export function EventPicture({ event, testid, big = false }: { event: EventView; testid?: string; big?: boolean }) {
  const [shape, setShape] = useState<string | null>(null);
  const [broken, setBroken] = useState("");
  const url = urls.eventSnapshot(event);
  const { x, y, w, h } = event.bbox;
  const cut = (n: number): string => `${Math.min(100, Math.max(0, n * 100)).toFixed(2)}%`;
  return (
    <div class={big ? "event-picture big" : "event-picture"}>
      {event.snapshot && broken !== url ? (
        <div class="event-frame" style={shape ? { aspectRatio: shape } : {}}>
          <img
            src={url}
            data-testid={testid}
            alt={t.events.on(labelWord(event.label), event.camera)}
            loading={big ? "eager" : "lazy"}
            onLoad={(e) => setShape(`${e.currentTarget.naturalWidth} / ${e.currentTarget.naturalHeight}`)}
            onError={() => setBroken(url)}
          />
          {shape && w > 0 && <i class="event-box" style={{ left: cut(x), top: cut(y), width: cut(w), height: cut(h) }} />}
        </div>
      ) : (
        <div class="no-picture" data-testid={testid}>
          <Icon name="noPicture" />
          <p>{t.events.noPicture}</p>
        </div>
      )}
    </div>
  );
}
