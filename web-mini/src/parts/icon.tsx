// A name → a 24-pixel line drawing in the text's colour, hidden from screen readers.

const paths = {
  live: "M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5zM15 10.5l6-3.5v10l-6-3.5z",
  timeline: "M3 12h18M6 8v8M10 10v4M14 8v8M18 10v4",
  events: "M12 3.5a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20c.6-4 3.7-6 7.5-6s6.9 2 7.5 6",
  outputs: "M13 3 5 13.5h6L10.5 21 19 10.5h-6z",
  health: "M3 12h4l2.5-6 4 12 2.5-6h5",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  mute: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  alert: "M12 4 2.5 20h19zM12 10v5M12 17.5v.1",
  close: "M6 6l12 12M18 6 6 18",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  keep: "M6 4h12v16l-6-4.5L6 20z",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4",
  noPicture: "M4 6h10a1 1 0 0 1 1 1v10M15 15H4a1 1 0 0 1-1-1V7M15 10.5l6-3.5v10M3 3l18 18",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
