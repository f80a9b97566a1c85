// The address after "#" → page, id, query, and back. Pure.

export interface Route {
  page: string;
  id: string | null;
  query: URLSearchParams;
}

/** `#/live/front?stream=main` → page "live", id "front", query stream=main. An empty address is the live page. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#?\/?/, "");
  const [path = "", query = ""] = text.split("?", 2);
  const [page = "", id = ""] = path.split("/", 2);
  return { page: page || "live", id: decode(id) || null, query: new URLSearchParams(query) };
}

/** The other way round; null and undefined values are left out. */
export function linkTo(
  page: string,
  id: string | null = null,
  query: Record<string, string | number | null | undefined> = {},
): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) params.set(key, String(value));
  }
  const tail = params.toString();
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${tail ? `?${tail}` : ""}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
