# SPDX-License-Identifier: Apache-2.0
"""A real browser, by the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""
import json
import subprocess
import time
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for one


class Browser:
    def __init__(self, scratch):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.base = f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}/session"
                break
        options = {"binary": "/usr/bin/chromium",
                   "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={scratch}"]}
        self.session = self.ask("POST", "", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True, "goog:chromeOptions": options}}})["sessionId"]
        self.base += "/" + self.session

    def close(self):
        try:
            self.ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.communicate(timeout=20)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()[:2000]}") from error

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *words):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(words)})

    def find(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.ask("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def text(self, selector):
        return self.ask("GET", f"/element/{self.find(selector)}/text")

    def wait(self, selector, words, timeout=60):
        """Until the element's text has them; the text."""
        until = time.monotonic() + timeout
        while words not in (text := self.text(selector)):
            if time.monotonic() > until:
                raise AssertionError(f"{selector} has not {words!r} after {timeout} s, but {text!r}")
            time.sleep(0.2)
        return text
