//! Custom directives, which async-graphql executes.

use async_graphql::{
    Context, CustomDirective, Directive, EmptyMutation, EmptySubscription, Object, ResolveFut, Schema,
    ServerResult, ValidationMode, Value,
};
use futures_util::FutureExt;
use serde_json::{Value as JsonValue, json};

use crate::{Costs, InputRules, Limits, Preparer, TypeSystem};

struct Suffix(String);

#[async_graphql::async_trait::async_trait]
impl CustomDirective for Suffix {
    async fn resolve_field(&self, _: &Context<'_>, resolve: ResolveFut<'_>) -> ServerResult<Option<Value>> {
        Ok(resolve.await?.map(|value| match value {
            Value::String(text) => Value::String(text + &self.0),
            value => value,
        }))
    }
}

#[Directive(location = "Field", repeatable)]
fn suffix(#[graphql(default_with = "\"!\".to_owned()")] text: String) -> impl CustomDirective {
    Suffix(text)
}

struct Query;

#[Object]
impl Query {
    async fn greeting(&self) -> String {
        "hello".to_owned()
    }
}

#[track_caller]
fn execute(source: &str, variables: JsonValue) -> JsonValue {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
        .directive(suffix)
        .validation_mode(ValidationMode::Fast)
        .finish();
    let types = TypeSystem::new(&schema.sdl(), InputRules::default()).unwrap();
    let preparer = Preparer::new(types, Costs::default(), Limits::default());
    let document = preparer.document(source).unwrap();
    let prepared =
        preparer.prepare(document.operation(None).unwrap(), variables.as_object().cloned()).unwrap();
    let response = schema.execute(prepared.into_request()).now_or_never().unwrap();
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    response.data.into_json().unwrap()["greeting"].clone()
}

#[test]
fn a_custom_directive_executes_with_its_arguments() {
    assert_eq!(execute("{greeting @suffix(text:\"?\")}", json!({})), "hello?");
    assert_eq!(
        execute("{greeting @skip(if:false) @suffix(text:\"a\") @suffix(text:\"a\")}", json!({})),
        "helloaa"
    );
    let source = "query ($text: String) {greeting @suffix(text:$text)}";
    assert_eq!(execute(source, json!({"text": "."})), "hello.");
    // The default applies to an omitted variable.
    assert_eq!(execute(source, json!({})), "hello!");
}

#[test]
fn merged_selections_share_their_directives() {
    assert_eq!(
        execute("{greeting @suffix(text:\"a\") ...{greeting @suffix(text:\"a\")}}", json!({})),
        "helloa"
    );
    assert_eq!(execute("{greeting greeting @suffix(text:\"b\")}", json!({})), "hellob");
}
