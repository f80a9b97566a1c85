// A filter → events newest first: pages fetched backwards, and what the update stream brings put on top.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, ApiError } from "../api.ts";
import { mergeEvents } from "../events.ts";
import { epoch, eventNews, sentOut } from "../store.ts";
import type { EventView } from "../types.ts";

const PAGE = 24;

export interface EventFeed {
  events: EventView[];
  /** The first page is there. */
  ready: boolean;
  /** More can be fetched. */
  more: boolean;
  busy: boolean;
  error: string;
  fetchMore: () => void;
}

export function useEventFeed(camera: string, label: string, page = PAGE): EventFeed {
  const [events, setEvents] = useState<EventView[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [ready, setReady] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const turn = useRef(0);

  function get(before: string | null): void {
    const mine = ++turn.current;
    setBusy(true);
    setError("");
    api
      .events({ camera, label, before, limit: page })
      .then((answer) => {
        if (mine !== turn.current) return;
        setEvents((old) => mergeEvents(old, answer.events));
        setNext(answer.next);
        setReady(true);
      })
      .catch((e: unknown) => {
        if (mine !== turn.current || sentOut(e)) return;
        setError(e instanceof ApiError ? e.message : String(e));
        setReady(true);
      })
      .finally(() => mine === turn.current && setBusy(false));
  }

  const again = epoch.value;
  useEffect(() => {
    setEvents([]);
    setReady(false);
    get(null);
  }, [camera, label]);
  useEffect(() => {
    if (ready) get(null);
  }, [again]);

  const news = eventNews.value;
  useEffect(() => {
    if (!news || (camera && news.camera !== camera) || (label && news.label !== label)) return;
    setEvents((old) => mergeEvents(old, [news]));
  }, [news]);

  const fetchMore = (): void => {
    if (!busy && next !== null) get(next);
  };
  return { events, ready, more: next !== null, busy, error, fetchMore };
}
