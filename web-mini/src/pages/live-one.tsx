// One camera, large: choice of stream, sound, zones, and what it saw last.
import { useRef, useState } from "preact/hooks";
import { EventCard } from "../parts/event-card.tsx";
import { useEventFeed } from "../parts/event-feed.ts";
import { Icon } from "../parts/icon.tsx";
import { LivePicture } from "../parts/live-picture.tsx";
import { Empty, Head, Loading, Segments, StateChip } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { cameras, mayOperate, route } from "../store.ts";
import type { CameraStatus, StreamKind } from "../types.ts";
import { t } from "../words.ts";

export function LiveOne({ id }: { id: string }) {
  if (cameras.value === null) return <Loading />;
  const camera = cameras.value.find((c) => c.id === id);
  return camera ? <One camera={camera} /> : <Empty icon="live" title={t.live.empty} />;
}

const RECENT = 6;

function One({ camera }: { camera: CameraStatus }) {
  const stage = useRef<HTMLDivElement>(null);
  const hasSub = camera.streams.some((s) => s.kind === "sub");
  const wanted = route.value.query.get("stream");
  const [stream, setStream] = useState<StreamKind>(wanted === "main" || !hasSub ? "main" : "sub");
  const [muted, setMuted] = useState(true);
  const [zones, setZones] = useState(true);
  const shown = camera.streams.find((s) => s.kind === stream);
  const hasSound = /mp4a|opus|ac-3/i.test(shown?.codecs ?? "");
  const recent = useEventFeed(camera.id, "", RECENT);

  return (
    <>
      <Head title={camera.name || camera.id} back={linkTo("live")}>
        <span role="status">
          <StateChip state={camera.state} />
        </span>
      </Head>
      {camera.mend && <p class="mend">{camera.mend}</p>}
      <div class="stage" ref={stage}>
        <LivePicture camera={camera} stream={stream} muted={muted} {...(zones ? { zones: camera.zones } : {})} />
      </div>
      <div class="toolbar">
        {hasSub && (
          <Segments
            label={t.live.stream}
            value={stream}
            choices={[
              ["sub", t.live.sub],
              ["main", t.live.main],
            ]}
            onChoose={setStream}
          />
        )}
        {camera.zones.length > 0 && (
          <button type="button" class="button" aria-pressed={zones} onClick={() => setZones(!zones)}>
            {t.live.zones}
          </button>
        )}
        {mayOperate.value && (
          <a class="button" data-testid="zone-draw" href={linkTo("zone", camera.id)}>
            {t.live.draw}
          </a>
        )}
        <span class="spring" />
        {hasSound && (
          <button
            type="button"
            class="icon-button framed"
            aria-label={muted ? t.live.sound : t.live.mute}
            aria-pressed={!muted}
            onClick={() => setMuted(!muted)}
          >
            <Icon name={muted ? "mute" : "sound"} />
          </button>
        )}
        {document.fullscreenEnabled && (
          <button
            type="button"
            class="icon-button framed"
            aria-label={t.live.fullscreen}
            onClick={() => void (document.fullscreenElement ? document.exitFullscreen() : stage.current?.requestFullscreen())}
          >
            <Icon name="full" />
          </button>
        )}
        <a class="button to-recordings" href={linkTo("timeline", null, { camera: camera.id })}>
          <Icon name="timeline" />
          {t.live.recordings}
        </a>
      </div>
      <h2>{t.live.recent}</h2>
      {recent.ready && recent.events.length === 0 && <p class="faint">{t.live.noEvents}</p>}
      <ul class="event-list">
        {recent.events.slice(0, RECENT).map((event) => (
          <li key={event.id}>
            <EventCard event={event} />
          </li>
        ))}
      </ul>
    </>
  );
}
