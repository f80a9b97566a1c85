// One camera's live picture: video or stills, boxes above it, and the word for how it plays.
import { useEffect, useRef, useState } from "preact/hooks";
import { urls } from "../api.ts";
import { LivePlayer, type LiveStatus } from "../live.ts";
import { Stills } from "../stills.ts";
import type { CameraStatus, StreamKind, ZoneView } from "../types.ts";
import { t } from "../words.ts";
import { Boxes } from "./boxes.tsx";
import { Icon } from "./icon.tsx";
import { useVisible } from "./visible.ts";

interface LivePictureProps {
  camera: CameraStatus;
  stream: StreamKind;
  muted?: boolean;
  zones?: readonly ZoneView[];
}

const NO_ZONES: readonly ZoneView[] = [];

export function LivePicture({ camera, stream, muted = true, zones = NO_ZONES }: LivePictureProps) {
  const frame = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const image = useRef<HTMLImageElement>(null);
  const player = useRef<LivePlayer | null>(null);
  const [status, setStatus] = useState<LiveStatus>({ rung: "connecting", why: null, detail: "" });
  const [still, setStill] = useState<string | null>(null);
  const [shown, setShown] = useState(false);
  const visible = useVisible(frame);

  useEffect(() => {
    if (!video.current) return;
    const mine = new LivePlayer(video.current, urls.live(camera.id, stream), setStatus);
    player.current = mine;
    setShown(false);
    return () => mine.close();
  }, [camera.id, stream]);

  useEffect(() => {
    if (visible) player.current?.start();
    else player.current?.stop();
  }, [visible, camera.id, stream]);

  useEffect(() => {
    if (video.current) video.current.muted = muted;
  }, [muted, camera.id, stream]);

  const onStills = status.rung === "stills" && visible;
  useEffect(() => {
    if (!onStills) return;
    const stills = new Stills(urls.snapshot(camera.id), setStill);
    stills.start();
    return () => {
      stills.close();
      setStill(null);
    };
  }, [onStills, camera.id]);

  const main = camera.streams.find((s) => s.kind === stream && s.width > 0) ?? camera.streams[0];
  const ratio = main && main.width > 0 && main.height > 0 ? `${main.width} / ${main.height}` : "16 / 9";
  const hasPicture = onStills ? still !== null : shown;

  return (
    <div class="picture" ref={frame} style={{ aspectRatio: ratio }}>
      <video
        ref={video}
        data-testid={`live-video-${camera.id}`}
        class={onStills ? "under" : ""}
        muted
        playsInline
        disablePictureInPicture
        aria-label={camera.name}
        onLoadedData={() => setShown(true)}
      />
      {onStills && still && <img ref={image} src={still} alt={camera.name} />}
      <Boxes
        key={onStills ? "still" : "video"}
        camera={camera.id}
        picture={onStills ? image : video}
        origin={() => player.current?.originMs ?? null}
        active={visible}
        zones={zones}
      />
      {!hasPicture && (
        <div class="no-picture">
          <Icon name={status.rung === "connecting" && status.why === null ? "live" : "noPicture"} />
        </div>
      )}
      <Rung camera={camera.id} status={status} />
    </div>
  );
}

function Rung({ camera, status }: { camera: string; status: LiveStatus }) {
  return (
    <p class={`rung ${status.rung}`} data-testid={`live-rung-${camera}`} data-rung={status.rung} role="status">
      <b>{t.live.rung[status.rung]}</b>
      {status.why && <span>{whyWords(status)}</span>}
    </p>
  );
}

function whyWords({ why, detail }: LiveStatus): string {
  if (why === null) return "";
  const words = t.live.why[why];
  return typeof words === "string" ? words : words(detail);
}
