// Cameras → a grid of live tiles; a tap opens one.
import { LivePicture } from "../parts/live-picture.tsx";
import { Empty, Head, Loading, StateChip } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { cameras } from "../store.ts";
import type { CameraStatus } from "../types.ts";
import { t } from "../words.ts";

export function Live() {
  const all = cameras.value;
  const recording = all?.filter((c) => c.state === "recording").length ?? 0;
  return (
    <>
      <Head title={t.live.title}>
        {all && all.length > 0 && (
          <p class="faint" role="status">
            {t.live.recordingOf(recording, all.length)}
          </p>
        )}
      </Head>
      {all === null && <Loading />}
      {all?.length === 0 && (
        <Empty icon="live" title={t.live.empty}>
          {t.live.emptyMend}
        </Empty>
      )}
      <ul class="live-grid">
        {all?.map((camera) => (
          <li key={camera.id}>
            <Tile camera={camera} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Tile({ camera }: { camera: CameraStatus }) {
  return (
    <a
      class="tile"
      href={linkTo("live", camera.id)}
      data-testid={`live-tile-${camera.id}`}
      aria-label={t.live.enlarge(camera.name || camera.id)}
    >
      <LivePicture camera={camera} stream="sub" />
      <div class="tile-foot">
        <p class="tile-name">{camera.name || camera.id}</p>
        <span role="status">
          <StateChip state={camera.state} />
        </span>
        {camera.mend && <p class="tile-mend">{camera.mend}</p>}
      </div>
    </a>
  );
}
