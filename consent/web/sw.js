// Offline: one published version whole, never two mixed, never an answer of the vault.
// FILES gives each path its hash: another page than the one of this worker is not kept.
const FILES = {{files}}, CACHE = "cv-{{version}} " + FILES["/"];
const asked = Object.entries(FILES).map(([path, integrity]) => new Request(path, { integrity }));
self.addEventListener("install", (event) => event.waitUntil(
  caches.open(CACHE).then((cache) => cache.addAll(asked)).then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(caches.keys()
  .then((names) => Promise.all(names.map((name) => name !== CACHE && caches.delete(name))))
  .then(() => self.clients.claim())));
const kept = (path) => caches.open(CACHE).then((cache) => cache.match(path));
self.addEventListener("fetch", (event) => {
  const { request } = event, { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  if (request.mode === "navigate" && ["/", "/authorize"].includes(pathname)) {
    const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 3000);
    event.respondWith(fetch(request, { signal: stop.signal })
      .finally(() => clearTimeout(timer)).catch(() => kept("/")));
  } else if (Object.hasOwn(FILES, pathname))
    event.respondWith(kept(pathname).then((found) => found ?? fetch(request)));
});
