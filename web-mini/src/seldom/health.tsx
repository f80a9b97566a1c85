// How the recorder is doing, in words first, numbers below; and the way out.
import { bytes, duration, number } from "../format.ts";
import { asks } from "./api.ts";
import { CameraHealth } from "./camera-health.tsx";
import { Icon } from "../parts/icon.tsx";
import { IsolationCard } from "./isolation-card.tsx";
import { NightCard } from "./night-card.tsx";
import { Chip, Fact, Facts, Head, Loading, Trouble, type Tone } from "../parts/small.tsx";
import { ClockCard, StorageCard, useStorage } from "./storage-card.tsx";
import { linkTo } from "../route.ts";
import { cameraName, cameras, health, isAdmin, leave, session } from "../store.ts";
import type { EyeStatus, Health as HealthView, Measured } from "../types.ts";
import { t } from "../words.ts";
import { seldom } from "./words.ts";

export function Health() {
  const all = health.value;
  const [seen, look] = useStorage();
  return (
    <>
      <Head title={seldom.health.title} />
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
            {all.isolation && <IsolationCard isolation={all.isolation} />}
            <section class="card">
              <h2>{seldom.health.recorder}</h2>
              <Facts>
                <Fact name={seldom.health.board}>{all.board}</Fact>
                <Fact name={seldom.health.version}>{all.version}</Fact>
                <Fact name={seldom.health.uptime}>{duration(all.uptime_s * 1000)}</Fact>
                <Fact name={seldom.health.memory}>{bytes(all.rss_bytes)}</Fact>
              </Facts>
              {isAdmin.value && (
                <a class="button wide" data-testid="update-open" href={linkTo("update")}>
                  {seldom.update.open}
                </a>
              )}
            </section>
          </div>
          <h2>{seldom.health.cameras}</h2>
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
            <p class="verdict-title">{seldom.health.ok}</p>
            <p>{seldom.health.okMore}</p>
          </div>
        </div>
      ) : (
        <div class="verdict bad" data-testid="health-problems">
          <Icon name="alert" />
          <div>
            <p class="verdict-title">{t.problems(problems.length)}</p>
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
        <h2>{seldom.health.eye}</h2>
        <Chip tone={eyeTone[eye.state] ?? "calm"}>{seldom.health.eyeState[eye.state] ?? eye.state}</Chip>
      </header>
      {eye.error && <Trouble>{eye.error}</Trouble>}
      {eye.quarantine.map((q) => (
        <button key={q.camera} type="button" onClick={() => void asks.releaseCamera(q.camera).catch(() => undefined)}>
          {seldom.health.release(cameraName(q.camera))}
        </button>
      ))}
      {eye.ease !== "normal" && <Trouble>{seldom.health.eased(eye.ease, eye.eased_by ?? "")}</Trouble>}
      <Facts>
        <Fact name={seldom.health.model}>
          {eye.model.card || "–"} <code title={eye.model.sha256}>{eye.model.sha256.slice(0, 8)}</code>
        </Fact>
        <Fact name={seldom.health.inference}>{number(eye.inference_p50_ms, 1)} ms</Fact>
        <Fact name={seldom.health.load}>{seldom.health.loadOf(number(eye.cpu * 100, 1))}</Fact>
        {total && (
          <Fact name={seldom.health.delay}>{seldom.health.delayOf(number(total.p50_ms, 0), number(total.p99_ms, 0))}</Fact>
        )}
        <Fact name={seldom.health.inferred}>{seldom.health.inferredOf(number(eye.inferred), number(eye.decoded))}</Fact>
        <Fact name={seldom.health.skipped}>{number(eye.skipped_gops)}</Fact>
        <Fact name={seldom.health.restarts}>{number(eye.restarts)}</Fact>
        <Fact name={seldom.health.sandbox}>{eye.sandbox || "–"}</Fact>
        {eye.decoders.map(([camera, element]) => (
          <Fact key={camera} name={seldom.health.decoder(cameraName(camera))}>
            <code>{element}</code>
          </Fact>
        ))}
        {eye.room !== null && <Fact name={seldom.health.room}>{seldom.health.roomFor(eye.room)}</Fact>}
      </Facts>
      {eye.measured && <MeasuredBoard measured={eye.measured} />}
    </section>
  );
}

/** Every variant and decoder of this board, with what it costs or why it is not used. */
function MeasuredBoard({ measured }: { measured: Measured }) {
  return (
    <details>
      <summary>{seldom.health.measured}</summary>
      <p>{measured.board}</p>
      <Facts>
        {measured.models.map((run) => (
          <Fact key={run.card + run.runtime} name={`${run.card}, ${run.runtime}`}>
            {run.fault ?? seldom.health.perLook(number(run.look_ms ?? 0, 1))}
          </Fact>
        ))}
        {measured.decoders.map((run) => (
          <Fact key={run.codec + run.element} name={`${run.codec === "h264" ? "H.264" : "H.265"}: ${run.element}`}>
            {run.fault ?? seldom.health.perPicture(number(run.cpu_ms ?? 0, 1))}
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
        {seldom.health.counters} <span class="faint">{seldom.health.countersNote}</span>
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
          {seldom.health.role[who.role] ?? who.role} · {who.device}
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
          void asks.logout().catch(() => undefined);
        }}
      >
        {seldom.health.logout}
      </button>
    </section>
  );
}
