"""A headless Chromium, controlled over a pipe with the DevTools protocol."""

import base64
import contextlib
import io
import itertools
import json
import os
import shutil
import subprocess
import time

from PIL import Image

PATIENCE = 120

# All text of a page, including that of custom elements.
TEXT = """
(function text(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeName === 'STYLE' || node.nodeName === 'SCRIPT') return '';
  const inner = node.shadowRoot ? text(node.shadowRoot) : '';
  return inner + [...node.childNodes].map(text).join(' ');
})(document.body)
"""


class Browser:
    """Created by `chromium`."""

    def __init__(self, process, to_browser, from_browser):
        self.process = process
        self.to_browser = to_browser
        self.from_browser = from_browser
        self.numbers = itertools.count(1)
        self.events = []  # what it has said unasked

    def call(self, method, session=None, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self.to_browser.write(json.dumps(message).encode() + b"\0")
        self.to_browser.flush()
        while True:
            answer = json.loads(self.read())
            if answer.get("id") == number:
                assert "result" in answer, answer
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def read(self):
        message = bytearray()
        while (byte := self.from_browser.read(1)) != b"\0":
            assert byte, "the browser has gone"
            message += byte
        return message

    def open(self, url):
        target = self.call("Target.createTarget", url=url)["targetId"]
        return Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])


class Page:
    def __init__(self, browser, session):
        self.browser = browser
        self.session = session

    def evaluate(self, expression):
        result = self.browser.call("Runtime.evaluate", self.session, expression=expression, returnByValue=True)["result"]
        return result.get("value")

    def words(self):
        """The text of the page."""
        return (self.evaluate(TEXT) or "").split()

    def picture(self):
        data = self.browser.call("Page.captureScreenshot", self.session)["data"]
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")

    def until(self, condition, folder):
        """Waits until `condition(page)`; saves page.png in `folder` at a timeout."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self):
            if time.monotonic() > deadline:
                self.picture().save(folder / "page.png")
                raise AssertionError(f"the page does not show it: {folder / 'page.png'}; it says {' '.join(self.words())}")
            time.sleep(0.2)


@contextlib.contextmanager
def chromium(profile):
    """A Browser with its profile in the folder."""
    program = shutil.which("chromium")
    assert program, "launch/setup.sh --tests installs Chromium"
    (their_input, our_output), (our_input, their_output) = os.pipe(), os.pipe()
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
               "--window-size=1200,1600", f"--user-data-dir={profile}"]
    # The protocol uses descriptors 3 and 4.
    script = f'exec "$@" 3<&{their_input} 4>&{their_output}'
    with subprocess.Popen(["bash", "-c", script, "bash", *command], pass_fds=(their_input, their_output),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.close(their_input)
        os.close(their_output)
        with os.fdopen(our_output, "wb") as to_browser, os.fdopen(our_input, "rb") as from_browser:
            browser = Browser(process, to_browser, from_browser)
            try:
                yield browser
                browser.call("Browser.close")
                process.wait(timeout=PATIENCE)
            finally:
                process.kill()
