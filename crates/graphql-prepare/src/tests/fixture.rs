//! A small schema that notes its calls, and a preparer in front of it.

use std::sync::{Arc, LazyLock, Mutex};

use async_graphql::{
    Context, Enum, ID, InputObject, InputValueError, InputValueResult, Interface, MaybeUndefined, Object,
    OneofObject, Request, Scalar, ScalarType, Schema, SimpleObject, Subscription, Union, ValidationMode,
    Value,
};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde_json::Value as JsonValue;

use crate::{
    Costs, InputRules, Limits, PreparedOperation, Preparer, RequestError, SharedRoot, TypeSystem,
    unwrap_shared_response,
};

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

fn note(ctx: &Context<'_>, call: impl Into<String>) {
    ctx.data_unchecked::<Calls>().0.lock().unwrap().push(call.into());
}

pub(super) struct A;
pub(super) struct B;

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "peer", ty = "Option<Node>"),
    field(name = "echo", ty = "i32", arg(name = "n", ty = "i32", default = 3))
)]
pub(super) enum Node {
    A(A),
    B(B),
}

#[derive(Union)]
pub(super) enum Either {
    A(A),
    B(B),
}

#[Object]
impl A {
    async fn id(&self, ctx: &Context<'_>) -> ID {
        note(ctx, "A.id");
        ID::from("a")
    }

    async fn peer(&self, ctx: &Context<'_>) -> Option<Node> {
        note(ctx, "A.peer");
        Some(Node::B(B))
    }

    async fn echo(&self, ctx: &Context<'_>, #[graphql(default = 3)] n: i32) -> i32 {
        note(ctx, format!("A.echo({n})"));
        n
    }

    async fn only_a(&self, ctx: &Context<'_>) -> i32 {
        note(ctx, "A.onlyA");
        1
    }

    async fn either(&self, ctx: &Context<'_>) -> Option<Either> {
        note(ctx, "A.either");
        Some(Either::B(B))
    }
}

#[Object]
impl B {
    async fn id(&self, ctx: &Context<'_>) -> ID {
        note(ctx, "B.id");
        ID::from("b")
    }

    async fn peer(&self, ctx: &Context<'_>) -> Option<Node> {
        note(ctx, "B.peer");
        Some(Node::A(A))
    }

    async fn echo(&self, ctx: &Context<'_>, #[graphql(default = 3)] n: i32) -> i32 {
        note(ctx, format!("B.echo({n})"));
        n
    }

    async fn only_b(&self, ctx: &Context<'_>) -> Option<bool> {
        note(ctx, "B.onlyB");
        Some(true)
    }

    async fn nodes(&self, ctx: &Context<'_>) -> Vec<Vec<Node>> {
        note(ctx, "B.nodes");
        vec![vec![Node::A(A), Node::B(B)], vec![]]
    }
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn a(&self, ctx: &Context<'_>) -> A {
        note(ctx, "Query.a");
        A
    }

    async fn b(&self, ctx: &Context<'_>) -> B {
        note(ctx, "Query.b");
        B
    }

    async fn node(&self, ctx: &Context<'_>) -> Node {
        note(ctx, "Query.node");
        Node::A(A)
    }

    async fn nodes(&self, ctx: &Context<'_>) -> Vec<Node> {
        note(ctx, "Query.nodes");
        vec![Node::B(B), Node::A(A)]
    }

    async fn either(&self, ctx: &Context<'_>) -> Option<Either> {
        note(ctx, "Query.either");
        Some(Either::A(A))
    }

    /// What arrives for arguments with and without defaults.
    async fn arguments(
        &self,
        #[graphql(default = 10)] first: Option<i32>,
        after: MaybeUndefined<String>,
        #[graphql(default = true)] flag: bool,
        nested: Option<Vec<Option<Vec<i32>>>>,
        ids: Option<Vec<ID>>,
        float: Option<f64>,
        on: Option<Date>,
        choice: Option<Choice>,
    ) -> String {
        let ids = ids.map(|ids| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>());
        format!("{first:?} {after:?} {flag} {nested:?} {ids:?} {float:?} {on:?} {choice:?}")
    }
}

#[derive(SimpleObject)]
struct Added {
    a: i32,
    b: i32,
}

