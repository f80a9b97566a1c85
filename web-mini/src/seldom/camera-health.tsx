// One camera's streams in numbers.
import { bitrate, number } from "../format.ts";
import type { CameraStatus, StreamStatus } from "../types.ts";
import { seldom } from "./words.ts";
import { Fact, Facts, StateChip, Trouble } from "../parts/small.tsx";

export function CameraHealth({ camera }: { camera: CameraStatus }) {
  return (
    <section class="card">
      <header>
        <h3>{camera.name || camera.id}</h3>
        <StateChip state={camera.state} />
      </header>
      {camera.mend && <p class="mend">{camera.mend}</p>}
      {camera.streams.map((stream) => (
        <Stream key={stream.kind} stream={stream} />
      ))}
    </section>
  );
}

function Stream({ stream: s }: { stream: StreamStatus }) {
  return (
    <div class="stream">
      <h4>
        {seldom.health.streamName[s.kind] ?? s.kind}
        {s.state !== "recording" && <StateChip state={s.state} />}
      </h4>
      {s.error && <Trouble>{s.error}</Trouble>}
      <Facts>
        <Fact name={seldom.health.codec}>
          <code>{s.codecs || "–"}</code>
        </Fact>
        <Fact name={seldom.health.size}>{s.width > 0 ? `${s.width} × ${s.height}` : "–"}</Fact>
        <Fact name={seldom.health.fps}>{number(s.fps, 1)}</Fact>
        <Fact name={seldom.health.bitrate}>{bitrate(s.bitrate)}</Fact>
        <Fact name={seldom.health.gop}>{s.gop_s > 0 ? `${number(s.gop_s, 1)} s` : "–"}</Fact>
        <Fact name={seldom.health.sessions}>{number(s.sessions)}</Fact>
        <Fact name={seldom.health.drops}>
          <span class={s.dropped_units > 0 ? "nonzero" : ""}>{number(s.dropped_units)}</span>
        </Fact>
      </Facts>
    </div>
  );
}
