"""How fast the console's pages are: one browser, the real server, a large lake.

The pages take turns within each round, and each round is begun by another one. Server and browser
share the same processors. The targets are that a page is interactive within 200 ms, and that it
takes at most 100 KB over the wire when the browser has nothing of it yet.
"""

import argparse
import http.client
import json
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import sync_playwright

import lake
from ours import Http
from processes import Failed, Processes
from report import aligned, machine

TARGET_MS = 200
TARGET_BYTES = 100_000
ROLES = ["enterprise_admin", "auditor", "operator"]
# Which of them see all tenants.
ABOVE_TENANTS = ["operator"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
WINDOW = {"width": 1280, "height": 900}
PATIENCE_S = 60
KEY_S = 24 * 60 * 60
# The days of the overview, the current one among them.
OVERVIEW_DAYS = 90
DAY_S = 24 * 60 * 60

# The whole quarter of the sample.
QUARTER = {"from": "2026-01-01T00:00:00+00:00", "to": lake.QUARTER_END}
ADMIN = QUARTER | {"type": "admin.*"}
LOGS = "/logs"

# Runs before the scripts of a page. The figures come with the document or after it; here they
# count once a frame with them was made: what a frame's callback sees is in that frame, and the
# timer behind it runs when the frame is done. Pages without figures get no frames they did not
# ask for.
WATCH_FIGURES = """
if (location.pathname === '/logs') {
  globalThis.figuresShown = new Promise((resolve) => {
    const has = (selector) => document.querySelector(selector) !== null;
    const look = () => {
      if (has('#over-time .note')) resolve(null);
      else if (has('#over-time #histogram') && has('#facets .facet')) {
        setTimeout(() => resolve(performance.now()));
      } else if (performance.now() > PATIENCE_MS) resolve(null);
      else requestAnimationFrame(look);
    };
    look();
  });
}
""".replace("PATIENCE_MS", str(PATIENCE_S * 1000))
FIGURES = "() => globalThis.figuresShown"

# All times are since the visit began. What came from the cache has a transfer size of 0; what
# came over the wire has its packed size, and 300 bytes that stand for its headers.
READ = """() => {
  const [visit] = performance.getEntriesByType('navigation');
  const all = [visit, ...performance.getEntriesByType('resource')];
  return {
    first_byte_ms: visit.responseStart,
    interactive_ms: visit.domInteractive,
    ready_ms: visit.domContentLoadedEventEnd,
    document_bytes: visit.transferSize,
    bytes: all.reduce((sum, of) => sum + of.transferSize, 0),
    requests: all.length,
  };
}"""
# A page that says that something went wrong, or is missing, would look fast.
WRONG = "main .note.warn, main [role=alert]:not([hidden])"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--auditlake", required=True, type=Path, help="the binary (--release)")
    parser.add_argument("--chromium", type=Path, default=Path("/usr/bin/chromium"))
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5, help="after one that is not counted")
    parser.add_argument("--threads", type=int, default=2, help="processors for all together")
    parser.add_argument("--role", choices=ROLES, default=ROLES[0], help="who looks at the pages")
    parser.add_argument("--work", required=True, type=Path, help="a folder on disk; keeps the lake")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds to make the lake")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    given.auditlake, given.work = given.auditlake.resolve(), given.work.resolve()
    for path in (given.json, given.report):
        if path and not path.parent.is_dir():
            parser.error(f"there is no folder {path.parent}")  # now, not after the lake is made
    return given