#[derive(InputObject, Debug)]
struct Patch {
    name: MaybeUndefined<String>,
    #[graphql(default = 7)]
    size: i32,
    #[graphql(default = 5)]
    weight: Option<i32>,
    tags: MaybeUndefined<Vec<String>>,
    colour: Option<Colour>,
    on: Option<Date>,
    inner: Option<Box<Patch>>,
}

#[derive(OneofObject, Debug)]
enum Choice {
    Number(i32),
    Text(String),
}

#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
enum Colour {
    Red,
    Green,
    Later,
}

#[derive(Debug)]
struct Date(String);

#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>, x: i32) -> Option<Added> {
        note(ctx, format!("add({x})"));
        Some(Added { a: x, b: x + 1 })
    }

    async fn patch(&self, ctx: &Context<'_>, patch: Patch) -> String {
        note(ctx, "patch");
        format!("{patch:?}")
    }
}

pub(super) struct Updates;

#[Subscription]
impl Updates {
    async fn ticks(&self, #[graphql(default = 2)] count: i32) -> impl Stream<Item = A> {
        stream::iter((0..count).map(|_| A))
    }
}

/// The preparer, and the schema behind it.
pub(super) struct Fixture {
    pub(super) preparer: Preparer,
    schema: Schema<SharedRoot<Query>, SharedRoot<Mutation>, Updates>,
}

/// The result of a request that was valid enough to execute.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) data: JsonValue,
    pub(super) errors: Vec<String>,
    /// The resolvers that ran, in order.
    pub(super) calls: Vec<String>,
}

impl Fixture {
    /// The one of all tests: it keeps nothing between requests.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Fixture> = LazyLock::new(Fixture::new);
        &SHARED
    }

    fn new() -> Self {
        let schema = Schema::build(SharedRoot(Query), SharedRoot(Mutation), Updates)
            .validation_mode(ValidationMode::Fast)
            .limit_recursive_depth(usize::MAX)
            .finish();
        let rules = InputRules::default()
            .scalar("Date", |value| match value {
                Value::String(date) if date.contains('-') => Ok(()),
                _ => Err("expected a date".to_owned()),
            })
            .reject_enum_value("Colour", "LATER", "It is read only.");
        let types = TypeSystem::new(&schema.sdl(), rules).unwrap();
        Self { preparer: Preparer::new(types, Costs::default(), Limits::work_bounds_only()), schema }
    }

    pub(super) fn prepare(
        &self,
        source: &str,
        variables: JsonValue,
    ) -> Result<PreparedOperation, Vec<RequestError>> {
        let JsonValue::Object(variables) = variables else { panic!("variables are an object") };
        let document = self.preparer.document(source)?;
        let operation = document.operation(None).map_err(|error| vec![error])?;
        self.preparer.prepare(operation, Some(variables))
    }

    pub(super) fn request(&self, source: &str, variables: JsonValue) -> Result<Execution, Vec<RequestError>> {
        Ok(self.execute(self.prepare(source, variables)?))
    }

    pub(super) fn execute(&self, prepared: PreparedOperation) -> Execution {
        let copied = self.execute_request(prepared.clone().into_request());
        let shared = self.execute_request(prepared.into_shared_request());
        assert_eq!(
            (&shared.data, &shared.errors, &shared.calls),
            (&copied.data, &copied.errors, &copied.calls)
        );
        shared
    }

    fn execute_request(&self, request: Request) -> Execution {
        let calls = Calls::default();
        let request = request.data(calls.clone());
        let mut response = self.schema.execute(request).now_or_never().unwrap();
        unwrap_shared_response(&mut response);
        let calls = calls.0.lock().unwrap().clone();
        Execution {
            data: response.data.into_json().unwrap(),
            errors: response.errors.into_iter().map(|error| error.message).collect(),
            calls,
        }
    }

    pub(super) fn subscribe(&self, prepared: PreparedOperation) -> Vec<JsonValue> {
        let request = prepared.into_request().data(Calls::default());
        let events = self.schema.execute_stream(request).collect::<Vec<_>>().now_or_never().unwrap();
        events.into_iter().map(|event| event.data.into_json().unwrap()).collect()
    }
}
