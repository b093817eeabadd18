//! Prepares one hostile document of a given size, without executing it: run under an instruction counter, it shows that
//! the work grows as the document does. See `tests/linear/run`.

use std::process::ExitCode;

use intune_graphql::schema::operation::{Costs, InputRules, Limits, Preparer, TypeSystem};
use intune_graphql::schema::sdl;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(kind), Some(size)) = (arguments.next(), arguments.next().and_then(|size| size.parse().ok()))
    else {
        return ExitCode::from(2);
    };
    let Some(document) = document(&kind, size) else { return ExitCode::from(2) };
    let Ok(types) = TypeSystem::new(&sdl(), InputRules::default()) else { return ExitCode::FAILURE };
    // Without the limits that refuse a text by its length alone, so that the work itself is seen.
    let limits = Limits {
        document: usize::MAX,
        tokens: usize::MAX,
        directives: usize::MAX,
        depth: usize::MAX,
        aliases: usize::MAX,
        ..Limits::default()
    };
    let preparer = Preparer::new(types, Costs::default(), limits);
    let prepared = preparer.document(&document).and_then(|document| {
        let operation = document.operation(None).map_err(|error| vec![error])?;
        preparer.prepare(operation, None).map(drop)
    });
    // Refused or not: what counts is the work.
    drop(prepared);
    ExitCode::SUCCESS
}

/// A document of about `size` bytes.
fn document(kind: &str, size: usize) -> Option<String> {
    Some(match kind {
        "lists" => format!("{{node(id:{}{}){{id}}}}", "[".repeat(size / 2), "]".repeat(size / 2)),
        "objects" => format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(size / 4), "}".repeat(size / 4)),
        "selections" => format!("{}{}", "{a".repeat(size / 3), "}".repeat(size / 3)),
        "directives" => format!("{{__typename {}}}", "@skip(if:false)".repeat(size / 15)),
        "fields" => format!("{{{}}}", "__typename ".repeat(size / 11)),
        "unknown" => format!("{{{}}}", "nothing ".repeat(size / 8)),
        "comment" => format!("{{__typename}}#{}", "x".repeat(size)),
        "string" => format!("{{node(id:\"{}\"){{id}}}}", "x".repeat(size)),
        "fragments" => {
            let levels = size / 40;
            let mut document = "query{node(id:\"x\"){...F0}}".to_owned();
            for level in 0..levels {
                document += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
            }
            document + &format!("fragment F{levels} on Node{{id}}")
        }
        "none" => "{__typename}".to_owned(),
        _ => return None,
    })
}
