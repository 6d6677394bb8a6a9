//! Every recorded answer, one after the other.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::compare::{self, Difference};
use crate::partial;
use crate::recording::{self, Exchange};
use crate::replay::{Outgoing, Replay, Reply, send};
use crate::rules::{RULES, unexplained};

/// Makes a recorded answer another one.
type Alteration = fn(&mut Exchange);

/// The program that recorded: field managers are named after it.
const RECORDER: &str = "Python-urllib/3.13";
/// The headers that clients read.
const HEADERS: [&str; 3] = ["content-type", "retry-after", "warning"];

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn each_recorded_request_is_answered_as_the_real_server_answered() {
    let mut replay = Replay::new();
    let mut used = vec![false; RULES.len()];
    let mut report = String::new();
    let recorded = recording::exchanges();
    let mut compared = 0;

    for exchange in recorded.iter().filter(|each| !each.is_about_rights()) {
        let differences = ask_and_compare(&mut replay, exchange).await;
        compared += 1;
        let found = unexplained(exchange, differences, &mut used);
        if !found.is_empty() {
            writeln!(
                report,
                "\n{} ({}, {})",
                exchange.id, exchange.section, exchange.name
            )
            .unwrap();
            for difference in found {
                writeln!(report, "    {difference}").unwrap();
            }
        }
    }

    assert!(report.is_empty(), "{report}");
    assert!(compared > 0, "nothing was compared");
    for (rule, used) in RULES.iter().zip(used) {
        assert!(
            used,
            "the rule '{}' ({}) covers nothing",
            rule.name, rule.why
        );
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_answer_that_is_not_as_recorded_is_seen() {
    let recorded = recording::exchanges();
    let mut alterations: Vec<(&str, Alteration)> = vec![
        ("status", |exchange| exchange.response.status = 418),
        ("body.reason", |exchange| {
            exchange.response.body.as_mut().unwrap()["reason"] = json!("Teapot");
        }),
        ("body.details.kind", |exchange| {
            exchange.response.body.as_mut().unwrap()["details"]["kind"] = json!("teapots");
        }),
    ];
    let refused = recorded
        .iter()
        .find(|exchange| {
            exchange.response.status == 404 && exchange.request.path.contains("/nodes/")
        })
        .unwrap();

    for (place, alter) in alterations.drain(..) {
        let mut altered = refused.clone();
        alter(&mut altered);
        let mut replay = Replay::new();
        let seen = ask_and_compare(&mut replay, &altered).await;

        let places: Vec<&str> = seen
            .iter()
            .map(|difference| difference.place.as_str())
            .collect();
        assert_eq!(places, [place]);
    }
}

/// Replays one exchange, whether or not it goes as recorded.
pub(crate) async fn ask_and_compare(replay: &mut Replay, exchange: &Exchange) -> Vec<Difference> {
    let reply = ask(replay, exchange).await;
    differences(replay, exchange, &reply)
}

/// Sends what was sent, with what happened meanwhile.
async fn ask(replay: &mut Replay, exchange: &Exchange) -> Reply {
    if let Some(answer) = &exchange.response.body {
        replay.catch_up(answer).await;
    }
    let asked = &exchange.request;
    if let Some(body) = &asked.body {
        replay.bindings.expect_drawn(body);
    }
    let outgoing = Outgoing {
        method: asked.method.clone(),
        path: replay.bindings.path(&asked.path),
        accept: asked.accept.clone().unwrap_or_default(),
        content_type: asked.content_type.clone().unwrap_or_default(),
        user_agent: RECORDER,
        body: replay.body(asked.body.as_ref()),
    };
    let meanwhile = exchange
        .note
        .as_deref()
        .is_some_and(|note| note.starts_with("meanwhile"));
    let answer = send(&replay.server, outgoing);
    if !meanwhile {
        return answer.await;
    }
    let server = replay.server.clone();
    let (reply, ()) = tokio::join!(answer, async {
        // The watch stands first.
        tokio::task::yield_now().await;
        for write in writes_during_the_watch() {
            assert!(send(&server, write).await.status < 300);
        }
    });
    reply
}

/// What another caller wrote while the recorded watch with a selector ran; the recording tells of it in a note only.
fn writes_during_the_watch() -> [Outgoing; 4] {
    let write = |method: &str, name: &str, body: Value| Outgoing {
        method: method.to_owned(),
        path: format!("/api/v1/namespaces/default/configmaps/{name}"),
        accept: "application/json".to_owned(),
        content_type: "application/merge-patch+json".to_owned(),
        user_agent: RECORDER,
        body: body.to_string().into_bytes(),
    };
    let delete = Outgoing {
        body: Vec::new(),
        ..write("DELETE", "c5", Value::Null)
    };
    [
        write(
            "PATCH",
            "c1",
            json!({ "metadata": { "labels": { "app": "z" } } }),
        ),
        write("PATCH", "c3", json!({ "data": { "k": "w" } })),
        write(
            "PATCH",
            "c0",
            json!({ "metadata": { "labels": { "app": "a" } } }),
        ),
        delete,
    ]
}

/// Where the answer differs, in the terms of this server.
fn differences(replay: &mut Replay, exchange: &Exchange, reply: &Reply) -> Vec<Difference> {
    let recorded = &exchange.response;
    let mut found: Vec<Difference> =
        compare::difference("status", &json!(recorded.status), &json!(reply.status))
            .into_iter()
            .collect();
    for name in HEADERS {
        let theirs = json!(recorded.headers.get(name));
        found.extend(compare::difference(
            &format!("headers.{name}"),
            &theirs,
            &json!(reply.headers.get(name)),
        ));
    }
    let (theirs, ours) = match (&recorded.body, &recorded.body_truncated) {
        (_, Some(begun)) => {
            let begun = partial::read(begun);
            let ours = partial::cut(&reply.body, &begun);
            (partial::by_name(&begun), partial::by_name(&ours))
        }
        (Some(body), None) if exchange.section == "discovery" => {
            (partial::by_name(body), partial::by_name(&reply.body))
        }
        // Of a watch with one event the recording has the event alone.
        (Some(body), None) if reply.body.is_array() && !body.is_array() => {
            (json!([body]), reply.body.clone())
        }
        (Some(body), None) => (body.clone(), reply.body.clone()),
        (None, None) => (Value::String(String::new()), reply.body.clone()),
    };
    replay.bindings.learn(&theirs, &ours);
    let theirs = replay.bindings.value(&theirs);
    let body = compare::differences(&theirs, &ours);
    found.extend(body.into_iter().map(|difference| Difference {
        place: format!("body.{}", difference.place),
        ..difference
    }));
    if let Some((before, after)) = replay.bindings.out_of_order() {
        found.push(Difference {
            place: "the order of versions".to_owned(),
            recorded: Some(json!([before, after])),
            ours: None,
        });
    }
    found
}
