// The service's API: pages of entries with their ETags, and its readiness.

const PAGE_SIZE = 1000;
const TIMEOUT_MS = 30_000;
const LIFECYCLES = ["active", "deprecated", "retired"];

/** What a request failed with: "key", "network" or "http" (with the status and the service's own words). */
export class ApiFailure extends Error {
  constructor(kind, { status = 0, message = "", retryAfter = null } = {}) {
    super(message || kind);
    this.kind = kind;
    this.status = status;
    this.serviceMessage = message;
    this.retryAfter = retryAfter;
  }
}

async function request(url, headers = {}) {
  try {
    return await fetch(url, {
      headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiFailure("network");
  }
}

/** A key that no header can carry is a wrong key. */
export const canBeSent = (key) => /^[\x21-\x7e]+$/.test(key);

/** One page: `{after, etag, body, ageSeconds}`; `known` is the same page as it was read before, or undefined. */
async function readPage(url, key, after, known) {
  const query = new URLSearchParams({ view: "all", limit: PAGE_SIZE });
  for (const lifecycle of LIFECYCLES) query.append("lifecycle", lifecycle);
  if (after !== null) query.set("after_id", after);
  const headers = {};
  if (key) headers["x-api-key"] = key;
  if (known?.etag) headers["If-None-Match"] = known.etag;
  const response = await request(`${url}?${query}`, headers);
  const ageSeconds = Number(response.headers.get("age") ?? NaN);
  if (response.status === 304 && known) return { ...known, ageSeconds, isSame: true };
  if (!response.ok) throw await failure(response);
  try {
    const body = await response.json();
    return { after, etag: response.headers.get("etag"), body, ageSeconds, isSame: false };
  } catch {
    throw new ApiFailure("network");
  }
}

async function failure(response) {
  if (response.status === 401) return new ApiFailure("key", { status: 401 });
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  let message = "";
  try {
    const body = await response.json();
    if (typeof body?.error?.message === "string") message = body.error.message;
  } catch {
    // A proxy's error page: the status says enough.
  }
  return new ApiFailure("http", { status: response.status, message, retryAfter: Number.isFinite(seconds) ? seconds : null });
}

/**
 * Read the catalog from its start, a page at a time.
 *
 * `known` are the pages of the last reading; each is asked for with its ETag and costs a 304 while it is the same.
 */
export async function* readPages(url, key, known = []) {
  let after = null;
  for (;;) {
    const page = await readPage(url, key, after, known.find((one) => one.after === after));
    yield page;
    if (!page.body.has_more || !page.body.last_id || page.body.last_id === after) return;
    after = page.body.last_id;
  }
}

/** What /readyz tells, whatever its status; null where that is not readable. */
export async function readReadiness(url) {
  try {
    const body = await (await request(url)).json();
    return body && typeof body === "object" && typeof body.status === "string" ? body : null;
  } catch {
    return null;
  }
}
