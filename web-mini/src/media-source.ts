// The browser → the MediaSource class it has, if any. Phones of Apple have only the managed one.

declare global {
  interface Window {
    ManagedMediaSource?: typeof MediaSource;
  }
}

export interface MediaSourceKind {
  make: typeof MediaSource;
  managed: boolean;
}

export function findMediaSource(): MediaSourceKind | null {
  if (typeof window === "undefined") return null;
  if (typeof window.MediaSource === "function") return { make: window.MediaSource, managed: false };
  if (typeof window.ManagedMediaSource === "function") return { make: window.ManagedMediaSource, managed: true };
  return null;
}
