// What the recorder wants to tell people, and whether it can be reached at all.
import { hms } from "../format.ts";
import { linkTo } from "../route.ts";
import { dropNotice, linked, notices } from "../store.ts";
import { t } from "../words.ts";
import { Icon } from "./icon.tsx";

export function Notices() {
  return (
    <div class="notices" aria-live="polite">
      {notices.value.map((notice) => (
        <div key={`${notice.at_ms} ${notice.text}`} class="toast" data-testid="notice">
          <time>{hms(notice.at_ms)}</time>
          {notice.event ? (
            <a href={linkTo("events", notice.event)} onClick={() => dropNotice(notice)}>
              {notice.text}
            </a>
          ) : (
            <span>{notice.text}</span>
          )}
          <button type="button" class="icon-button" aria-label={t.close} onClick={() => dropNotice(notice)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      {!linked.value && (
        <p class="toast offline" data-testid="offline-notice">
          <Icon name="alert" />
          {t.offlineNotice}
        </p>
      )}
    </div>
  );
}
