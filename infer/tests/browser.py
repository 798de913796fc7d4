"""Opens a page in headless Chromium and runs steps in it, by the DevTools protocol over a pipe.

Usage: browser.py CHROMIUM PAGE < steps.json > result.json

Steps are a list of JavaScript expressions (awaited when they are promises), or objects with
"screenshot" (a file), and optionally "width", "height" and "dark". The result has the values of the
expressions, everything the console said, every uncaught error and every address requested. Only the
standard library is needed.
"""

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time


class Browser:
    def __init__(self, program, profile):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        # Chromium reads commands from descriptor 3 and writes to 4.
        shell = 'exec 3<&%d 4>&%d; exec "$0" "$@"' % (theirs_in, theirs_out)
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-dev-shm-usage", "--remote-debugging-pipe", "--user-data-dir=" + profile,
            "about:blank",
        ]
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", shell, program, *arguments],
            pass_fds=[theirs_in, theirs_out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.inward, self.outward = ours_in, ours_out
        self.rest, self.number, self.events = b"", 0, []

    def message(self, deadline):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.inward], [], [], max(0.0, deadline - time.time()))
            if not ready:
                return None
            piece = os.read(self.inward, 1 << 20)
            if not piece:
                raise SystemExit("Chromium ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.outward, data):]
        deadline = time.time() + 60
        while True:
            message = self.message(deadline)
            if message is None:
                raise SystemExit("Chromium did not answer " + method)
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(method + ": " + json.dumps(message["error"]))
                return message["result"]
            self.events.append(message)

    def wait(self, method, seconds):
        deadline = time.time() + seconds
        while not any(event.get("method") == method for event in self.events):
            message = self.message(deadline)
            if message is None:
                raise SystemExit("no " + method)
            self.events.append(message)


def main():
    program, page = sys.argv[1:]
    steps = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            result = run(browser, page, steps)
        finally:
            browser.process.kill()
            browser.process.wait()
    json.dump(result, sys.stdout)


def clip(browser, session, step):
    """The whole page where that is wanted, and no more than 8000 pixels of it."""
    if not step.get("full"):
        return {}
    size = browser.call("Page.getLayoutMetrics", session)["cssContentSize"]
    return {"clip": {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": min(size["height"], 8000)}}


def run(browser, page, steps):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(domain + ".enable", session)
    browser.call("Page.navigate", session, url=page if "://" in page else "file://" + os.path.abspath(page))
    browser.wait("Page.loadEventFired", 60)
    values = []
    for step in steps:
        if isinstance(step, str):
            answer = browser.call("Runtime.evaluate", session, expression=step, awaitPromise=True,
                                  returnByValue=True, userGesture=True)
            if "exceptionDetails" in answer:
                raise SystemExit(step + ": " + json.dumps(answer["exceptionDetails"]))
            values.append(answer["result"].get("value"))
            continue
        browser.call("Emulation.setEmulatedMedia", session, features=[
            {"name": "prefers-color-scheme", "value": "dark" if step.get("dark") else "light"}])
        browser.call("Emulation.setDeviceMetricsOverride", session, width=step.get("width", 1280),
                     height=step.get("height", 900), deviceScaleFactor=1, mobile=False)
        time.sleep(0.5)
        picture = browser.call("Page.captureScreenshot", session,
                               captureBeyondViewport=bool(step.get("full")),
                               **clip(browser, session, step))
        with open(step["screenshot"], "wb") as file:
            file.write(base64.b64decode(picture["data"]))
    # Whatever is still under way gets time to fail.
    browser.call("Runtime.evaluate", session, awaitPromise=True,
                 expression="new Promise((done) => setTimeout(done, 300))")
    result = {"values": values, "console": [], "errors": [], "requests": []}
    for event in browser.events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled":
            result["console"].append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            result["console"].append(parameters["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            result["errors"].append(parameters["exceptionDetails"]["text"])
        elif method == "Network.requestWillBeSent":
            result["requests"].append(parameters["request"]["url"][:200])
    return result


main()