class Bench:
    def __init__(self, given, processes):
        self.given, self.processes = given, processes
        self.lake = lake.Lake(given, processes)
        self.server = Http(self)

    def run(self):
        """Answers the pages with their figures, and what was measured with."""
        folder = self.lake.folder
        if not folder.exists():
            lake.make(self.processes, self.given.auditlake, self.given.events, folder)
        try:
            self.server.start()
            found = self.find()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=self.given.chromium, args=FLAGS)
                visitor = Visitor(browser, f"http://127.0.0.1:{self.server.port}")
                visitor.sign_in(self.make_key(found["tenant"]))
                pages = measure(visitor, self.given.runs)
                versions = {"auditlake": self.server.version, "chromium": browser.version}
                browser.close()
        finally:
            self.server.stop()
        return pages, found | {"versions": versions}

    def ask(self, method, path, body=None):
        """What the server answers its operator; this is beside the browser and the clock."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {self.server.key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status >= 300:
            raise Failed(f"{path}: {answer.status} {text}")
        return text

    def count(self, **filter):
        """Counts events by tenant."""
        asked = urlencode({"columns": "tenant_id", "limit": 1} | filter)
        return json.loads(self.ask("GET", f"/v1/events/facets?{asked}"))

    def find(self):
        """The tenant with the most events, and how many there are to be seen."""
        counted = self.count(**QUARTER)
        if counted["total"] != self.given.events:
            raise Failed(f"{self.lake.folder} has {counted['total']} events of the sample, not "
                         f"{self.given.events}; remove it first")
        largest = counted["facets"]["tenant_id"][0]
        tenant, seen, mine = largest["value"], largest["events"], {}
        if self.given.role in ABOVE_TENANTS:
            seen = counted["total"]
        else:
            mine = {"tenant_id": tenant}
        first = time.gmtime(time.time() - (OVERVIEW_DAYS - 1) * DAY_S)
        recent = self.count(**{"from": time.strftime("%Y-%m-%d", first)} | mine)["total"]
        return {"tenant": tenant, "seen": seen, "in_overview": recent}

    def make_key(self, tenant):
        """A key for the visitor, which ends by itself."""
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + KEY_S))
        wanted = {"name": "console bench", "role": self.given.role, "expires_at": ends}
        if self.given.role not in ABOVE_TENANTS:
            wanted["tenant_id"] = tenant
        key = json.loads(self.ask("POST", "/v1/keys", wanted))["key"]
        # The making of the key is an event itself. It is committed before the clock runs, and
        # there is a checkpoint for the page that shows one.
        fresh = urlencode({"tenant_id": tenant, "fresh": "true"})
        self.ask("GET", f"/v1/log/checkpoint?{fresh}")
        return key


class Visitor:
    """Somebody with a browser, who is signed in."""

    def __init__(self, browser, url):
        self.browser, self.url, self.session = browser, url, None
        self.page = self.arrive()

    def arrive(self):
        """A window of a browser that has nothing in its cache."""
        context = self.browser.new_context(
            base_url=self.url, viewport=WINDOW, locale="en-GB", timezone_id="UTC",
            storage_state=self.session)
        context.set_default_timeout(PATIENCE_S * 1000)
        context.add_init_script(WATCH_FIGURES)
        return context.new_page()

    def sign_in(self, key):
        self.page.goto("/login")
        self.page.get_by_label("Key", exact=True).fill(key)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(f"{self.url}/")
        self.session = self.page.context.storage_state()

    def pages(self):
        """The pages by name, and where they are."""
        # An event from the middle of the quarter, so that segments lie on both sides of it.
        week = lake.WEEK | {"type": ADMIN["type"]}
        self.look(self.page, f"{LOGS}?{urlencode(week)}")
        event = self.page.locator("[data-open]").first.get_attribute("data-fragment")
        return {
            "overview": "/",
            "logs": LOGS,
            "logs filtered": f"{LOGS}?{urlencode(ADMIN)}",
            "event": event,
            "export": f"/export?{urlencode(ADMIN)}",
            "exports": "/exports",
            "saved queries": "/queries",
            "integrity": "/integrity",
            "access": "/access",
        }

    def look(self, page, path, until="load"):
        """Visits a page, and says what that took."""
        answer = page.goto(path, wait_until=until)
        at = urlsplit(page.url)
        if answer.status != 200 or at.path != urlsplit(path).path:
            raise Failed(f"{path}: {answer.status}, at {at.path}")
        shown = None
        if at.path == LOGS:
            shown = page.evaluate(FIGURES)
            if shown is None:
                raise Failed(f"{path}: the figures are not complete")
        wrong = page.locator(WRONG)
        if wrong.count() > 0:
            raise Failed(f"{path}: {wrong.first.inner_text()}")
        return page.evaluate(READ) | {"figures_ms": shown}

    def time(self, path):
        """A visit with the assets in the cache, as after the first of the day."""
        took = self.look(self.page, path)
        return {name: value for name, value in took.items() if name.endswith("_ms")}

    def weigh(self, path):
        """What a visit takes over the wire with an empty cache, until the page asks no more."""
        page = self.arrive()
        try:
            took = self.look(page, path, until="networkidle")
        finally:
            page.context.close()
        return {name: took[name] for name in ("document_bytes", "bytes", "requests")}


def measure(visitor, rounds):
    pages = list(visitor.pages().items())
    for _, path in pages:
        visitor.time(path)  # fills the browser's cache and the server's
    taken = {name: [] for name, _ in pages}
    for round in range(rounds):
        print(f"round {round + 1} of {rounds}", file=sys.stderr)
        turn = round % len(pages)
        for name, path in pages[turn:] + pages[:turn]:
            taken[name].append(visitor.time(path))
    return [{"page": name, "path": path} | visitor.weigh(path) | summary(taken[name])
            for name, path in pages]


def summary(runs):
    """The median and the worst of each time; none of what a page does not have."""
    told = {"median": {}, "worst": {}, "runs": runs}
    for name in runs[0]:
        values = [run[name] for run in runs]
        missing = None in values
        told["median"][name] = None if missing else statistics.median(values)
        told["worst"][name] = None if missing else max(values)
    return told


def cells(pages):
    yield ["page", "first byte", "interactive", "ready", "figures", "document", "everything"]
    yield ["---"] + ["---:"] * 6
    yield ["target", "", f"{TARGET_MS} ms", "", "", "", f"{TARGET_BYTES / 1000:.0f} KB"]
    for of in pages:
        times = [cell(of, name) for name in
                 ("first_byte_ms", "interactive_ms", "ready_ms", "figures_ms")]
        sizes = [f"{of[name] / 1000:.1f} KB" for name in ("document_bytes", "bytes")]
        yield [of["page"], *times, *sizes]


def cell(of, name):
    median, worst = of["median"][name], of["worst"][name]
    return "–" if median is None else f"{median:.0f} ms ({worst:.0f})"


def verdicts(pages):
    """The slowest page counts, and the heaviest. A page can be read before its scripts have
    run, so when these are done is told beside the target."""
    for name, what in (("interactive_ms", "interactive"), ("ready_ms", "ready")):
        slowest = max(pages, key=lambda of: of["median"][name])
        value = slowest["median"][name]
        yield (f"Every page {what} within {TARGET_MS} ms: {says(value <= TARGET_MS)} "
               f"({slowest['page']}, {value:.0f} ms; worst of all rounds "
               f"{max(of['worst'][name] for of in pages):.0f} ms).")
    heaviest = max(pages, key=lambda of: of["bytes"])
    yield (f"Every page at most {TARGET_BYTES / 1000:.0f} KB: "
           f"{says(heaviest['bytes'] <= TARGET_BYTES)} "
           f"({heaviest['page']}, {heaviest['bytes'] / 1000:.1f} KB).")


def says(met):
    return "met" if met else "missed"


def markdown(told):
    found, versions = told["machine"], told["versions"]
    lines = ["# How fast the console is", "", f"- date: {told['date']}",
             f"- machine: {found['cpu']}, {found['used']} of {found['processors']} processors, "
             f"{found['memory_gib']} GiB, {found['kernel']}",
             f"- versions: auditlake {versions['auditlake']}, Chromium {versions['chromium']}",
             f"- {told['events']:,} events, of which the visitor ({told['role']}) sees "
             f"{told['seen']:,}; {told['in_overview']:,} in the days of the overview",
             f"- medians of {told['rounds']} rounds, and the worst", "",
             aligned(cells(told["pages"])), "", *verdicts(told["pages"])]
    return "\n".join(lines) + "\n"


def main():
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    processes = Processes(given.work, given.threads, given.timeout)
    pages, found = Bench(given, processes).run()
    told = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "events": given.events,
            "machine": machine(processes.processors), "rounds": given.runs,
            "role": given.role} | found | {"pages": pages}
    text = markdown(told)
    print(text)
    if given.report:
        given.report.write_text(text)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
