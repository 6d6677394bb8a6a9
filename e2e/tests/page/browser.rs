//! A real headless Chromium, driven over its DevTools protocol.
//!
//! The protocol goes over the pipe that Chromium offers: messages of JSON, each ended by a zero byte. So it needs no port
//! and no WebSocket; a Chromium that ends closes the pipe, and the test says so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::packages;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where pictures of the pages are left, for a person to look at; nowhere, if it is not set.
const PICTURES: &str = "WINDLASS_PAGE_PICTURES";

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) phone: bool,
    pub(crate) dark: bool,
}

pub(crate) const DESKTOP: View = View {
    name: "desktop",
    width: 1400,
    height: 900,
    phone: false,
    dark: false,
};
pub(crate) const DESKTOP_DARK: View = View {
    name: "desktop-dark",
    dark: true,
    ..DESKTOP
};
pub(crate) const PHONE: View = View {
    name: "phone",
    width: 390,
    height: 844,
    phone: true,
    dark: false,
};
pub(crate) const PHONE_DARK: View = View {
    name: "phone-dark",
    dark: true,
    ..PHONE
};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
    session: String,
    view: View,
    /// What the page complained of, the browser's own complaints about it included.
    pub(crate) complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start(view: View) -> Self {
        packages::need("chromium", "chromium").unwrap();
        let profile = TempDir::new().unwrap();
        // Chromium reads the protocol from descriptor 3 and writes it to 4; only a shell can put them there.
        let script = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", "--headless=new", "--no-sandbox"])
            .args(["--remote-debugging-pipe", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking"])
            .args(["--disable-component-update", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut browser = Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
            last: 0,
            session: String::new(),
            view,
            complaints: Vec::new(),
            _profile: profile,
        };
        browser.open();
        browser
    }

    fn open(&mut self) {
        let view = self.view;
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &target);
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.phone}),
        );
        let scheme = if view.dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// Opens an address, and waits until the page says that it is whole.
    pub(crate) fn go(&mut self, address: &str) {
        self.call("Page.navigate", &json!({"url": address}));
        while self.next()["method"] != "Page.loadEventFired" {}
        self.settle();
    }

    /// Waits until the page says that it is whole.
    pub(crate) fn settle(&mut self) {
        let state = self.eval(
            "new Promise((done, fail) => {
               const main = document.getElementById('main');
               const look = () => main.dataset.state !== 'loading' && done(main.dataset.state);
               new MutationObserver(look).observe(main, {attributes: true});
               look();
               setTimeout(() => fail(new Error('the page is still loading')), 60000);
             })",
        );
        assert_eq!(state, "ready", "{:?}", self.complaints);
    }

    /// What an expression comes to in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            &json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        );
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].clone()
    }

    /// The text of the first element that matches.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let selector = json!(selector);
        let text = self.eval(&format!("document.querySelector({selector})?.innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key, and waits until the page is whole again.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            one => (i32::from(one.as_bytes()[0].to_ascii_uppercase()), one),
        };
        let kind = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        let mut event =
            json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
        if key.len() > 1 {
            event["code"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
        self.settle();
    }

    /// Presses Tab until an element that matches has the focus.
    pub(crate) fn tab_to(&mut self, selector: &str) {
        let here = format!("document.activeElement.matches({})", json!(selector));
        for _ in 0..40 {
            self.press("Tab");
            if self.eval(&here) == true {
                return;
            }
        }
        panic!("no {selector} within 40 presses of Tab");
    }

    /// Leaves a picture of the page, if somebody wants to look at it.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os(PICTURES) else {
            return;
        };
        let shot = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let file = format!("{name}-{}.png", self.view.name);
        std::fs::write(folder.join(file), bytes).unwrap();
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() && !method.starts_with("Target.") {
            message["sessionId"] = json!(self.session);
        }
        write!(self.to, "{message}\0").unwrap();
        self.to.flush().unwrap();
        loop {
            let mut reply = self.next();
            if reply["id"] == id {
                assert_eq!(reply["error"], Value::Null, "{method}");
                return reply["result"].take();
            }
        }
    }

    /// The next message; complaints among them are kept.
    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert!(bytes.pop() == Some(0), "Chromium has ended");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"]["text"].to_string());
            }
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(params["exceptionDetails"].to_string());
            }
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.complaints.push(params["args"].to_string());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The pipe's end tells Chromium to end; waiting for it leaves no process behind.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
