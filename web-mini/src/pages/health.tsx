// How the recorder is doing, in words first, numbers below; and the way out.
import { api } from "../api.ts";
import { bytes, duration, number } from "../format.ts";
import { CameraHealth } from "../parts/camera-health.tsx";
import { Icon } from "../parts/icon.tsx";
import { NightCard } from "../parts/night-card.tsx";
import { Chip, Fact, Facts, Head, Loading, Trouble, type Tone } from "../parts/small.tsx";
import { ClockCard, StorageCard, useStorage } from "../parts/storage-card.tsx";
import { cameraName, cameras, health, leave, session } from "../store.ts";
import type { EyeStatus, Health as HealthView, Measured } from "../types.ts";
import { t } from "../words.ts";

export function Health() {
  const all = health.value;
  const [seen, look] = useStorage();
  return (
    <>
      <Head title={t.health.title} />
      {all === null ? (
        <Loading />
      ) : (
        <>
          <Verdict health={all} />
          <div class="panels">
            {seen && <ClockCard seen={seen} onSet={look} />}
            <StorageCard storage={all.storage} more={seen?.storage ?? null} />
            <Eye eye={all.eye} />
            <NightCard />
            <section class="card">
              <h2>{t.health.recorder}</h2>
              <Facts>
                <Fact name={t.health.board}>{all.board}</Fact>
                <Fact name={t.health.version}>{all.version}</Fact>
                <Fact name={t.health.uptime}>{duration(all.uptime_s * 1000)}</Fact>
                <Fact name={t.health.memory}>{bytes(all.rss_bytes)}</Fact>
              </Facts>
            </section>
          </div>
          <h2>{t.health.cameras}</h2>
          <div class="panels">
            {cameras.value?.map((camera) => (
              <CameraHealth key={camera.id} camera={camera} />
            ))}
          </div>
          <Counters counters={all.counters} />
        </>
      )}
      <Account />
    </>
  );
}

function Verdict({ health: { ok, problems } }: { health: HealthView }) {
  return (
    <div role="status">
      {ok ? (
        <div class="verdict good" data-testid="health-ok">
          <Icon name="check" />
          <div>
            <p class="verdict-title">{t.health.ok}</p>
            <p>{t.health.okMore}</p>
          </div>
        </div>
      ) : (
        <div class="verdict bad" data-testid="health-problems">
          <Icon name="alert" />
          <div>
            <p class="verdict-title">{t.health.problems(problems.length)}</p>
            <ul>
              {problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          </div>
        </div>
      )}
    </div>
  );
}

const eyeTone: Record<EyeStatus["state"], Tone> = { running: "good", starting: "busy", restarting: "warn", off: "calm" };

function Eye({ eye }: { eye: EyeStatus }) {
  const total = eye.latency.find((stage) => stage.stage === "total");
  return (
    <section class="card">
      <header>
        <h2>{t.health.eye}</h2>
        <Chip tone={eyeTone[eye.state] ?? "calm"}>{t.health.eyeState[eye.state] ?? eye.state}</Chip>
      </header>
      {eye.error && <Trouble>{eye.error}</Trouble>}
      {eye.quarantine.map((q) => (
        <button key={q.camera} type="button" onClick={() => void api.releaseCamera(q.camera).catch(() => undefined)}>
          {t.health.release(cameraName(q.camera))}
        </button>
      ))}
      {eye.ease !== "normal" && <Trouble>{t.health.eased(eye.ease, eye.eased_by ?? "")}</Trouble>}
      <Facts>
        <Fact name={t.health.model}>
          {eye.model.card || "–"} <code title={eye.model.sha256}>{eye.model.sha256.slice(0, 8)}</code>
        </Fact>
        <Fact name={t.health.inference}>{number(eye.inference_p50_ms, 1)} ms</Fact>
        <Fact name={t.health.load}>{t.health.loadOf(number(eye.cpu * 100, 1))}</Fact>
        {total && (
          <Fact name={t.health.delay}>{t.health.delayOf(number(total.p50_ms, 0), number(total.p99_ms, 0))}</Fact>
        )}
        <Fact name={t.health.inferred}>{t.health.inferredOf(number(eye.inferred), number(eye.decoded))}</Fact>
        <Fact name={t.health.skipped}>{number(eye.skipped_gops)}</Fact>
        <Fact name={t.health.restarts}>{number(eye.restarts)}</Fact>
        <Fact name={t.health.sandbox}>{eye.sandbox || "–"}</Fact>
        {eye.decoders.map(([camera, element]) => (
          <Fact key={camera} name={t.health.decoder(cameraName(camera))}>
            <code>{element}</code>
          </Fact>
        ))}
        {eye.room !== null && <Fact name={t.health.room}>{t.health.roomFor(eye.room)}</Fact>}
      </Facts>
      {eye.measured && <MeasuredBoard measured={eye.measured} />}
    </section>
  );
}

/** Every variant and decoder of this board, with what it costs or why it is not used. */
function MeasuredBoard({ measured }: { measured: Measured }) {
  return (
    <details>
      <summary>{t.health.measured}</summary>
      <p>{measured.board}</p>
      <Facts>
        {measured.models.map((run) => (
          <Fact key={run.card + run.runtime} name={`${run.card}, ${run.runtime}`}>
            {run.fault ?? t.health.perLook(number(run.look_ms ?? 0, 1))}
          </Fact>
        ))}
        {measured.decoders.map((run) => (
          <Fact key={run.codec + run.element} name={`${run.codec === "h264" ? "H.264" : "H.265"}: ${run.element}`}>
            {run.fault ?? t.health.perPicture(number(run.cpu_ms ?? 0, 1))}
          </Fact>
        ))}
      </Facts>
    </details>
  );
}

function Counters({ counters }: { counters: HealthView["counters"] }) {
  return (
    <details class="card counters">
      <summary>
        {t.health.counters} <span class="faint">{t.health.countersNote}</span>
      </summary>
      <Facts>
        {counters.map(([name, value]) => (
          <Fact key={name} name={name}>
            <span class={value > 0 ? "nonzero" : "faint"}>{number(value)}</span>
          </Fact>
        ))}
      </Facts>
    </details>
  );
}

function Account() {
  const who = session.value;
  if (!who) return null;
  return (
    <section class="card account">
      <div>
        <h2>{who.username}</h2>
        <p class="faint">
          {t.health.role[who.role] ?? who.role} · {who.device}
        </p>
      </div>
      <button
        type="button"
        class="button"
        data-testid="logout"
        onClick={() => {
          // Also when the recorder cannot be reached the person at this device wants to be out.
          // First the page falls silent, so that nothing is asked with a session that is over.
          leave();
          void api.logout().catch(() => undefined);
        }}
      >
        {t.health.logout}
      </button>
    </section>
  );
}
