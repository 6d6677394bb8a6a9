//! One request, from what it asks to what it is answered. Synchronous: the store is the caller's for so long.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::present::{Form, Presenter};
use super::read::{self, Selection};
use super::refusal::Refusal;
use super::request::{Call, ListOptions, Query, Target, Verb};
use super::resource::Resource;
use super::store::Object;
use super::watching::{self, WatchPlan};
use super::{Passage, Shared, State, change, create, delete, discovery, evict, options};

/// What a request is answered.
pub(crate) enum Answer {
    /// All at once.
    Body {
        code: u16,
        content_type: &'static str,
        bytes: Bytes,
        headers: Vec<(String, String)>,
    },
    /// Bit by bit.
    Watch(Box<WatchPlan>),
}

/// What a write has done.
pub(crate) struct Written {
    pub code: u16,
    pub object: Object,
    /// Sentences for the caller, which do not fail the request.
    pub warnings: Vec<String>,
}

impl Answer {
    pub(super) fn json(code: u16, body: &Value) -> Self {
        Answer::Body {
            code,
            content_type: "application/json",
            bytes: Bytes::from(body.to_string()),
            headers: Vec::new(),
        }
    }

    pub(super) fn bytes(content_type: &'static str, bytes: Bytes) -> Self {
        Answer::Body {
            code: 200,
            content_type,
            bytes,
            headers: Vec::new(),
        }
    }

    pub(super) fn text(code: u16, text: &str) -> Self {
        Answer::Body {
            code,
            content_type: "text/plain; charset=utf-8",
            bytes: Bytes::from(text.to_owned()),
            headers: Vec::new(),
        }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        let answer = Answer::json(refusal.code, &refusal.to_status());
        match refusal.retry_after {
            Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    pub(super) fn with_header(mut self, name: &str, value: String) -> Self {
        if let Answer::Body { headers, .. } = &mut self {
            headers.push((name.to_owned(), value));
        }
        self
    }

    pub(super) fn code(&self) -> u16 {
        match self {
            Answer::Body { code, .. } => *code,
            Answer::Watch(_) => 200,
        }
    }

    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let (content_type, more) = match self {
            Answer::Body {
                content_type,
                headers,
                ..
            } => (*content_type, headers.as_slice()),
            Answer::Watch(_) => ("application/json", [].as_slice()),
        };
        let mut all = vec![("content-type".to_owned(), content_type.to_owned())];
        all.extend_from_slice(more);
        all
    }

    pub(super) fn passage(&self) -> Passage {
        let body = match self {
            Answer::Body { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            Answer::Watch(_) => String::new(),
        };
        Passage::Answer {
            code: self.code(),
            body,
        }
    }
}

/// Answers one request.
pub(crate) fn handle(state: &mut State, shared: &Shared, call: &Call) -> Answer {
    let answered = match Target::parse(&call.path) {
        Some(target) => resource_request(state, shared, call, &target),
        None => discovery::answer(state, shared, call),
    };
    answered.unwrap_or_else(|refusal| Answer::refused(&refusal))
}

fn resource_request(
    state: &mut State,
    shared: &Shared,
    call: &Call,
    target: &Target,
) -> Result<Answer, Refusal> {
    if let Some(answer) = discovery::review(call, target) {
        return Ok(answer);
    }
    let Some(resource) = state.registry.resolve(target)? else {
        return Ok(Answer::text(404, "404 page not found\n"));
    };
    let all_namespaces = target.namespace.is_none() && target.name.is_none();
    if resource.namespaced == target.namespace.is_none()
        && !(resource.namespaced && all_namespaces && call.method == Method::GET)
    {
        return Err(Refusal::no_such_resource());
    }
    if let Some(subresource) = &target.subresource
        && !resource.has(subresource)
    {
        return Err(Refusal::no_such_resource());
    }
    let form = Form::parse(&call.accept, call.query.get("includeObject"))?;
    let context = Context {
        shared,
        call,
        target,
        resource: &resource,
        form,
    };
    context.dispatch(state)
}

/// A request for a resource that is served.
pub(crate) struct Context<'a> {
    pub shared: &'a Shared,
    pub call: &'a Call,
    pub target: &'a Target,
    pub resource: &'a Arc<Resource>,
    form: Form,
}

impl Context<'_> {
    pub(super) fn query(&self) -> &Query {
        &self.call.query
    }

    pub(super) fn dry_run(&self) -> Result<bool, Refusal> {
        self.call.query.dry_run()
    }

    fn dispatch(&self, state: &mut State) -> Result<Answer, Refusal> {
        options::check(self.call)?;
        let verb = Verb::of(&self.call.method, Some(self.target), self.query());
        match (verb, self.target.subresource.as_deref()) {
            (Verb::Get, Some("eviction" | "binding" | "finalize")) => {
                Err(Refusal::method_not_allowed())
            }
            (Verb::Get, Some("scale")) => change::scale_of(state, self),
            (Verb::Get, _) => {
                let found = read::get(state, self.resource, self.target)?;
                Ok(self.present(200, &found))
            }
            (Verb::List, _) => self.list(state),
            (Verb::Watch, _) => self.watch(state),
            (Verb::Create, None) if self.target.name.is_none() => {
                create::create(state, self).map(|written| self.written(&written))
            }
            (Verb::Create, Some("eviction")) => evict::evict(state, self),
            (Verb::Create, Some("binding")) => evict::bind(state, self),
            (Verb::Update | Verb::Patch, Some("scale")) => change::set_scale(state, self),
            (Verb::Update, _) => change::update(state, self).map(|written| self.written(&written)),
            (Verb::Patch, _) => change::patch(state, self).map(|written| self.written(&written)),
            (Verb::Delete, None) => delete::delete(state, self),
            (Verb::DeleteCollection, None) => delete::delete_collection(state, self),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn list(&self, state: &mut State) -> Result<Answer, Refusal> {
        let options = ListOptions::parse(self.query())?;
        let selection = Selection::parse(self.resource, self.target, self.query())?;
        let page = read::list(state, self.resource, &selection, &options)?;
        Ok(self.present_page(&page))
    }

    fn watch(&self, state: &mut State) -> Result<Answer, Refusal> {
        let options = ListOptions::parse(self.query())?;
        let selection = Selection::parse(self.resource, self.target, self.query())?;
        let plan = watching::plan(state, self.resource, selection, &options, self.form)?;
        Ok(Answer::Watch(Box::new(plan)))
    }

    /// An object in the form that was asked for.
    pub(super) fn present(&self, code: u16, object: &Object) -> Answer {
        let presenter = Presenter::new(Arc::clone(self.resource), self.form);
        Answer::json(code, &presenter.object(object, self.shared.clock.now()))
    }

    /// A page of objects in the form that was asked for.
    pub(super) fn present_page(&self, page: &read::Page) -> Answer {
        let presenter = Presenter::new(Arc::clone(self.resource), self.form);
        Answer::json(200, &presenter.page(page, self.shared.clock.now()))
    }

    fn written(&self, written: &Written) -> Answer {
        let mut answer = self.present(written.code, &written.object);
        for warning in &written.warnings {
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            answer = answer.with_header("warning", format!("299 - \"{quoted}\""));
        }
        answer
    }
}
