//! A case, told to both servers, and the comparison of what they answered.

use std::fmt::Write as _;
use std::pin::Pin;

use e2e::control_plane::ControlPlane;
use jiff::Timestamp;
use serde_json::{Value, json};
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Options};
use tokio::runtime::{Builder, Runtime};

use crate::bindings::Bindings;
use crate::compare::{self, Difference};
use crate::differences;
use crate::older;
use crate::server::{Exchange, Server};

/// The headers that clients read.
const HEADERS: [&str; 3] = ["content-type", "retry-after", "warning"];
/// A time so near to now was written while the suite ran; the beginning of its values is far from all times that cases make up.
const NOW_SECONDS: i64 = 3600;

type Telling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A case of the suite.
pub struct Case {
    pub name: &'static str,
    pub tell: fn(Server) -> Telling,
}

/// Lists the cases of a room; each is an `async fn(Server)` whose name is the rule.
#[macro_export]
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub fn cases() -> Vec<$crate::story::Case> {
            vec![$($crate::story::Case {
                name: stringify!($name),
                tell: |server| Box::pin($name(server)),
            }),*]
        }
    };
}

/// One thread, in real time.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Case {
    /// Tells it to both servers.
    pub fn run(&self, number: usize, control_plane: &ControlPlane) -> Result<(), String> {
        let namespace = format!("case-{number}");
        runtime().block_on(async {
            let client = control_plane.admin().await;
            let real = Server::new(client.map_err(|error| error.to_string())?, &namespace);
            let memory = Server::new(in_memory().client("suite"), &namespace);
            let told = tokio::join!(self.on("real", &real), self.on("in memory", &memory));
            let mut report = String::new();
            for failed in [told.0, told.1].into_iter().filter_map(Result::err) {
                writeln!(report, "{failed}").unwrap();
            }
            let is_older = older::is_older(control_plane).await?;
            compare_all(
                (&real.transcript(), is_older),
                &memory.transcript(),
                &mut report,
            );
            let told = if report.is_empty() {
                Ok(())
            } else {
                Err(report)
            };
            if is_older {
                older::judged(self.name, told)
            } else {
                told
            }
        })
    }

    async fn on(&self, which: &str, server: &Server) -> Result<(), String> {
        let (server, tell) = (server.clone(), self.tell);
        let told = tokio::spawn(async move {
            let namespace = json!({ "metadata": { "name": server.namespace() } });
            server.post("/api/v1/namespaces", namespace).await.ok();
            tell(server).await;
        });
        told.await.map_err(|error| {
            let panic = error
                .try_into_panic()
                .unwrap_or_else(|_| Box::new("it was ended"));
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or_default();
            format!("on the server {which}: {said}")
        })
    }
}

fn in_memory() -> ApiServer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the real server beside it reads the machine's clock"
    )]
    let now = Timestamp::now();
    let options = Options {
        version: "v1.36.3".to_owned(),
        // Beside the real one runs no controller manager either.
        janitor: false,
        ..Options::default()
    };
    ApiServer::new(starting_at(now), options)
}

/// Compares two transcripts, exchange by exchange.
fn compare_all((real, is_older): (&[Exchange], bool), memory: &[Exchange], report: &mut String) {
    let meant = |real: &Exchange, difference: &Difference| {
        differences::meant(real, difference) || is_older && older::meant(real, difference)
    };

    let mut bindings = Bindings::new();
    for (number, (real, memory)) in real.iter().zip(memory).enumerate() {
        if let Some(sent) = &real.sent {
            bindings.expect_drawn(sent);
        }
        let found = compare(&mut bindings, real, memory);
        let found: Vec<Difference> = found
            .into_iter()
            .filter(|difference| !meant(real, difference))
            .collect();
        if found.is_empty() {
            continue;
        }
        writeln!(report, "\nanswer {number}: {}", real.line).unwrap();
        if let Some(sent) = &real.sent {
            writeln!(report, "    sent {sent}").unwrap();
        }
        for difference in found {
            writeln!(report, "    {difference}").unwrap();
        }
    }
    if real.len() != memory.len() {
        writeln!(
            report,
            "the real server was asked {} times, the one in memory {}",
            real.len(),
            memory.len()
        )
        .unwrap();
    }
}

fn compare(bindings: &mut Bindings, real: &Exchange, memory: &Exchange) -> Vec<Difference> {
    let (theirs, ours) = (&real.reply, &memory.reply);
    let mut found: Vec<Difference> =
        compare::difference("status", &json!(theirs.status), &json!(ours.status))
            .into_iter()
            .collect();
    for name in HEADERS {
        found.extend(compare::difference(
            &format!("headers.{name}"),
            &json!(theirs.headers.get(name)),
            &json!(ours.headers.get(name)),
        ));
    }
    let (theirs, ours) = (timeless(&theirs.body), timeless(&ours.body));
    bindings.learn(&theirs, &ours);
    if !found.is_empty() {
        // Of answers of different kinds, the sentences say what happened.
        let sentence = |body: &Value| body.get("message").cloned().unwrap_or_default();
        let (theirs, ours) = (sentence(&theirs), sentence(&ours));
        found.extend(compare::difference("body.message", &theirs, &ours));
        return found;
    }
    let body = compare::differences(&bindings.value(&theirs), &ours);
    found.extend(body.into_iter().map(|difference| Difference {
        place: format!("body.{}", difference.place),
        ..difference
    }));
    found
}

/// The value with all times of now as one and the same, and numbers as JSON means them.
fn timeless(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(timeless).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match (key.as_str(), timeless(value)) {
                ("managedFields", Value::Array(entries)) => (key.clone(), by_manager(entries)),
                (_, value) => (key.clone(), value),
            })
            .collect(),
        Value::String(text) if is_now(text) => json!("(now)"),
        // JSON does not tell 1 from 1.0.
        Value::Number(number) => whole(number).map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

fn whole(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    format!("{float:.0}").parse().ok()
}

/// Managers are listed by the second in which they wrote, which is not the same second on both servers.
fn by_manager(mut entries: Vec<Value>) -> Value {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    entries.sort_by_key(|entry| {
        ["operation", "manager", "apiVersion", "subresource"].map(|field| text(entry, field))
    });
    entries.into()
}

fn is_now(text: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "both servers ran in real time")]
    let now = Timestamp::now();
    text.parse::<Timestamp>()
        .is_ok_and(|time| (time.as_second() - now.as_second()).abs() < NOW_SECONDS)
}
